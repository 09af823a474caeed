# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for a terminal. Plain text: it has to survive logs, mail and CI."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import FleetPlan

# A terminal table of thousands of hosts helps nobody; the lock file and the JSON have them all.
MAX_ROWS = 40


def table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], indent: str = "  ") -> list[str]:
    """Lines of a table with columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip()  # all rows are alike
        for row in [head, *rows]
    ]


def address_plan(plan: FleetPlan) -> list[str]:
    """The address plan: a line a host, a column a network; then what may talk to what."""
    fleet = plan.fleet
    head = ["host", "underlay", "block", "docker0", *(network.name for network in fleet.networks), "engine's own pools"]
    rows = []
    for host in plan.hosts[:MAX_ROWS]:
        subnets = {network.name: str(subnet) for network, subnet in plan.networks_of(host)}
        rows.append(
            [
                host.name,
                host.underlay,
                str(plan.leases.blocks[host.name]),
                str(plan.default_bridge(host)),
                *(subnets.get(network.name, "-") for network in fleet.networks),
                str(plan.pools(host)),
            ]
        )
    lines = [f"Address plan of {fleet.supernet}, a block of /{fleet.host_prefix_length} for each host", ""]
    lines += table(head, rows)
    if len(plan.hosts) > MAX_ROWS:
        lines.append(f"  ... and {len(plan.hosts) - MAX_ROWS} more hosts, all in the lock file")
    for host in plan.hosts[:MAX_ROWS]:
        for network in host.networks:
            lines.append(f"  {host.name} also has {network.name} {network.subnet}")
    lines += ["", "Policy: within a network all hosts' containers reach each other; between networks nothing passes, but"]
    lines += [f"  {line}" for line in fleet.policy] or ["  (no line: nothing at all)"]
    return lines
