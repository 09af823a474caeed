# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts between the plan's addresses and what the hosts report, before any host is changed.

A host reports what ``network_info`` returns. Everything in it that overlaps an address block of the plan is a
conflict, unless it belongs to the plan: a declared network or its bridge, docker0, a network from the
host's own pools, a network of this collection that is no longer declared, a route to a peer.
"""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, named_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import Leases
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

Report = t.Mapping[str, t.Any]
# Private address space by IP version, for another supernet.
_PRIVATE = {
    4: tuple(Prefix.parse(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    6: (Prefix.parse("fd00::/8"),),
}
# Routes of this length or shorter are default routes: the two halves that VPN clients set, and 2000::/3.
_DEFAULT_ROUTE_LENGTH = {4: 1, 6: 3}


class Claim(t.NamedTuple):
    """A block that the plan gives to containers, its owner, and the variable that changes it.

    ``leased_by`` is the host that leases it as its block; None if it is a pinned subnet.
    """

    block: Prefix
    owner: str
    variable: str
    leased_by: str | None = None


class Finding(t.NamedTuple):
    """Something on a host that has addresses: what it is, and its block."""

    what: str
    block: Prefix


class Conflict(t.NamedTuple):
    """A finding, the hosts that report it, and the claim that it overlaps. ``others`` counts further such claims."""

    hosts: tuple[str, ...]
    finding: Finding
    claim: Claim
    others: int
    alternative: str

    def __str__(self) -> str:
        more = f" and {self.others} more" if self.others else ""
        return (
            f"{named_hosts(self.hosts)}: {self.finding.what} ({self.finding.block}) overlaps {self.claim.owner} "
            f"({self.claim.block}){more}. {self.alternative}."
        )


class Conflicts(FleetnetError):
    """All conflicts at once."""

    def __init__(self, conflicts: t.Sequence[Conflict]) -> None:
        self.conflicts = list(conflicts)
        lines = "\n".join(f"  - {conflict}" for conflict in conflicts)
        super().__init__(
            f"{len(conflicts)} address conflict(s) between the plan and the hosts. No host was changed:\n{lines}"
        )


def check_conflicts(plan: FleetPlan, reports: t.Mapping[str, Report]) -> list[str]:
    """Return the names of the hosts without a report. Raises Conflicts if a report conflicts with the plan.

    O(findings x log blocks).
    """
    claims = _claims(plan)
    starts = [(claim.block.version, claim.block.address) for claim in claims]
    collisions: dict[tuple[Finding, int, int], list[str]] = {}
    findings: set[Prefix] = set()
    reader = _Reader(plan)
    for host in plan.hosts:
        report = reports.get(host.name)
        for finding in reader.findings(host, report) if report else ():
            findings.add(finding.block)
            hits = _overlapped(claims, starts, finding.block)
            if hits:
                collisions.setdefault((finding, hits.start, len(hits)), []).append(host.name)
    if collisions:
        offers = _Offers(plan, [*findings, *(claim.block for claim in claims)])
        raise Conflicts(
            [
                Conflict(tuple(hosts), finding, claims[first], count - 1, offers.instead_of(claims[first], finding))
                for (finding, first, count), hosts in collisions.items()
            ]
        )
    return [host.name for host in plan.hosts if not reports.get(host.name)]


def _claims(plan: FleetPlan) -> list[Claim]:
    """All claims, sorted. The plan has checked that they are disjoint."""
    claims = [
        Claim(block, f"the block of host {host}", f"{PREFIX}reservations.{host}", host)
        for leases in plan.leases.families
        for host, block in leases.blocks.items()
    ]
    for network in plan.fleet.networks:
        if network.driver not in ON_THE_LAN:
            claims += [
                Claim(subnet, f"network {network.name}", f"{network.path}.subnet")
                for subnet in network.subnets
                if plan.carriers[network.name]
            ]
    for host in plan.hosts:
        for network in host.networks:
            if network.driver not in ON_THE_LAN:
                claims += [
                    Claim(subnet, f"network {network.name} of host {host.name}", f"{network.path}.subnet")
                    for subnet in network.subnets
                ]
    return sorted(claims, key=lambda claim: (claim.block.version, claim.block.address))


def _overlapped(claims: list[Claim], starts: list[tuple[int, int]], block: Prefix) -> range:
    """Indexes of the claims (sorted and disjoint) that share an address with ``block``."""
    first = bisect.bisect_right(starts, (block.version, block.address)) - 1
    if first < 0 or not claims[first].block.overlaps(block):
        first += 1
    return range(first, bisect.bisect_right(starts, (block.version, block.last)))


class _Reader:
    """Reads reports. What all hosts have in common is computed once."""

    def __init__(self, plan: FleetPlan) -> None:
        self._plan = plan
        # The slots of declared networks and of those that are no longer declared.
        self._slots = [{**leases.departed_slots, **leases.slots} for leases in plan.leases.families]
        self._peers = {
            block: host.underlay if block.version == 4 else host.underlay_v6
            for host in plan.hosts
            for block in plan.blocks(host)
        }
        self._parsed: dict[str, Prefix | None] = {}

    def findings(self, host: Host, report: Report) -> t.Iterator[Finding]:
        """What a host reports and the plan does not contain."""
        plan = self._plan
        networks = [network for network in plan.fleet.networks if host.name in plan.carriers[network.name]]
        declared = {network.name for network in (*networks, *host.networks)} | {"bridge"}
        bridges = {network.bridge_name for network in (*networks, *host.networks)} | {DOCKER0}
        for network in report.get("networks", ()):
            if network["bridge"]:
                bridges.add(network["bridge"])
            # A managed network that is no longer declared is removed in the same run.
            if network["name"] in declared or network.get("managed"):
                continue
            for subnet in network["subnets"]:
                block = self._block(subnet["subnet"])
                if block is not None and not self._ours(host, network["name"], block):
                    yield Finding(f"Docker network {network['name']}", block)
        on_link = set()
        for link in report.get("links", ()):
            for address in link["addresses"]:
                block = Prefix.holding(address)
                on_link.add(block)
                if link["name"] not in bridges:
                    yield Finding(f"address {address} of interface {link['name']}", block)
        for route in report.get("routes", ()):
            # The subnets of interfaces are findings already.
            if route["protocol"] == ROUTE_PROTOCOL or route["device"] in bridges:
                continue
            block = self._block(route["destination"])
            if (
                block is None
                or block.length <= _DEFAULT_ROUTE_LENGTH[block.version]
                or (route["gateway"] is None and block in on_link)
                or (route["gateway"] is not None and self._peers.get(block) == route["gateway"])
            ):
                continue
            via = f" via {route['gateway']}" if route["gateway"] else ""
            device = f" on {route['device']}" if route["device"] else ""
            yield Finding(f"route to {route['destination']}{via}{device}", block)
        for server in report.get("resolver", ()):
            yield Finding(f"name server {server}", _single(server))
        control = report.get("control_path")
        if control:
            yield Finding(f"Ansible controller {control['client']}", _single(control["client"]))

    def _ours(self, host: Host, name: str, block: Prefix) -> bool:
        """Whether a network that the host does not declare is from its pools or from an earlier declaration."""
        for leases, slots in zip(self._plan.leases.families, self._slots):  # one each
            whole = leases.blocks[host.name]
            if not whole.contains(block):
                continue
            slot = slots.get(name)
            return whole.at(leases.pools.offset, leases.pools.length).contains(block) or (
                slot is not None and whole.at(slot.offset, slot.length) == block
            )
        return False

    def _block(self, text: str | None) -> Prefix | None:
        """Parse a destination or subnet. Cached, since most hosts have the same ones."""
        if text is None or text == "default":
            return None
        if text not in self._parsed:
            self._parsed[text] = Prefix.parse(text) if "/" in text else _single(text)
        return self._parsed[text]


def _single(address: str) -> Prefix:
    return single(*parse_address(address.split("%", maxsplit=1)[0]))


class _Offers:
    """Remedies for conflicts, with blocks that are free on all reported hosts.

    No block is offered for two claims, and a claim is offered the same block in each line.
    """

    def __init__(self, plan: FleetPlan, taken: t.Iterable[Prefix]) -> None:
        self._plan = plan
        self._free = FreeBlocks(taken)
        self._made: dict[Claim, str] = {}
        self._supernets: dict[int, str] = {}

    def instead_of(self, claim: Claim, finding: Finding) -> str:
        """The offer for a claim that a finding overlaps."""
        leases = self._plan.leases.of(claim.block.version)
        if leases is not None and finding.block.contains(leases.supernet):
            return self._supernet(leases.supernet)
        if claim not in self._made:
            self._made[claim] = self._block(claim, leases)
        return self._made[claim]

    def _supernet(self, supernet: Prefix) -> str:
        version = supernet.version
        if version not in self._supernets:
            offer = f"No /{supernet.length} is free in private address space"
            for private in _PRIVATE[version]:
                found = self._free.take(private, supernet.length)
                if found is not None:
                    key = "supernet" if version == 4 else "supernet_v6"
                    offer = f"Set {PREFIX}{key} to {found}, which is free on all hosts"
                    break
            self._supernets[version] = offer
        return self._supernets[version]

    def _block(self, claim: Claim, leases: Leases | None) -> str:
        if claim.leased_by is not None and leases is not None:
            found = self._free.take(leases.supernet, claim.block.length)
            if found is None:
                return f"No /{claim.block.length} is free in {leases.supernet}. {self._supernet(leases.supernet)}"
            first = "Delete the host's line in the lock file and set" if self._is_held(claim) else "Set"
            return f"{first} {claim.variable} to {found}, which is free on all hosts"
        if leases is not None:
            self._free.add(leases.supernet)  # pinned subnets must be outside of it
        for private in _PRIVATE[claim.block.version]:
            found = self._free.take(private, claim.block.length)
            if found is not None:
                return f"Set {claim.variable} to {found}, which is free on all hosts"
        return f"No /{claim.block.length} is free in private address space"

    def _is_held(self, claim: Claim) -> bool:
        """Whether the claim is a host's block that was leased before this run."""
        held = self._plan.held.of(claim.block.version) if self._plan.held else None
        return held is not None and claim.leased_by is not None and held.blocks.get(claim.leased_by) == claim.block
