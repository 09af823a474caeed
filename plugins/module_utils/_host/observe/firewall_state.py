# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what filters packets on the host: tables, this collection's rules, and the services that write rules."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import CHAIN_PREFIX, TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    RECONCILER_UNIT,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import unit_states

_UNITS = (RECONCILER_UNIT, FIREWALL_PART.service, ROUTES_PART.service)
# Other services that write rules.
_SERVICES = ("firewalld", "ufw", "nftables")


class Rule(t.TypedDict):
    """A rule of iptables in a chain of this collection, or a jump to one, as ``-S`` prints it."""

    family: int
    table: str
    rule: str


class UnitReport(t.TypedDict):
    """A systemd unit of this collection."""

    name: str
    active: bool
    enabled: bool


class FirewallState(t.TypedDict):
    """``forward_policy`` by ``ipv4`` and ``ipv6``; ``services``: whether each other writer of rules is active."""

    forward_policy: dict[str, str | None]
    tables: list[str]
    owned: bool
    rules: list[Rule]
    services: dict[str, bool]
    units: list[UnitReport]


def read_firewall(commands: Commands) -> FirewallState:
    """Read it with one call of iptables per table and IP version, one of nft and one of systemctl."""
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
        "units": [{"name": unit, "active": states[unit][0], "enabled": states[unit][1]} for unit in _UNITS],
    }


def _nft_tables(commands: Commands) -> list[str]:
    program = commands.find("nft")
    if program is None:
        return []
    try:
        listed = commands.run(program, "list", "tables").splitlines()
    except CommandFailed:  # a kernel without nftables
        return []
    return [line[len("table ") :] for line in listed if line.startswith("table ")]


def _unit_states(commands: Commands) -> dict[str, tuple[bool, bool]]:
    """Whether units are active and enabled; (False, False) for a unit that does not exist."""
    units = [*(f"{name}.service" for name in _SERVICES), *_UNITS]
    found = dict.fromkeys(units, (False, False))
    if commands.find("systemctl") is None:
        return found
    for unit in unit_states(commands, *units):
        found[unit.name] = (unit.active == "active", unit.enabled == "enabled")
    return found
