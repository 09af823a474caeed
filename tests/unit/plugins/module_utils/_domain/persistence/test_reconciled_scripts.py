# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of parts and the reconciler: who loads the tables, and what is not a difference."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import parse_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import script as firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes import script as routes

NO_IPTABLES = "iptables() { false; }\nip6tables() { false; }"
IP = "ip() { case $* in '-4 route show'*) echo 10.64.32.0/20 via 192.0.2.9 dev eth0 ;; esac; }"
LISTED = """table ip fleetnet { # progname reconciler
    flags owner,persist

    set endpoints {
        type ifname . ether_addr . ipv4_addr
        elements = { "fn-db" . 02:42:0a:40:12:02 . 10.64.17.2,
                 "fn-web" . 02:42:0a:40:11:02 . 10.64.18.2 }
    }

    map endpoint_published {
        type inet_proto . inet_service : verdict
        elements = { tcp . 8080 : goto published_web_0 }
    }

    set hosts {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }

    chain endpoint_0a1b2c3d4e5f_0 {
        iifname "fn-db" return
        counter drop comment "not declared: world -> db"
    }

    chain published {
        type filter hook input priority filter - 2; policy accept;
    }

    chain endpoint_0a1b2c3d4e5f {
        jump endpoint_0a1b2c3d4e5f_0
    }
}
"""
PLANNED = """table ip fleetnet {
    set endpoints {
        type ifname . ether_addr . ipv4_addr
    }
    map endpoint_published {
        type inet_proto . inet_service : verdict
    }
    set hosts {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }
    chain published {
        type filter hook input priority filter - 2; policy accept;
    }
}
"""


def test_nothing_is_reasserted_before_the_first_application_since_the_host_started(run, tmp_path):
    """At boot, Docker starts before the rules and routes are applied: dockerd enables forwarding itself."""
    (tmp_path / "routes").write_text("route replace 10.64.32.0/20 via 192.0.2.2 proto 213\n")
    assert run(ROUTES_PART, routes.SCRIPT, IP, "--reassert").stdout == ""
    assert run(ROUTES_PART, routes.SCRIPT, IP, "").returncode == 0
    assert "10.64.32.0/20 via 192.0.2.2\tstate\tpresent" in run(ROUTES_PART, routes.SCRIPT, IP, "--reassert").stdout
    # nor after the removal has begun
    run(ROUTES_PART, routes.SCRIPT, "ip() { case $* in *flush*) false ;; esac; }", "--remove")
    assert run(ROUTES_PART, routes.SCRIPT, IP, "--reassert").stdout == ""


@pytest.mark.parametrize(
    ("program", "ran", "code"),
    [
        (None, ["nft -f"], 0),
        ("#!/bin/sh\nexit 3\n", ["nft -f"], 0),
        ("#!/bin/sh\necho $1\n", ["load"], 0),
        ("#!/bin/sh\necho 'syntax error' >&2\nexit 1\n", [], 1),
    ],
    ids=["not installed", "does not run", "runs", "fails"],
)
def test_the_reconciler_loads_the_tables_if_it_runs(run, tmp_path, program, ran, code):
    (tmp_path / "sysctl.conf").write_text("# nothing\n")
    (tmp_path / "firewall.nft").write_text("")
    if program:
        (tmp_path / "reconciler").write_text(program)
        (tmp_path / "reconciler").chmod(0o755)
    programs = (
        'sysctl() { :; }\nnft() { [ "$1" = -f ] && echo "nft -f"; }\niptables() { false; }\nip6tables() { false; }'
    )
    applied = run(FIREWALL_PART, firewall.SCRIPT, programs, "")
    assert applied.stdout.splitlines() == ran
    assert applied.returncode == code
    assert ("syntax error" in applied.stderr) == bool(code)
    assert (tmp_path / "firewall.applied").exists() != bool(code)


def test_what_the_reconciler_adds_to_a_table_is_no_difference(run, tmp_path):
    listed, planned = (text.replace("    ", "\t") for text in (LISTED, PLANNED))
    (tmp_path / "sysctl.conf").write_text("# nothing\n")
    (tmp_path / "firewall.nft").write_text("table ip fleetnet {\n}\n")
    (tmp_path / "listed").write_text(listed)
    programs = 'nft() { [ "$1" = -f ] || { [ "$4" = ip ] && cat "$state/listed"; }; }\nsysctl() { :; }\n' + NO_IPTABLES
    run(FIREWALL_PART, firewall.SCRIPT, f"unshare() {{ false; }}\n{programs}", "")
    assert (tmp_path / "firewall.ip").read_text() == planned
    assert run(FIREWALL_PART, firewall.SCRIPT, programs, "--check").stdout == ""
    (tmp_path / "listed").write_text(listed.replace("192.0.2.1 }", "192.0.2.1, 192.0.2.2 }"))
    changed = parse_lines(run(FIREWALL_PART, firewall.SCRIPT, programs, "--check").stdout)
    assert changed == [("table", "ip fleetnet", "content", "as planned", "different")]
    (tmp_path / "listed").write_text(listed.replace("flags owner", "flags dormant,owner"))
    changed = parse_lines(run(FIREWALL_PART, firewall.SCRIPT, programs, "--check").stdout)
    assert changed == [("table", "ip fleetnet", "content", "as planned", "different")]


