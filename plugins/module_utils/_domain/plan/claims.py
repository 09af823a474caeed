# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address blocks of a plan, and which of them are in use already."""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.findings import Finding, Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan


class Claim(t.NamedTuple):
    """A block that the plan gives to containers, its owner, and the variable that changes it.

    ``leased_by`` is the host that leases it as its block; None if it is a pinned subnet. ``kept_by`` is the host whose
    network keeps it instead of a leased subnet.
    """

    block: Prefix
    owner: str
    variable: str
    leased_by: str | None = None
    kept_by: str | None = None


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
            claims += [
                Claim(subnet, f"network {network.name} on host {host}", f"{network.path}.subnets", None, host)
                for host, subnets in network.host_subnets.items()
                for subnet in subnets
                if host in plan.carriers[network.name]
            ]
    for host in plan.hosts:
        for network in host.networks:
            if network.driver not in ON_THE_LAN:
                claims += [
                    Claim(subnet, f"network {network.name} of host {host.name}", f"{network.path}.subnet")
                    for subnet in network.subnets
                ]
    return sorted(claims, key=lambda claim: (claim.block.version, claim.block.address))


class Claims:
    """The claims of a plan, and those of them whose addresses are in use already."""

    def __init__(self, plan: FleetPlan, reports: t.Mapping[str, Report]) -> None:
        self.all = _claims(plan)
        self._allowed = [Prefix.parse(text) for text in plan.fleet.default_bridge.get("allow_overlap", ())]
        held = {
            (host, block)
            for leases in (plan.held.families if plan.held else ())
            for host, block in leases.blocks.items()
        }
        subnets = {name: _provisioned(report) for name, report in reports.items()}
        declared = {network.name for network in plan.fleet.networks}
        pinned = {subnet for report in reports.values() for subnet in _provisioned(report, declared)}
        self._used = {
            claim
            for claim in self.all
            if (
                claim.block in pinned
                if claim.leased_by is None
                else (claim.leased_by, claim.block) in held
                and (
                    claim.leased_by not in subnets
                    or any(claim.block.contains(subnet) for subnet in subnets[claim.leased_by])
                )
            )
        }
        self._all = _Blocks(self.all)
        self._new = _Blocks([claim for claim in self.all if claim not in self._used])

    def in_use(self, claim: Claim) -> bool:
        """Whether containers may have addresses of the claim already."""
        return claim in self._used

    def allows(self, finding: Finding) -> bool:
        """Whether the user allows the finding to overlap claims."""
        return finding.allowable and any(block.contains(finding.block) for block in self._allowed)

    def hit_by(self, finding: Finding, host: str) -> t.Sequence[Claim]:
        """The claims that a finding on a host conflicts with."""
        hits = self._all.overlapped(finding.block)
        if self.allows(finding):
            return ()
        if not hits or not finding.yields:
            return hits
        # Either one claim contains the finding, or the finding is wider than all that it overlaps.
        if hits[0].block.length > finding.block.length:
            return self._new.overlapped(finding.block)
        # On the host itself, the subnets of its networks are more specific than its block.
        own = hits[0].leased_by == host and hits[0].block == finding.block
        return () if own and self.in_use(hits[0]) else hits


class _Blocks:
    """Sorted and disjoint claims."""

    def __init__(self, claims: list[Claim]) -> None:
        self._claims = claims
        self._starts = [(claim.block.version, claim.block.address) for claim in claims]

    def overlapped(self, block: Prefix) -> list[Claim]:
        """The claims that share an address with ``block``."""
        first = bisect.bisect_right(self._starts, (block.version, block.address)) - 1
        if first < 0 or not self._claims[first].block.overlaps(block):
            first += 1
        return self._claims[first : bisect.bisect_right(self._starts, (block.version, block.last))]


def _provisioned(report: Report, names: t.Collection[str] = ()) -> list[Prefix]:
    """The subnets of docker0, of this collection's networks and of those with these names on a host."""
    return [
        Prefix.parse(subnet["subnet"])
        for network in report.get("networks", ())
        if network.get("managed") or network["name"] == "bridge" or network["name"] in names
        for subnet in network["subnets"]
        if subnet["subnet"] is not None  # the engine's answer was not readable
    ]
