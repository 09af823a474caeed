# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What filters packets on a host, from what iptables, nft and systemctl print."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.firewall_state import read_firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

PRINTED = {
    ("nft", "list", "tables"): "table ip filter\ntable ip fleetnet\n",
    ("iptables", "-w", "-t", "filter", "-S"): (
        "-P INPUT ACCEPT\n-P FORWARD DROP\n-N FLEETNET-FORWARD\n-A FORWARD -j FLEETNET-FORWARD\n-A FORWARD -j X\n"
    ),
    ("iptables", "-w", "-t", "raw", "-S"): "-P PREROUTING ACCEPT\n",
    ("ip6tables", "-w", "-t", "filter", "-S"): "-P FORWARD ACCEPT\n",
}
UNITS = """Id=firewalld.service
ActiveState=inactive
UnitFileState=

Id=ufw.service
ActiveState=active
UnitFileState=enabled

Id=fleetnet-firewall.service
ActiveState=active
UnitFileState=enabled

Id=fleetnet-routes.service
ActiveState=inactive
UnitFileState=disabled
"""


class Commands:
    """Prints what PRINTED has; everything else fails, as without such a table in the kernel."""

    def __init__(self, *programs: str) -> None:
        self._programs = programs

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert stdin is None
        if argv[0] == "systemctl":
            return UNITS
        if argv not in PRINTED:
            raise CommandFailed(argv, 3, "no such table")
        return PRINTED[argv]

    def find(self, program: str) -> str | None:
        return program if program in self._programs else None


def test_own_tables_rules_and_units_are_identified() -> None:
    found = read_firewall(Commands("nft", "iptables", "ip6tables", "systemctl"))
    assert found["forward_policy"] == {"ipv4": "DROP", "ipv6": "ACCEPT"}
    assert found["tables"] == ["ip filter", "ip fleetnet"]
    assert found["owned"]
    assert found["rules"] == [{"family": 4, "table": "filter", "rule": "-A FORWARD -j FLEETNET-FORWARD"}]
    assert found["services"] == {"firewalld": False, "ufw": True, "nftables": False}
    units = {unit["name"]: (unit["active"], unit["enabled"]) for unit in found["units"]}
    assert units["fleetnet-firewall.service"] == (True, True)
    assert units["fleetnet-routes.service"] == (False, False)
    assert units["fleetnet-reconciler.service"] == (False, False)  # does not exist


@pytest.mark.parametrize("programs", [(), ("nft",), ("iptables",)])
def test_a_missing_program_leaves_its_values_empty(programs: tuple[str, ...]) -> None:
    found = read_firewall(Commands(*programs))
    assert found["owned"] == ("nft" in programs)
    assert found["forward_policy"] == {"ipv4": "DROP" if "iptables" in programs else None, "ipv6": None}
    assert not any(found["services"].values())
