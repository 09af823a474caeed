# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a statement of the policy has no probes. Pure."""

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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import (
    EndKind,
    Endpoint,
    PublishedPort,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import can_probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import Statement, StatementKind


class Gap(str, enum.Enum):
    """Why a statement is not proven."""

    NO_CONTAINER = "no_container"  # of a network with an address of this IP version; ``network`` is set
    NO_UNDECLARED = "no_undeclared"  # no container on an undeclared network
    NO_PUBLISHED_PORT = "no_published_port"  # of a container of ``network`` that is probed, and of this service
    NO_PAIR = "no_pair"  # only one container, or none on another host
    NOT_CHOSEN = "not_chosen"  # the sample does not include it
    NO_RESULT = "no_result"  # no result of its probes counts
    DATAGRAMS = "datagrams"  # a host need not answer UDP
    NOT_OBSERVABLE = "not_observable"  # the fleet has no end there that it can observe


class Ends:
    """The ends that take part, by network and IP version."""

    def __init__(self, endpoints: t.Iterable[Endpoint]) -> None:
        self._undeclared: set[int] = set()
        self._found: dict[tuple[str, int], list[Endpoint]] = {}
        for each in endpoints:
            if each.kind is EndKind.UNDECLARED:
                self._undeclared.add(each.version)
                continue
            self._found.setdefault((each.network, each.version), []).append(each)

    def of(self, network: str, version: int) -> list[Endpoint]:
        return self._found.get((network, version), [])

    def undeclared(self, version: int) -> bool:
        """Whether a container on an undeclared network takes part."""
        return version in self._undeclared

    def with_ports(self, network: str) -> list[Endpoint]:
        """The containers of a network, of both IP versions, with published ports."""
        return [each for version in (4, 6) for each in self.of(network, version) if each.ports]


def find_gap(statement: Statement, policy: Policy, ends: Ends) -> tuple[Gap, str | None]:
    """Return why a statement has no probes, and the network that the reason is about."""
    line = None if statement.line is None else policy.lines[statement.line]
    if statement.kind is StatementKind.PUBLISHED or (line is not None and _is_world(policy, statement.source)):
        return _gap_of_published(policy, statement, line, ends)
    if statement.kind is StatementKind.METADATA:
        return Gap.NOT_OBSERVABLE, None
    if statement.kind is StatementKind.UNDECLARED:
        return _gap_of_undeclared(statement, ends)
    if (
        line is not None
        and statement.target != HOST
        and is_outside(statement.target)
        and not _is_host(policy, statement.target)
    ):
        return Gap.NOT_OBSERVABLE, None
    if line is not None and is_block(statement.source):
        return Gap.NOT_OBSERVABLE, None
    if line is not None and is_outside(statement.target) and line.protocol == "udp":
        return Gap.DATAGRAMS, None
    for end in (statement.source, statement.target):
        if not is_outside(end) and not ends.of(end, statement.version):
            return Gap.NO_CONTAINER, end
    sources, targets = (ends.of(HOST if is_outside(end) else end, statement.version) for end in statement[1:3])
    pairs = ((source, target) for source in sources for target in targets)
    return Gap.NOT_CHOSEN if any(_fits(statement, *pair) for pair in pairs) else Gap.NO_PAIR, None


def _gap_of_undeclared(statement: Statement, ends: Ends) -> tuple[Gap, str | None]:
    network = statement.source or statement.target
    if not ends.of(network, statement.version):
        return Gap.NO_CONTAINER, network
    return Gap.NO_PAIR if ends.undeclared(statement.version) else Gap.NO_UNDECLARED, None


def _fits(statement: Statement, source: Endpoint, target: Endpoint) -> bool:
    """Whether probes from one end to the other prove the statement."""
    same_host = source.host == target.host
    if statement.kind is StatementKind.REMOTE_API:
        return True
    if HOST in (statement.source, statement.target):
        return same_host
    if statement.source == statement.target or any(map(is_outside, (statement.source, statement.target))):
        return not same_host  # within a network of one host, the policy does not apply
    return can_probe(source, target)


def _is_world(policy: Policy, end: str) -> bool:
    """Whether hosts of the fleet are the world, or some of it, at this end of a line."""
    return end == WORLD or _is_host(policy, end)


def _is_host(policy: Policy, end: str) -> bool:
    """Whether a line's end is a block with addresses of hosts of the fleet."""
    hosts = (format_address(family.version, host) for family in policy.families for host in family.hosts)
    return is_block(end) and any(policy.names((end,), host) for host in hosts)


def _gap_of_published(
    policy: Policy, statement: Statement, line: PolicyLine | None, ends: Ends
) -> tuple[Gap, str | None]:
    targets = [
        end
        for end in ends.with_ports(statement.target)
        for port in end.ports
        if port.version == statement.version and _is_about(policy, statement, line, port)
    ]
    if not targets:
        return Gap.NO_PUBLISHED_PORT, statement.target
    source = HOST if statement.source == WORLD or is_block(statement.source) else statement.source
    sources = [*ends.of(source, statement.version), *(ends.of(WORLD, statement.version) if source == HOST else ())]
    if not sources and source != HOST:
        return Gap.NO_CONTAINER, source
    if not any(end.host != target.host for end in sources for target in targets):
        return Gap.NO_PAIR, None
    return Gap.NOT_CHOSEN, None


def _is_about(policy: Policy, statement: Statement, line: PolicyLine | None, port: PublishedPort) -> bool:
    """Whether a line opens the port; for denied traffic, whether no line does."""
    if line is not None:
        return line.covers(port.protocol, port.port)
    return not any(policy.matching(statement.source, statement.target, port.protocol, port.port))
