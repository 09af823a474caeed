# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a part, their differences, and the scripts."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    Difference,
    parse_lines,
    sentence,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import names
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import script as firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import (
    File,
    ObservedFiles,
    part_files,
    plan_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    FOLDER,
    ROUTES_PART,
    unit_differences,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes import script as routes
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from ..planning import assert_golden

NEW, OLD = File("new\n"), "old\n"
ROUTE = Difference("route", "10.64.16.0/20 via 192.0.2.2", "state", "present", None)
TABLE = Difference("table", "ip fleetnet", "state", None, "present")
SERVICE = Difference("unit", "x.service", "state", "enabled and active", "enabled and inactive")
PARTS = [(FIREWALL_PART, firewall.SCRIPT), (ROUTES_PART, routes.SCRIPT)]


@pytest.mark.parametrize(
    ("desired", "observed", "write", "delete", "differences"),
    [
        ({"/a": NEW}, ObservedFiles({"/a": None}), ["/a"], (), [("file", "/a", "state", "present", None)]),
        ({"/a": NEW}, ObservedFiles({"/a": OLD}), ["/a"], (), [("file", "/a", "content", "as planned", "different")]),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}), [], (), []),
        (
            {"/a": NEW, "/b": None},
            ObservedFiles({"/a": "new\n", "/b": OLD}),
            [],
            ("/b",),
            [("file", "/b", "state", None, "present")],
        ),
        ({"/a": NEW, "/b": None}, ObservedFiles({"/a": "new\n", "/b": None}), [], (), []),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, kernel=(ROUTE,)), [], (), [ROUTE]),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, units=(SERVICE,)), [], (), [SERVICE]),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, modes={"/a": 0o644}), [], (), []),
        (
            {"/a": NEW},
            ObservedFiles({"/a": "new\n"}, modes={"/a": 0o666}),
            ["/a"],
            (),
            [("file", "/a", "mode", "0644", "0666")],
        ),
        ({"/a": None}, ObservedFiles({"/a": None}), [], (), []),
        ({"/a": None}, ObservedFiles({"/a": None}, kernel=(TABLE,)), [], (), [TABLE]),
    ],
)
def test_plan(desired, observed, write, delete, differences):
    plan = plan_files(desired, observed)
    assert (list(plan.write), plan.delete, plan.differences) == (write, delete, differences)
    assert plan.changed == bool(plan.diff()) == bool(differences)
    assert plan.removal == (not any(desired.values()))


UNIT_FILE = "/etc/systemd/system/x.service"


@pytest.mark.parametrize(
    ("desired", "observed", "enables"),
    [
        ({UNIT_FILE: NEW}, ObservedFiles({UNIT_FILE: None}), True),
        ({UNIT_FILE: NEW}, ObservedFiles({UNIT_FILE: "new\n"}, units=(SERVICE,)), True),
        ({"/a": NEW}, ObservedFiles({"/a": OLD}, incomplete=True), True),
        ({"/a": NEW}, ObservedFiles({"/a": OLD}), False),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, kernel=(ROUTE,)), False),
    ],
)
def test_units_are_enabled_if_they_are_written_or_not_in_effect(desired, observed, enables):
    assert plan_files(desired, observed).enables == enables


def test_the_diff_has_each_file_the_kernel_and_the_units():
    observed = ObservedFiles({"/a": OLD, "/b": "gone\n"}, kernel=(ROUTE,), units=(SERVICE,))
    plan = plan_files({"/a": NEW, "/b": None}, observed)
    assert plan.drift == ["route 10.64.16.0/20 via 192.0.2.2 is missing"]
    assert [(entry["before_header"], entry["before"], entry["after"]) for entry in plan.diff()] == [
        ("/a", "old\n", "new\n"),
        ("/b", "gone\n", ""),
        ("kernel", "route 10.64.16.0/20 via 192.0.2.2 is missing\n", ""),
        ("units", "unit x.service: state: declared enabled and active, observed enabled and inactive\n", ""),
    ]


