# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remedies for conflicts. A remedy never moves a host whose addresses are in use, unless the user consents to it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import Leases
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.claims import Claim, Claims
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.findings import Finding
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

# Private address space by IP version, for another supernet.
_PRIVATE = {
    4: tuple(Prefix.parse(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    6: (Prefix.parse("fd00::/8"),),
}


class Remedies:
    """Remedies for conflicts, with blocks that are free on all reported hosts.

    No block is offered for two claims, and a claim is offered the same block in each line.
    """

    def __init__(self, plan: FleetPlan, claims: Claims, findings: t.Iterable[Prefix]) -> None:
        self._plan = plan
        self._claims = claims
        self._free = FreeBlocks([*findings, *(claim.block for claim in claims.all)])
        self._made: dict[Claim, str | None] = {}
        self._supernets: dict[int, str] = {}

    def against(self, claim: Claim, finding: Finding) -> str:
        """The remedy for a claim that a finding overlaps."""
        offer = self._offer(claim, finding)
        move = offer or self._leave_supernet(claim, finding)
        if finding.allowable and finding.block.length < claim.block.length:
            when = (
                f"nothing there uses addresses of {claim.owner}"
                if finding.yields
                else "the host's rules ('ip rule') prefer routes of table main"
            )
            return f"if {when}, add {finding.block} to {PREFIX}default_bridge.allow_overlap. Otherwise: {move}"
        if finding.remedy is not None and self._claims.in_use(claim):
            # Another supernet, which moves the whole fleet, is not offered in its place.
            return finding.remedy if offer is None else f"{finding.remedy}. If its addresses must stay there: {move}"
        return move

    def _offer(self, claim: Claim, finding: Finding) -> str | None:
        """Another block for the claim; None if the supernet has none."""
        leases = self._plan.leases.of(claim.block.version)
        if claim.leased_by is not None and leases is not None and finding.block.contains(leases.supernet):
            return None
        if claim not in self._made:
            self._made[claim] = self._block(claim, leases)
        return self._made[claim]

    def _leave_supernet(self, claim: Claim, finding: Finding) -> str:
        leases = self._plan.leases.of(claim.block.version)
        if claim.leased_by is None or leases is None:
            return f"no /{claim.block.length} is free in private address space"
        if finding.block.contains(leases.supernet):
            return self._supernet(leases.supernet)
        return f"no /{claim.block.length} is free in {leases.supernet}; {self._supernet(leases.supernet)}"

    def _supernet(self, supernet: Prefix) -> str:
        version = supernet.version
        if version not in self._supernets:
            offer = f"no /{supernet.length} is free in private address space"
            for private in _PRIVATE[version]:
                found = self._free.take(private, supernet.length)
                if found is not None:
                    key = "supernet" if version == 4 else "supernet_v6"
                    offer = f"set {PREFIX}{key} to {found}, which is free on all hosts"
                    if self._plan.held and self._plan.held.of(version):
                        offer += f", and add -e {PREFIX}renumber=true, which recreates the networks of all hosts"
                    break
            self._supernets[version] = offer
        return self._supernets[version]

    def _block(self, claim: Claim, leases: Leases | None) -> str | None:
        if claim.leased_by is not None and leases is not None:
            found = self._free.take(leases.supernet, claim.block.length)
            if found is None:
                return None
            offer = f"set {claim.variable} to {found}, which is free on all hosts"
            if self._is_held(claim):
                offer += f", and add -e {PREFIX}renumber=true, which recreates the networks of host {claim.leased_by}"
            return offer
        if claim.kept_by is not None:
            return (
                f"leave {claim.kept_by} out of {claim.variable}: the network then leases a subnet of the host's block, "
                f"which recreates it. If host {claim.kept_by} has it from another program and has not adopted it, "
                "remove it there first"
            )
        if leases is not None:
            self._free.add(leases.supernet)  # pinned subnets must be outside of it
        for private in _PRIVATE[claim.block.version]:
            found = self._free.take(private, claim.block.length)
            if found is not None:
                return f"set {claim.variable} to {found}, which is free on all hosts"
        return None

    def _is_held(self, claim: Claim) -> bool:
        """Whether the claim is a host's block that was leased before this run."""
        held = self._plan.held.of(claim.block.version) if self._plan.held else None
        return held is not None and claim.leased_by is not None and held.blocks.get(claim.leased_by) == claim.block
