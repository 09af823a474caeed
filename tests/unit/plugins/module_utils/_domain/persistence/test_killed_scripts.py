# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's script, killed before each of its changes: the next check finds it, and the next run completes it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import parse_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import script as firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import part_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART

# A kernel whose tables, chains and jumps are files, and a firewalld that has read the files of its last reload.
STEP = r"""
step() { # ends the process group before change number KILL
    count=$(($(cat "$state/steps" 2>/dev/null) + 1))
    echo $count > "$state/steps"
    [ $count != "$KILL" ] || kill -9 0
}
"""
PROGRAMS = r"""
kernel=$state/kernel
mv() { step; command mv "$@"; }
rm() { step; command rm "$@"; }
cp() { step; command cp "$@"; }
sleep() { :; }
sysctl() { [ "$1" != -n ] || echo 1; }
block() { awk -v family="$1" '/^table / { found = $2 == family } found' "$2"; } # FAMILY FILE
nft() {
    case $1 in
    -f) step && command cp "$2" "$kernel/nft" ;;
    -s) block "$4" "$kernel/nft" | grep . ;;
    esac
}
unshare() {
    case $4 in
    nft*) family=${4##*list table } && block "${family% *}" "$etc/firewall.nft" ;;
    *) cat "$etc/iptables.rules" ;;
    esac
}
systemctl() { # -q COMMAND UNIT
    case $2 in
    is-active) [ -f "$state/active" ] ;;
    stop) command rm -f "$state/active" ;;
    esac
}
ip6tables() { return 1; }
iptables() {
    case "$*" in
    "-w -t filter -S FLEETNET-FORWARD") cat "$kernel/iptables" ;;
    "-w -t filter -C FORWARD -j FLEETNET-FORWARD") [ -f "$kernel/jump" ] ;;
    "-w -t filter -S FORWARD 1") [ ! -f "$kernel/jump" ] || echo "-A FORWARD -j FLEETNET-FORWARD" ;;
    "-w -t filter -I FORWARD 1 -j FLEETNET-FORWARD") step && : > "$kernel/jump" ;;
    *) return 1 ;;
    esac
}
"""
# Names that no function can have.
SCRIPTS = {
    "iptables-restore": 'step && cat > "$state/kernel/iptables"',
    "firewall-cmd": 'step && cp "$state/firewalld/policies/fleetnet.xml" "$state/kernel/firewalld"',
}
TABLES = "table ip fleetnet {{\n\t# {0}\n}}\ntable ip6 fleetnet {{\n\t# {0}\n}}\n"