def test_several_next_hops_are_those_of_one_route(run, tmp_path):
    (tmp_path / "routes").write_text("route replace 10.64.32.0/20 via 192.0.2.2 proto 213\n")
    hops = "".join(f"\\tnexthop via 192.0.2.{number} dev eth0 weight 1\\n" for number in (2, 9))
    ip = f"ip() {{ case $* in '-4 route show'*) printf '10.64.32.0/20 \\n{hops}' ;; esac; }}"
    changed = parse_lines(run(ROUTES_PART, routes.SCRIPT, ip, "--check").stdout)
    assert changed == [
        ("route", "10.64.32.0/20 via 192.0.2.2", "state", "present", None),
        ("route", "10.64.32.0/20", "state", None, "present"),
    ]


# Chains as files, one target per line. Docker's jump to DOCKER-USER is the first rule of FORWARD.
CHAINS = """
sysctl() { :; }
nft() { [ "$1" != -s ]; }
ip6tables() { false; }
iptables() { # -w -t TABLE COMMAND CHAIN ...
    chain=$state/chain.${5-}
    case "$3 $4 ${6+number}" in
    "filter -S ") if [ $5 = FORWARD ]; then echo "-P $5 DROP"; sed "s/^/-A $5 -j /" "$chain"; else cat "$chain"; fi ;;
    "filter -S number") sed -n "${6}s/^/-A $5 -j /p" "$chain" ;;
    "filter -C number") grep -qx "$7" "$chain" ;;
    "filter -D number") grep -qx "$7" "$chain" && sed -i "/^$7\\$/d" "$chain" ;;
    "filter -I number") { echo "$8"; cat "$chain"; } > "$chain.new" && command mv "$chain.new" "$chain" ;;
    raw*) return 1 ;;
    esac
}
"""


def test_a_second_jump_in_forward_is_a_difference(run, tmp_path):
    """It is left from a time when DOCKER-USER was not the first rule, as while an old engine restarts."""
    (tmp_path / "sysctl.conf").write_text("# nothing\n")
    (tmp_path / "firewall.nft").write_text("")
    (tmp_path / "iptables.rules").write_text("*filter\n:FLEETNET-FORWARD - [0:0]\n")
    (tmp_path / "iptables-restore").write_text(f"#!/bin/sh\necho rules > {tmp_path}/chain.FLEETNET-FORWARD\n")
    (tmp_path / "iptables-restore").chmod(0o755)
    forward, user = (tmp_path / f"chain.{name}" for name in ("FORWARD", "DOCKER-USER"))
    forward.write_text("ISOLATION\nDOCKER-USER\n")
    user.write_text("RETURN\n")
    programs = f"{CHAINS}unshare() {{ echo rules; }}\n"

    def check():
        return [tuple(each) for each in parse_lines(run(FIREWALL_PART, firewall.SCRIPT, programs, "--check").stdout)]

    assert run(FIREWALL_PART, firewall.SCRIPT, programs, "").returncode == 0
    assert forward.read_text().split() == ["FLEETNET-FORWARD", "ISOLATION", "DOCKER-USER"]
    assert check() == []
    forward.write_text("DOCKER-USER\nFLEETNET-FORWARD\n")
    user.write_text("FLEETNET-FORWARD\nRETURN\n")
    assert check() == [("jump", "iptables FORWARD -> FLEETNET-FORWARD", "state", None, "present")]
    run(FIREWALL_PART, firewall.SCRIPT, programs, "--reassert")
    assert (forward.read_text(), user.read_text()) == ("DOCKER-USER\n", "FLEETNET-FORWARD\nRETURN\n")
    assert check() == []
    # It does not keep DOCKER-USER from being the first rule of others.
    forward.write_text("FLEETNET-FORWARD\nDOCKER-USER\n")
    assert check() == [("jump", "iptables FORWARD -> FLEETNET-FORWARD", "state", None, "present")]
    run(FIREWALL_PART, firewall.SCRIPT, programs, "--reassert")
    assert (forward.read_text(), user.read_text()) == ("DOCKER-USER\n", "FLEETNET-FORWARD\nRETURN\n")
