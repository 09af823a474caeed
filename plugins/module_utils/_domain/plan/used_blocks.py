# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that hosts use, and that the plan leases to other hosts.

The leases and the hosts disagree if the lock file is lost, or if it is that of an older commit. Then a new plan could
give the addresses of one host's containers to another.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

Report = t.Mapping[str, t.Any]
# The remedy contains the reservations of at most this many hosts.
_MOST_RESERVATIONS = 20


class UsedBlock(t.NamedTuple):
    """A block that a host uses, what uses it, and the host that the plan leases it to."""

    host: str
    block: Prefix
    what: str
    leased_to: str

    def __str__(self) -> str:
        return f"host {self.host} uses {self.block} ({self.what}), which the plan leases to host {self.leased_to}"


class UsedBlocks(FleetnetError):
    """All such blocks at once."""

    def __init__(self, used: t.Sequence[UsedBlock]) -> None:
        self.used = list(used)
        lines = "\n".join(f"  - {each}" for each in used)
        blocks: dict[str, list[str]] = {}
        for each in used:
            blocks.setdefault(each.host, []).append(str(each.block))
        pairs = [f"{host}: {found[0] if len(found) == 1 else '[' + ', '.join(found) + ']'}"
                 for host, found in sorted(blocks.items())]  # fmt: skip
        more = ", ..." if len(pairs) > _MOST_RESERVATIONS else ""
        super().__init__(
            f"The lock file does not match the blocks that the hosts use. No host was changed:\n{lines}\n"
            f"Restore the lock file from version control. If it is lost, set {PREFIX}reservations to "
            f"{{{', '.join(pairs[:_MOST_RESERVATIONS])}{more}}}. To give the hosts other addresses, which recreates "
            f"their networks, add -e {PREFIX}renumber=true."
        )


def check_used_blocks(plan: FleetPlan, reports: t.Mapping[str, Report]) -> None:
    """Raise UsedBlocks if hosts use blocks of others.

    A host uses a block if this collection's networks on it are in that block. Of a host without a report, the other
    hosts' routes to it show its block. The address of docker0 does not count: a host that left the fleet keeps it.
    O(networks + routes).
    """
    used: dict[tuple[str, Prefix], UsedBlock] = {}
    gateways = {text: host.name for host in plan.hosts for text in (host.underlay, host.underlay_v6) if text}
    for leases in plan.leases.families:
        holders = {block: host for host, block in leases.blocks.items()}
        for host, subnet, what in _evidence(plan, reports, gateways):
            if not leases.supernet.contains(subnet):
                continue
            block = Prefix.holding(str(subnet).split("/", maxsplit=1)[0], leases.host_prefix_length)
            holder = holders.get(block, host)
            if holder != host and leases.blocks[host] != block:
                used.setdefault((host, block), UsedBlock(host, block, what, holder))
    if used:
        raise UsedBlocks([used[key] for key in sorted(used)])


def _evidence(
    plan: FleetPlan, reports: t.Mapping[str, Report], gateways: t.Mapping[str, str]
) -> t.Iterator[tuple[str, Prefix, str]]:
    """Hosts, and addresses that they use, with what uses them."""
    for host in plan.hosts:
        report = reports.get(host.name) or {}
        for network in report.get("networks", ()):
            if is_labeled(network.get("labels") or {}):  # an adopted network has its subnet from elsewhere
                for subnet in network["subnets"]:
                    if subnet["subnet"] is not None:
                        yield host.name, Prefix.parse(subnet["subnet"]), f"network {quoted_name(network['name'])}"
        for route in report.get("routes", ()):
            holder = gateways.get(route["gateway"] or "")
            # A wrong route is damage of the host that has it, and must not be held against a host that reports itself.
            if (
                holder is not None
                and not reports.get(holder)
                and route["protocol"] == ROUTE_PROTOCOL
                and "/" in route["destination"]
            ):
                yield holder, Prefix.parse(route["destination"]), f"route on host {host.name}"
