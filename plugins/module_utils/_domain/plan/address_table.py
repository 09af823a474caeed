# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan as a table, for a terminal and as Markdown."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.tables import markdown_table, table

# The largest table for a terminal. The lock file, the JSON and the Markdown contain all hosts.
MAX_ROWS = 40

# docker0 and pools that are not from the host's block.
_KEPT = "as it is"

Rows = t.List[t.List[str]]


def address_plan(plan: FleetPlan) -> list[str]:
    """The address plan as lines: one line per host, one column per network, then the policy."""
    head, rows = _addresses(plan, MAX_ROWS)
    lines = [_title(plan), "", *table(head, rows)]
    if len(plan.hosts) > MAX_ROWS:
        lines.append(f"  ... and {len(plan.hosts) - MAX_ROWS} more hosts, all in the lock file")
    lines += [f"  {line}" for line in _own_networks(plan, MAX_ROWS)]
    departed = _departed(plan)
    if departed:
        lines += ["", _DEPARTED_TITLE, *(f"  {line}" for line in departed[:MAX_ROWS])]
        if len(departed) > MAX_ROWS:
            lines.append(f"  ... and {len(departed) - MAX_ROWS} more, all in the lock file")
    lines += ["", f"{_POLICY_TITLE}, except"]
    lines += [f"  {line}" for line in plan.fleet.policy] or ["  (no lines)"]
    return [*lines, _closed(plan)]


def markdown(plan: FleetPlan) -> str:
    """The complete plan as a Markdown document."""
    lines = ["# Address plan", "", f"{_title(plan)}.", "", *markdown_table(*_addresses(plan, len(plan.hosts)))]
    own = _own_networks(plan, len(plan.hosts))
    if own:
        lines += ["", *(f"- {line}" for line in own)]
    lines += ["", "## Policy", "", f"{_POLICY_TITLE}, except for these lines. Replies always pass.", ""]
    rows = [[", ".join(line.sources), ", ".join(line.targets), str(line).rsplit(": ", maxsplit=1)[-1]]
            for line in plan.fleet.policy]  # fmt: skip
    lines += markdown_table(["from", "to", "allowed"], rows) if rows else ["Nothing passes between networks."]
    lines += ["", _closed(plan)]
    departed = _departed(plan)
    if departed:
        lines += ["", "## Departed", "", _DEPARTED_TITLE, "", *(f"- {line}" for line in departed)]
    return "\n".join(lines) + "\n"


_POLICY_TITLE = "Policy: within a network all hosts' containers reach each other; between networks nothing passes"
_DEPARTED_TITLE = "Departed: leases that are kept until docker_fleet_reclaim releases them"


def _closed(plan: FleetPlan) -> str:
    """What is closed for all containers."""
    access = plan.fleet.api_access
    metadata = ". Metadata of clouds: closed" if plan.fleet.closes_metadata else ""
    metadata += ". Containers send from their own addresses only" if plan.fleet.isolates_spoofing else ""
    sources = ", ".join(access.sources) or "the host itself"
    return f"Remote API of the engines (tcp/{access.port}): only from {sources}{metadata}"


def _departed(plan: FleetPlan) -> list[str]:
    """The departed networks and hosts with their leases, and which hosts may still use theirs."""
    book = plan.leases
    lines = [
        f"host {host} {_joined(blocks)}, {'removed' if host in book.removed else 'which may still use it'}"
        for host, blocks in sorted(book.departed_hosts().items())
    ]
    networks = sorted({name for leases in book.families for name in leases.departed_slots})
    return lines + [f"network {name}" for name in networks]


def _title(plan: FleetPlan) -> str:
    parts = [f"{scheme.supernet}, a block of /{scheme.host_prefix_length}" for scheme in plan.fleet.schemes]
    return f"Address plan of {' and of '.join(parts)} for each host"


def _addresses(plan: FleetPlan, most: int) -> tuple[list[str], Rows]:
    fleet = plan.fleet
    head = ["host", "underlay", "block", "docker0", *(network.name for network in fleet.networks), "engine's own pools"]
    rows = []
    for host in plan.hosts[:most]:
        subnets: dict[str, list[Prefix]] = {}
        for network, subnet in plan.networks_of(host):
            subnets.setdefault(network.name, []).append(subnet)
        rows.append(
            [
                host.name,
                host.underlay,
                _joined(plan.blocks(host)),
                _KEPT if plan.keeps_default_bridge(host) else _joined(plan.default_bridge(host)),
                *(_joined(subnets.get(network.name, ())) for network in fleet.networks),
                _KEPT if plan.keeps_default_bridge(host) else _joined(plan.pools(host)),
            ]
        )
    return head, rows


def _own_networks(plan: FleetPlan, most: int) -> list[str]:
    return [
        f"{host.name} also has {network.name} {_joined(network.subnets)}"
        for host in plan.hosts[:most]
        for network in host.networks
    ]


def _joined(blocks: t.Iterable[Prefix]) -> str:
    return " ".join(str(block) for block in blocks) or "-"