@pytest.mark.parametrize(("part", "script"), PARTS, ids=lambda each: getattr(each, "name", ""))
def test_scripts_are_complete(part, script):
    files = part_files(part, script)
    assert files[part.script].mode == 0o755
    for path, file in files.items():
        assert "@" not in file.text.replace('"$@"', ""), f"{path} has a placeholder left"
    text = files[part.script].text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    checked = subprocess.run(["shellcheck", "-"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("part", "script"), PARTS, ids=lambda each: getattr(each, "name", ""))
def test_golden(part, script):
    files = part_files(part, script)
    assert_golden(f"parts/{part.name}.yml", {path: file.text for path, file in files.items()})


def test_routes_are_applied_after_the_firewall():
    """Otherwise containers reach denied ones on other hosts for a moment at boot."""
    service = part_files(ROUTES_PART, routes.SCRIPT)[f"/etc/systemd/system/{ROUTES_PART.service}"].text
    [after] = [line for line in service.splitlines() if line.startswith("After=")]
    assert FIREWALL_PART.service in after.split()


IP = """
ip() { [ "$1" = -6 ] || printf '%s\\n' '10.64.32.0/20 via 192.0.2.9 dev eth0 ' 'blackhole 10.79.0.0/20 ' \\
    '10.64.48.0/20 via 192.0.2.4 dev eth0 '; }
"""


def test_the_routes_script_prints_differences(run, tmp_path):
    (tmp_path / "routes").write_text(
        "# h2\nroute replace 10.64.32.0/20 via 192.0.2.2 proto 213\n"
        "# h3\nroute replace 10.64.48.0/20 via 192.0.2.4 proto 213\n"
    )
    checked = run(ROUTES_PART, routes.SCRIPT, IP, "--check")
    assert checked.returncode == 1
    assert parse_lines(checked.stdout) == [
        ("route", "10.64.32.0/20 via 192.0.2.2", "state", "present", None),
        ("route", "10.64.32.0/20 via 192.0.2.9", "state", None, "present"),
        ("route", "blackhole 10.79.0.0/20", "state", None, "present"),
    ]
    traces = parse_lines(run(ROUTES_PART, routes.SCRIPT, IP, "--traces").stdout)
    assert [each.name for each in traces] == [
        "10.64.32.0/20 via 192.0.2.9",
        "blackhole 10.79.0.0/20",
        "10.64.48.0/20 via 192.0.2.4",
    ]
    assert run(ROUTES_PART, routes.SCRIPT, "ip() { :; }", "--traces").stdout == ""


BRIDGES = """
ip() {
    case "$*" in
    "-o link show up type bridge") printf '%s\\n' '3: fn-web: <BROADCAST,UP> mtu 1500' '4: br-0a1b2c: <UP> mtu 1500' \\
        '5: fn-six: <BROADCAST,UP> mtu 1500' ;;
    "-o address show up type bridge") cat "$state/addresses" ;;
    "-force -batch -") sed 's/^/ip /' ;;
    esac
}
"""
UP = """\
3: fn-web    inet 10.64.1.1/24 brd 10.64.1.255 scope global fn-web\\       valid_lft forever preferred_lft forever
4: br-0a1b2c    inet 10.64.2.1/24 brd 10.64.2.255 scope global br-0a1b2c\\       valid_lft forever
"""
DECLARED = """\
# one of them is down, and one does not exist
address fd00:64:0:1::1/64 bridge 10.64.1.1/24
address fd00:64:0:2::1/64 bridge 10.64.2.1/24
address fd00:64:0:3::1/64 bridge 10.64.3.1/24
address fd00:64:0:4::1/64 bridge fn-six
address fd00:64:0:5::1/64 bridge fn-down
"""


def test_the_routes_script_restores_the_ipv6_addresses_of_bridges(run, tmp_path):
    (tmp_path / "routes").write_text("# none\n")
    (tmp_path / "addresses").write_text(UP)
    assert run(ROUTES_PART, routes.SCRIPT, BRIDGES, "--check").stdout == ""
    (tmp_path / "bridge-addresses").write_text(DECLARED)
    checked = run(ROUTES_PART, routes.SCRIPT, BRIDGES, "--check")
    assert checked.returncode == 1
    missing = ["fd00:64:0:1::1/64 dev fn-web", "fd00:64:0:2::1/64 dev br-0a1b2c", "fd00:64:0:4::1/64 dev fn-six"]
    assert parse_lines(checked.stdout) == [("address", name, "state", "present", None) for name in missing]
    applied = run(ROUTES_PART, routes.SCRIPT, BRIDGES, "")
    assert applied.stdout.splitlines() == [f"ip address replace {name} nodad" for name in missing]
    assert run(ROUTES_PART, routes.SCRIPT, BRIDGES, "--traces").stdout == ""


def test_an_ipv6_address_on_another_bridge_is_not_the_declared_one(run, tmp_path):
    (tmp_path / "routes").write_text("# none\n")
    (tmp_path / "bridge-addresses").write_text(DECLARED)
    six = "".join(
        f"{index}: {name}    inet6 fd00:64:0:{number}::1/64 scope global nodad \\       valid_lft forever\n"
        for index, name, number in ((3, "fn-web", 1), (4, "br-0a1b2c", 4), (5, "fn-six", 2))
    )
    (tmp_path / "addresses").write_text(UP + six)
    checked = parse_lines(run(ROUTES_PART, routes.SCRIPT, BRIDGES, "--check").stdout)
    assert [each.name for each in checked] == ["fd00:64:0:2::1/64 dev br-0a1b2c", "fd00:64:0:4::1/64 dev fn-six"]


# A host with another ip6 table than planned, none for ip, one chain that is as planned, and a rule before its jump.
FIREWALL = """
sysctl() { echo 0; }
nft() { [ "$4" = ip6 ] && echo "table ip6 fleetnet"; }
iptables() {
    case "$*" in
    "-w -t filter -S DOCKER-USER" | "-w -t raw -S FLEETNET-RAW") return 1 ;;
    "-w -t filter -S FLEETNET-FORWARD") echo listed ;;
    "-w -t filter -C FORWARD -j FLEETNET-FORWARD") return 0 ;;
    *) return 1 ;;
    esac
}
ip6tables() { iptables "$@"; }
"""


def test_the_firewall_script_reads_the_files_that_are_written():
    files = {program: f"$etc/{program}.rules" for program in ("iptables", "ip6tables")}
    assert "$etc/$1.rules" in firewall.SCRIPT.body
    written = {"iptables": names.IPTABLES_FILE, "ip6tables": names.IP6TABLES_FILE}
    assert written == {program: path.replace("$etc", FOLDER) for program, path in files.items()}


def record_inputs(folder):
    """Record that the files are applied, as the script does."""
    (folder / "firewall.applied").touch()
    files = ["apply-firewall", "firewall.nft", "iptables.rules", "ip6tables.rules"]
    command = f"sha256sum {' '.join(str(folder / name) for name in files)} 2>/dev/null | sha256sum"
    (folder / "firewall.inputs").write_text(
        subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    )


def test_the_firewall_script_prints_differences(run, tmp_path):
    (tmp_path / "sysctl.conf").write_text("net.ipv4.ip_forward = 1\n")
    (tmp_path / "firewall.nft").write_text("add table ip fleetnet\ntable ip fleetnet {\n}\n")
    (tmp_path / "iptables.rules").write_text("*filter\n:FLEETNET-FORWARD - [0:0]\n*raw\n:FLEETNET-RAW - [0:0]\n")
    (tmp_path / "firewall.iptables.FLEETNET-FORWARD").write_text("listed\n")
    record_inputs(tmp_path)
    checked = run(FIREWALL_PART, firewall.SCRIPT, FIREWALL, "--check")
    assert parse_lines(checked.stdout) == [
        ("sysctl", "net.ipv4.ip_forward", "value", "1", "0"),
        ("table", "ip fleetnet", "state", "present", None),
        ("table", "ip6 fleetnet", "state", None, "present"),
        ("jump", "iptables FORWARD -> FLEETNET-FORWARD", "position", "first rule", "later rule"),
        ("chain", "iptables FLEETNET-RAW", "state", "present", None),
        ("jump", "iptables PREROUTING -> FLEETNET-RAW", "state", "present", None),
        ("chain", "ip6tables FLEETNET-FORWARD", "state", None, "present"),
    ]
    (tmp_path / "firewall.iptables.FLEETNET-FORWARD").write_text("listed\nand one more\n")
    (tmp_path / "firewall.nft").write_text("table ip6 fleetnet {\n}\n")
    (tmp_path / "sysctl.conf").write_text("# nothing\n")
    record_inputs(tmp_path)
    changed = parse_lines(run(FIREWALL_PART, firewall.SCRIPT, FIREWALL, "--check").stdout)
    assert changed[:2] == [
        ("table", "ip6 fleetnet", "content", "as planned", "different"),
        ("chain", "iptables FLEETNET-FORWARD", "content", "as planned", "different"),
    ]
    traces = parse_lines(run(FIREWALL_PART, firewall.SCRIPT, FIREWALL, "--traces").stdout)
    assert [(each.kind, each.name) for each in traces] == [
        ("table", "ip6 fleetnet"),
        ("chain", "iptables FLEETNET-FORWARD"),
        ("chain", "ip6tables FLEETNET-FORWARD"),
    ]


@pytest.mark.parametrize(("part", "script"), PARTS, ids=lambda each: getattr(each, "name", ""))
def test_a_check_waits_for_the_end_of_an_application(tmp_path, part, script):
    text = part_files(part, script)[part.script].text.replace("/var/lib/fleetnet", str(tmp_path))
    lock = tmp_path / f"{part.name}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        checking = subprocess.Popen(["sh", "-s", "--", "--check"], stdin=subprocess.PIPE, text=True)
        assert checking.stdin
        checking.stdin.write(text)
        checking.stdin.close()
        # flock waits in its own process, which the kernel lists as blocked by this lock
        blocked = "-> FLOCK  ADVISORY  READ"
        inode = f":{lock.stat().st_ino} "
        wait_until(
            "the check waits for the lock",
            lambda: [line for line in Path("/proc/locks").read_text().splitlines() if inode in line],
            lambda lines: any(blocked in line for line in lines),
        )
        assert checking.poll() is None
    checking.wait(timeout=120)


@pytest.mark.parametrize(
    ("state", "observed"),
    [
        (("active", "enabled", False), None),
        (("active", "enabled", True), "enabled and active, outdated"),
        (("inactive", "enabled", False), "enabled and inactive"),
        (("active", "disabled", False), "disabled and active"),
        (("inactive", "", False), "not installed and inactive"),
    ],
)
def test_units(state, observed):
    found = unit_differences([("x.service", *state)])
    assert found == ([("unit", "x.service", "state", "enabled and active", observed)] if observed else [])


def test_the_diff_of_a_new_file_has_nothing_before():
    (entry,) = plan_files({"/a": NEW}, ObservedFiles({"/a": None})).diff()
    assert entry == {"before_header": "/a", "after_header": "/a", "before": "", "after": "new\n"}


def test_the_diff_has_one_line_per_difference():
    (entry,) = plan_files({"/a": NEW}, ObservedFiles({"/a": "new\n"}, kernel=(ROUTE, TABLE))).diff()
    assert entry["before"] == f"{sentence(ROUTE)}\n{sentence(TABLE)}\n"


# Programs that print their calls.
RECORDED = """
sysctl() { [ "$1" = -n ] && echo 0 || echo "sysctl $*"; }
nft() { [ "$1" != -s ]; }
iptables() {
    case "$*" in
    "-w -t filter -S DOCKER-USER") [ -f "$state/docker" ] ;;
    "-w -P FORWARD DROP") echo "iptables $*" ;;
    *) return 1 ;;
    esac
}
ip6tables() { [ "$*" = "-w -P FORWARD DROP" ] && echo "ip6tables $*"; }
"""


@pytest.mark.parametrize(
    ("files", "before"),
    [(["docker"], ["iptables -w -P FORWARD DROP"]), ([], []), (["docker", "firewall.applied"], [])],
    ids=["as dockerd", "without Docker's rules", "again"],
)
def test_the_firewall_script_closes_forward_before_it_enables_forwarding(run, tmp_path, files, before):
    """dockerd does so. Without it, the host would forward to all networks that are not declared."""
    (tmp_path / "sysctl.conf").write_text("# why\nnet.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n")
    for name in files:
        (tmp_path / name).write_text("")
    applied = run(FIREWALL_PART, firewall.SCRIPT, RECORDED, "").stdout.splitlines()
    assert applied == [
        *before,
        "sysctl -q -w net.ipv4.ip_forward=1",
        "sysctl -q -w net.ipv6.conf.all.forwarding=1",
    ]


# Another program adds a rule right after the table and the chain were loaded.
INTERFERED = """
sysctl() { :; }
nft() { [ "$1" = -f ] || { [ "$4" = ip ] && echo "table ip fleetnet, and a rule of another program"; }; }
iptables() {
    case "$*" in
    "-w -t filter -S FLEETNET-FORWARD") echo "the chain, and a rule of another program" ;;
    "-w -t filter -S FORWARD 1") echo "-A FORWARD -j FLEETNET-FORWARD" ;;
    "-w -t filter -C FORWARD -j FLEETNET-FORWARD") return 0 ;;
    *) return 1 ;;
    esac
}
ip6tables() { return 1; }
"""
NAMESPACE = """
unshare() { case "$*" in *nft*) echo "table ip fleetnet" ;; *) echo "the chain" ;; esac; }
"""
NO_NAMESPACE = "unshare() { echo 'unshare failed: Operation not permitted' >&2; return 1; }\n"


@pytest.mark.parametrize(
    ("namespace", "found"), [(NAMESPACE, ["table", "chain"]), (NO_NAMESPACE, [])], ids=["namespace", "without"]
)
def test_the_firewall_script_compares_with_what_the_files_mean(run, tmp_path, namespace, found):
    """Not with what the kernel lists after they were loaded, unless the host cannot create a namespace."""
    (tmp_path / "sysctl.conf").write_text("# nothing\n")
    (tmp_path / "firewall.nft").write_text("table ip fleetnet {\n}\n")
    (tmp_path / "iptables.rules").write_text("*filter\n:FLEETNET-FORWARD - [0:0]\n")
    (tmp_path / "iptables-restore").write_text("#!/bin/sh\n")
    (tmp_path / "iptables-restore").chmod(0o755)
    programs = INTERFERED + namespace
    applied = run(FIREWALL_PART, firewall.SCRIPT, programs, "")
    assert applied.returncode == 0, applied.stderr
    checked = parse_lines(run(FIREWALL_PART, firewall.SCRIPT, programs, "--check").stdout)
    assert [(each.kind, each.key) for each in checked] == [(kind, "content") for kind in found]
