# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a claim of the policy has no probes. Pure."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import format_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    HOST,
    WORLD,
    PolicyLine,
    is_block,
    is_outside,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.claims import Claim, ClaimKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import can_probe


class Gap(str, enum.Enum):
    """Why a claim is not proven."""

    NO_CONTAINER = "no_container"  # of a network with an address of this IP version; ``network`` is set
    NO_PUBLISHED_PORT = "no_published_port"  # of a container of ``network`` that is probed, and of this service
    NO_PAIR = "no_pair"  # only one container, or none on another host
    NOT_CHOSEN = "not_chosen"  # the sample does not include it
    NO_RESULT = "no_result"  # no result of its probes counts
    DATAGRAMS = "datagrams"  # a host need not answer UDP
    NOT_OBSERVABLE = "not_observable"  # the fleet has no end there that it can observe


class Ends:
    """The ends that take part, by network and IP version."""

    def __init__(self, endpoints: t.Iterable[Endpoint]) -> None:
        self._found: dict[tuple[str, int], list[Endpoint]] = {}
        for each in endpoints:
            self._found.setdefault((each.network, each.version), []).append(each)

    def of(self, network: str, version: int) -> list[Endpoint]:
        return self._found.get((network, version), [])

    def with_ports(self, network: str) -> list[Endpoint]:
        """The containers of a network, of both IP versions, with published ports."""
        return [each for version in (4, 6) for each in self.of(network, version) if each.ports]


def find_gap(claim: Claim, policy: Policy, ends: Ends) -> tuple[Gap, str | None]:
    """Return why a claim has no probes, and the network that the reason is about."""
    line = None if claim.line is None else policy.lines[claim.line]
    if claim.kind is ClaimKind.PUBLISHED or (line is not None and _is_world(policy, claim.source)):
        return _gap_of_published(claim, line, ends)
    if claim.kind in (ClaimKind.UNDECLARED, ClaimKind.METADATA):
        return Gap.NOT_OBSERVABLE, None
    if line is not None and claim.target != HOST and is_outside(claim.target) and not _is_host(policy, claim.target):
        return Gap.NOT_OBSERVABLE, None
    if line is not None and is_block(claim.source):
        return Gap.NOT_OBSERVABLE, None
    if line is not None and is_outside(claim.target) and line.protocol == "udp":
        return Gap.DATAGRAMS, None
    for end in (claim.source, claim.target):
        if not is_outside(end) and not ends.of(end, claim.version):
            return Gap.NO_CONTAINER, end
    sources, targets = (ends.of(HOST if is_outside(end) else end, claim.version) for end in claim[1:3])
    pairs = ((source, target) for source in sources for target in targets)
    return Gap.NOT_CHOSEN if any(_fits(claim, *pair) for pair in pairs) else Gap.NO_PAIR, None


def _fits(claim: Claim, source: Endpoint, target: Endpoint) -> bool:
    """Whether probes from one end to the other prove the claim."""
    same_host = source.host == target.host
    if claim.kind is ClaimKind.REMOTE_API:
        return True
    if HOST in (claim.source, claim.target):
        return same_host
    if claim.source == claim.target or any(map(is_outside, (claim.source, claim.target))):
        return not same_host  # within a network of one host, the policy does not apply
    return can_probe(source, target)


def _is_world(policy: Policy, end: str) -> bool:
    """Whether hosts of the fleet are the world, or some of it, at this end of a line."""
    return end == WORLD or _is_host(policy, end)


def _is_host(policy: Policy, end: str) -> bool:
    """Whether a line's end is a block with addresses of hosts of the fleet."""
    hosts = (format_address(family.version, host) for family in policy.families for host in family.hosts)
    return is_block(end) and any(policy.names((end,), host) for host in hosts)


def _gap_of_published(claim: Claim, line: PolicyLine | None, ends: Ends) -> tuple[Gap, str | None]:
    targets = [
        end
        for end in ends.with_ports(claim.target)
        for port in end.ports
        if port.version == claim.version and (line is None or line.covers(port.protocol, port.port))
    ]
    if not targets:
        return Gap.NO_PUBLISHED_PORT, claim.target
    source = HOST if claim.source == WORLD or is_block(claim.source) else claim.source
    sources = ends.of(source, claim.version)
    if not sources and source != HOST:
        return Gap.NO_CONTAINER, source
    if not any(end.host != target.host for end in sources for target in targets):
        return Gap.NO_PAIR, None
    return Gap.NOT_CHOSEN, None