class Host:
    """A host in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        text = part_files(FIREWALL_PART, firewall.SCRIPT)[FIREWALL_PART.script].text
        for name in ("/etc/fleetnet", "/var/lib/fleetnet", "/run/fleetnet"):
            text = text.replace(name, str(folder))
        text = text.replace("/etc/firewalld", str(folder / "firewalld"))
        text = text.replace("\napplied() {", f"\n{STEP}{PROGRAMS}\napplied() {{", 1)
        self._text = text.replace("PATH=", f"PATH={folder}:", 1)
        (folder / "kernel").mkdir(parents=True, exist_ok=True)
        for name, body in SCRIPTS.items():
            (folder / name).write_text(f"#!/bin/sh\nstate={folder}\n{STEP}\n{body}\n")
            (folder / name).chmod(0o755)

    def write(self, what: str) -> None:
        """Write the planned files, as the module does."""
        (self.folder / "sysctl.conf").write_text("net.ipv4.ip_forward = 1\n")
        (self.folder / "firewall.nft").write_text(TABLES.format(what))
        (self.folder / "iptables.rules").write_text(f"*filter\n:FLEETNET-FORWARD - [0:0]\n# {what}\n")
        for name in ("fleetnet-own4", "fleetnet-own6", "fleetnet-own", "fleetnet"):
            (self.folder / f"firewalld.{name}.xml").write_text(f"{what}\n")

    def run(self, option: str, kill: int = 0) -> subprocess.CompletedProcess[str]:
        (self.folder / "steps").write_text("0\n")
        return subprocess.run(
            ["sh", "-s", "--", option],
            input=self._text,
            env={**os.environ, "KILL": str(kill)},
            text=True,
            capture_output=True,
            check=False,
            start_new_session=True,
        )

    def steps(self) -> int:
        return int((self.folder / "steps").read_text())

    def kernel(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.folder / "kernel").iterdir()}

    def found(self) -> list[tuple[t.Any, ...]]:
        return [tuple(each) for each in parse_lines(self.run("--check").stdout)]


@pytest.fixture
def hosts(tmp_path: pathlib.Path) -> t.Callable[[str | None], Host]:
    """``hosts(before)``: the host with new files, after ``before`` was applied; in the place of an earlier one."""

    def make(before: str | None) -> Host:
        folder, saved = tmp_path / f"host-{before}", tmp_path / f"saved-{before}"
        if saved.exists():
            shutil.rmtree(folder)
            shutil.copytree(saved, folder)
            return Host(folder)
        host = Host(folder)
        if before is not None:
            host.write(before)
            assert host.run("").returncode == 0
        host.write("new")
        shutil.copytree(folder, saved)
        return host

    return make


@pytest.mark.parametrize("before", [None, "old"], ids=["fresh", "applied before"])
def test_a_kill_at_any_change_is_found_by_the_next_check(
    hosts: t.Callable[[str | None], Host], before: str | None
) -> None:
    host = hosts(before)
    applied = host.run("")
    assert applied.returncode == 0, applied.stderr
    expected, steps = host.kernel(), host.steps()
    assert all("new" in text for name, text in expected.items() if name != "jump")
    assert steps > 10
    assert host.found() == []
    for number in range(1, steps + 1):
        host = hosts(before)
        assert host.run("", kill=number).returncode < 0
        assert host.found() != [], f"killed before change {number}"
        assert host.run("").returncode == 0
        assert host.kernel() == expected, f"killed before change {number}"
        assert host.found() == []


def test_files_that_were_not_applied_are_a_difference(hosts: t.Callable[[str | None], Host]) -> None:
    """The module was killed after it had written them: the kernel is as the last application left it."""
    host = hosts("old")
    assert ("table", "ip fleetnet", "content", "as planned", "different") in host.found()
    assert ("chain", "iptables FLEETNET-FORWARD", "content", "as planned", "different") in host.found()
    host.run("--reassert")
    assert host.found() == []
    assert "new" in host.kernel()["nft"]


def test_a_part_is_repaired_without_its_marker_while_its_unit_is_active(
    hosts: t.Callable[[str | None], Host],
) -> None:
    """Another program emptied /run."""
    host = hosts("old")
    assert host.run("").returncode == 0
    (host.folder / "firewall.applied").unlink()
    # the host started, and the part is not applied yet
    assert ("table", "ip fleetnet", "content", "as planned", "different") in host.found()
    host.run("--reassert")
    assert host.steps() == 0
    (host.folder / "active").touch()
    assert host.found() == []
    (host.folder / "kernel" / "jump").unlink()
    host.run("--reassert")
    assert (host.folder / "kernel" / "jump").exists()
    assert host.found() == []
    # a removal is not undone
    host.run("--remove")
    host.run("--reassert")
    assert host.steps() == 0


def test_a_repair_changes_and_records_only_what_differs(hosts: t.Callable[[str | None], Host]) -> None:
    host = hosts("new")
    host.run("")
    expected = host.kernel()
    records = {path: (path.stat().st_ino, path.read_text()) for path in host.folder.glob("firewall.i*")}
    assert records
    (host.folder / "kernel" / "jump").unlink()
    host.run("--reassert")
    assert host.kernel() == expected
    assert {path: (path.stat().st_ino, path.read_text()) for path in records} == records
    # iptables lists the rules in another form than before its upgrade
    recorded = host.folder / "firewall.iptables.FLEETNET-FORWARD"
    recorded.write_text("other\n")
    assert host.found() == [("chain", "iptables FLEETNET-FORWARD", "content", "as planned", "different")]
    host.run("--reassert")
    assert host.found() == []
    assert {path: (text, path.read_text()) for path, (_number, text) in records.items()} == {
        path: (text, text) for path, (_number, text) in records.items()
    }


@pytest.mark.parametrize(
    ("flags", "loaded"), [("\tflags owner,persist\n", False), ("\tflags owner\n", False), ("", True)]
)
def test_a_repair_does_not_load_tables_that_have_an_owner_and_do_not_differ(
    hosts: t.Callable[[str | None], Host], flags: str, loaded: bool
) -> None:
    host = hosts("new")
    host.run("")
    # as the kernel lists the tables, with elements, which a check does not compare
    listed = host.folder / "kernel" / "nft"
    planned = listed.read_text()
    sets = "\tset endpoints {\n\t\telements = { 10.0.0.1 }\n\t}\n"
    changed = planned.replace("{\n", f"{{\n{flags}{sets}")
    for name in ("firewall.ip", "firewall.ip6"):
        record = host.folder / name
        record.write_text(record.read_text().replace("{\n", "{\n\tset endpoints {\n\t}\n"))
    listed.write_text(changed)
    (host.folder / "kernel" / "jump").unlink()
    assert [each[0] for each in host.found()] == ["jump"]
    host.run("--reassert")
    assert (host.folder / "kernel" / "jump").exists()
    assert listed.read_text() == (planned if loaded else changed)


def test_former_files_that_are_written_again_are_applied_again(hosts: t.Callable[[str | None], Host]) -> None:
    """A run with new files was killed, and so was one with the old files."""
    expected = hosts("old").kernel()
    for number in range(1, 30, 2):
        host = hosts("old")
        host.run("", kill=number)
        host.write("old")
        host.run("--reassert")
        assert host.kernel() == expected, f"killed before change {number}"
