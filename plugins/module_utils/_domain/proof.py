# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof of disjointness: the plan against what the hosts report, before any of them is changed.

A host reports what ``network_info`` returns. Everything there that lies in an address block which the
plan gives to containers is a conflict, unless it is the plan's own: a declared network or its bridge, docker0, a network
that the engine made from the host's own pools, a route to a peer.
"""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import PREFIX, Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.host_files import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import FleetPlan

Report = t.Mapping[str, t.Any]
_PRIVATE = tuple(Prefix.parse(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


class Claim(t.NamedTuple):
    """A block that the plan gives to containers, and whose it is."""

    block: Prefix
    owner: str


class Finding(t.NamedTuple):
    """Something on a host that has addresses: what it is, and where they are."""

    what: str
    block: Prefix


class Conflict(t.NamedTuple):
    """A finding on a host and the claim that it overlaps. ``others`` counts further claims that it overlaps."""

    host: str
    finding: Finding
    claim: Claim
    others: int
    alternative: str

    def __str__(self) -> str:
        more = f" and {self.others} more" if self.others else ""
        return (
            f"host {self.host}: {self.finding.what} ({self.finding.block}) overlaps {self.claim.owner} "
            f"({self.claim.block}){more}; {self.alternative}"
        )


class Conflicts(FleetnetError):
    """All conflicts at once."""

    def __init__(self, conflicts: t.Sequence[Conflict]) -> None:
        self.conflicts = list(conflicts)
        lines = "\n".join(f"  - {conflict}" for conflict in conflicts)
        super().__init__(
            f"the plan's addresses are in use elsewhere, in {len(conflicts)} place(s); no host was changed:\n{lines}"
        )


def prove(plan: FleetPlan, reports: t.Mapping[str, Report]) -> None:
    """Raise Conflicts if any host's report collides with the plan. O(findings x log blocks)."""
    claims = _claims(plan)
    starts = [claim.block.address for claim in claims]
    collisions: list[tuple[str, Finding, Claim, int]] = []
    findings: list[Prefix] = []
    for host in plan.hosts:
        report = reports.get(host.name)
        for finding in _findings(plan, host, report) if report else ():
            if finding.block.version != 4:
                continue
            findings.append(finding.block)
            hits = _overlapped(claims, starts, finding.block)
            if hits:
                collisions.append((host.name, finding, claims[hits.start], len(hits) - 1))
    if collisions:
        taken = sorted({*findings, *(claim.block for claim in claims)})
        raise Conflicts(
            [
                Conflict(host, finding, claim, others, _alternative(plan, finding, claim, taken))
                for host, finding, claim, others in collisions
            ]
        )


def _claims(plan: FleetPlan) -> list[Claim]:
    claims = [Claim(block, f"the block of host {host}") for host, block in plan.leases.blocks.items()]
    for network in plan.fleet.networks:
        if network.subnet is not None:
            claims.append(Claim(network.subnet, f"network {network.name}"))
    for host in plan.hosts:
        for network in host.networks:
            if network.subnet is not None:
                claims.append(Claim(network.subnet, f"network {network.name} of host {host.name}"))
    return sorted(claims)


def _overlapped(claims: list[Claim], starts: list[int], block: Prefix) -> range:
    """Indexes of the claims (sorted and disjoint) that share an address with ``block``."""
    first = bisect.bisect_right(starts, block.address) - 1
    if first < 0 or claims[first].block.last < block.address:
        first += 1
    return range(first, bisect.bisect_right(starts, block.last))


def _findings(plan: FleetPlan, host: Host, report: Report) -> t.Iterator[Finding]:
    networks = plan.networks_of(host)
    declared = {network.name for network, _ in networks} | {"bridge"}
    pool = plan.pools(host)
    bridges = {network.bridge_name for network, _ in networks} | {"docker0"}
    for network in report.get("networks", ()):
        if network["bridge"]:
            bridges.add(network["bridge"])
        for subnet in network["subnets"]:
            block = _block(subnet["subnet"])
            if block is not None and network["name"] not in declared and not pool.contains(block):
                yield Finding(f"Docker network {network['name']}", block)
    for link in report.get("links", ()):
        for address in link["addresses"] if link["name"] not in bridges else ():
            yield Finding(f"address {address} of link {link['name']}", Prefix.holding(address))
    connected = {address for link in report.get("links", ()) for address in link["addresses"]}
    on_link = {(Prefix.holding(address)) for address in connected}
    for route in report.get("routes", ()):
        route_block = _block(route["destination"])
        if (
            route_block is None
            or route_block.length <= 1  # a default route, or the two halves of one that VPN clients set
            or route["protocol"] == ROUTE_PROTOCOL
            or route["device"] in bridges
            or (route["gateway"] is None and route_block in on_link)  # told already, as the link's address
        ):
            continue
        via = f" via {route['gateway']}" if route["gateway"] else ""
        device = f" on {route['device']}" if route["device"] else ""
        yield Finding(f"route to {route['destination']}{via}{device}", route_block)
    for server in report.get("resolver", ()):
        yield Finding(f"name server {server}", _single(server))
    control = report.get("control_path")
    if control:
        yield Finding(f"the address that Ansible comes in from, {control['client']}", _single(control["client"]))


def _block(text: str | None) -> Prefix | None:
    if not text or text == "default":
        return None
    return Prefix.parse(text if "/" in text else f"{text}/{128 if ':' in text else 32}")


def _single(address: str) -> Prefix:
    version, number = parse_address(address.split("%", maxsplit=1)[0])
    return Prefix(version, number, 32 if version == 4 else 128)


def _alternative(plan: FleetPlan, finding: Finding, claim: Claim, taken: list[Prefix]) -> str:
    """What the person could do, with a block that is free everywhere we looked."""
    if finding.block.length <= plan.fleet.supernet.length:
        for private in _PRIVATE:
            free = free_block(private, plan.fleet.supernet.length, taken)
            if free is not None:
                return f"{free} is free on all hosts and could be {PREFIX}supernet"
    free = free_block(plan.fleet.supernet, claim.block.length, taken)
    if free is not None:
        return f"{free} is free on all hosts"
    return f"nothing of this size is free in {plan.fleet.supernet}"


def free_block(within: Prefix, length: int, taken: t.Sequence[Prefix]) -> Prefix | None:
    """The first block of ``length`` inside ``within`` that overlaps nothing of ``taken`` (sorted); None if none is."""
    if length < within.length:
        return None
    step = within.at(0, length).size
    address = within.address
    for block in taken:
        if block.version != within.version or block.last < address:
            continue
        if block.address >= address + step:
            break
        address += -(-(block.last + 1 - address) // step) * step
    return Prefix(within.version, address, length) if address + step - 1 <= within.last else None
