# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts between the plan's addresses and what the hosts report, before any host is changed.

A host reports what ``network_info`` returns. Everything in it that overlaps an address block of the plan is a
conflict, unless it belongs to the plan: a declared network or its bridge, docker0, a network from the
host's own pools, a network of this collection that is no longer declared, a route to a peer.

The kernel prefers the longest prefix. So a route or an interface's subnet that is wider than a block does not take the
block's packets, and is no conflict with a block that is in use. It is one with a block that nothing uses yet: the
addresses may be in use there. ``allow_overlap`` of the default bridge allows it by name.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    InvalidValues,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.claims import Claim, Claims
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.findings import Finding, Report, ReportReader
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.remedies import Remedies


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
            f"({self.claim.block}){more}. {self.alternative[0].upper()}{self.alternative[1:]}."
        )


class Avoided(t.NamedTuple):
    """A finding that new leases avoid, the hosts that report it, and the other hosts whose leases move with that."""

    hosts: tuple[str, ...]
    finding: Finding
    moved: tuple[str, ...]

    def __str__(self) -> str:
        leave = f"!{self.hosts[0]}" if len(self.hosts) == 1 else "!HOST"
        return (
            f"{named_hosts(self.hosts)}: {self.finding.what} ({self.finding.block}): new leases avoid it, which moves "
            f"those of {named_hosts(self.moved)}. If these addresses are not in use, examine what reports them, and "
            f"leave it out until then: --limit '{leave}'."
        )


class Conflicts(FleetnetError):
    """All conflicts at once."""

    def __init__(self, conflicts: t.Sequence[Conflict]) -> None:
        self.conflicts = list(conflicts)
        lines = "\n".join(f"  - {conflict}" for conflict in conflicts)
        super().__init__(
            f"{len(conflicts)} address conflict(s) between the plan and the hosts. No host was changed:\n{lines}"
        )


def check_conflicts(plan: FleetPlan, reports: t.Mapping[str, Report]) -> None:
    """Raise Conflicts if a report conflicts with the plan. O(findings x log blocks)."""
    _Collisions(plan, reports).check()


def _ignore(_avoided: Avoided) -> None:
    pass


def plan_around(
    make: t.Callable[[t.Collection[Prefix]], FleetPlan],
    reports: t.Mapping[str, Report],
    avoided: t.Callable[[Avoided], None] = _ignore,
) -> FleetPlan:
    """Return the plan whose new leases avoid what the hosts report, as far as there are free blocks.

    ``make`` returns the plan without the given blocks. Conflicts of reserved blocks, and of blocks that were leased
    before, remain: raises Conflicts. ``avoided`` gets each finding that moves new leases of hosts that do not report
    it: a host that is compromised may invent it.
    """
    avoid: set[Prefix] = set()
    causes: dict[Finding, tuple[str, ...]] = {}
    plan = first = make(avoid)
    while True:
        collisions = _Collisions(plan, reports)
        found = collisions.avoidable()
        if not found:
            break
        avoid.update(*found.values())
        causes.update({finding: collisions.reporters(finding) for finding in found})
        try:
            plan = make(avoid)
        except (InvalidValue, InvalidValues):  # No block is left. The conflicts of the last plan have remedies.
            break
    changed = _moved(first, plan)
    for finding, hosts in causes.items():
        moved = tuple(host for host in changed if host not in hosts)
        if moved:
            avoided(Avoided(hosts, finding, moved))
    collisions.check()
    return plan


def _moved(before: FleetPlan, after: FleetPlan) -> list[str]:
    """The hosts whose leases differ."""
    return [host.name for host in after.hosts if before.blocks(host) != after.blocks(host)]


class _Collisions:
    """The findings that conflict with the claims of a plan."""

    def __init__(self, plan: FleetPlan, reports: t.Mapping[str, Report]) -> None:
        self._plan = plan
        self._claims = Claims(plan, reports)
        # With the claims that a finding conflicts with, and the hosts that report it, each once.
        self._found: dict[Finding, tuple[t.Sequence[Claim], dict[str, None]]] = {}
        self._blocks: set[Prefix] = set()
        reader = ReportReader(plan)
        for host in plan.hosts:
            report = reports.get(host.name)
            for finding in reader.findings(host, report) if report else ():
                if not self._claims.allows(finding):
                    self._blocks.add(finding.block)
                hits = self._claims.hit_by(finding, host.name)
                if hits:
                    self._found.setdefault(finding, (hits, {}))[1][host.name] = None

    def check(self) -> None:
        """Raise Conflicts if there are any."""
        if self._found:
            remedies = Remedies(self._plan, self._claims, self._blocks)
            raise Conflicts(
                [
                    Conflict(tuple(hosts), finding, hits[0], len(hits) - 1, remedies.against(hits[0], finding))
                    for finding, (hits, hosts) in self._found.items()
                ]
            )

    def avoidable(self) -> dict[Finding, list[Prefix]]:
        """Blocks that conflict and that nothing binds to their hosts, by what they conflict with."""
        found: dict[Finding, list[Prefix]] = {}
        for finding, (hits, _hosts) in self._found.items():
            for claim in hits:
                if _is_free_to_move(self._plan, claim, finding):
                    found.setdefault(finding, []).append(claim.block)
        return found

    def reporters(self, finding: Finding) -> tuple[str, ...]:
        """The hosts that report a finding that conflicts."""
        return tuple(self._found[finding][1])


def _is_free_to_move(plan: FleetPlan, claim: Claim, finding: Finding) -> bool:
    leases = plan.leases.of(claim.block.version)
    if claim.leased_by is None or leases is None or finding.block.contains(leases.supernet):
        return False
    held = plan.held.of(claim.block.version) if plan.held else None
    known = {**held.departed_blocks, **held.blocks} if held else {}
    reserved = plan.fleet.reservations.get(claim.leased_by, ())
    return known.get(claim.leased_by) != claim.block and claim.block not in reserved
