# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What filters packets on the host: whose tables there are, what is ours of it, and which services see to it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import CHAIN_PREFIX, TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import unit_states

# Who else writes rules on hosts.
_SERVICES = ("firewalld", "ufw", "nftables")


class Rule(t.TypedDict):
    """A rule of iptables that is ours, or jumps to ours, as ``-S`` prints it."""

    family: int
    table: str
    rule: str


class UnitReport(t.TypedDict):
    """A unit of this collection."""

    name: str
    active: bool
    enabled: bool


class FirewallState(t.TypedDict):
    """``forward_policy`` by ``ipv4`` and ``ipv6``; ``services`` tells which other writers of rules are active."""

    forward_policy: dict[str, str | None]
    tables: list[str]
    owned: bool
    rules: list[Rule]
    services: dict[str, bool]
    units: list[UnitReport]


def read_firewall(commands: Commands) -> FirewallState:
    """By one call of iptables a table and IP version, one of nft, one of systemctl."""
    tables = _nft_tables(commands)
    forward: dict[str, str | None] = {}
    rules: list[Rule] = []
    for version in (4, 6):
        lines = {table: list_rules(commands, version, table) for table in ("filter", "raw")}
        policies = [line.split()[-1] for line in lines["filter"] if line.startswith("-P FORWARD ")]
        forward[f"ipv{version}"] = policies[0] if policies else None
        rules += [
            {"family": version, "table": table, "rule": line}
            for table, found in lines.items()
            for line in found
            if CHAIN_PREFIX in line and not line.startswith("-N")
        ]
    states = _unit_states(commands)
    return {
        "forward_policy": forward,
        "tables": tables,
        "owned": any(table in tables for table in TABLES.values()),
        "rules": rules,
        "services": {name: states[f"{name}.service"][0] for name in _SERVICES},
        "units": [
            {"name": unit, "active": states[unit][0], "enabled": states[unit][1]}
            for unit in (*FIREWALL_PART.units, *ROUTES_PART.units)
        ],
    }


def _nft_tables(commands: Commands) -> list[str]:
    program = commands.find("nft")
    if program is None:
        return []
    try:
        listed = commands.run(program, "list", "tables").splitlines()
    except CommandFailed:  # a kernel without it
        return []
    return [line[len("table ") :] for line in listed if line.startswith("table ")]


def _unit_states(commands: Commands) -> dict[str, tuple[bool, bool]]:
    """Whether units are active and enabled; those that are not there are neither."""
    units = [*(f"{name}.service" for name in _SERVICES), *FIREWALL_PART.units, *ROUTES_PART.units]
    found = dict.fromkeys(units, (False, False))
    if commands.find("systemctl") is None:
        return found
    for name, active, enabled in unit_states(commands, *units):
        found[name] = (active == "active", enabled == "enabled")
    return found
