# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy states: the flows that each of its lines allows, and the kinds of flows that it denies. Pure."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    EGRESS,
    FROM_HOST,
    INGRESS,
    TO_HOST,
    Family,
    Policy,
)

# The end of a statement that is an undeclared network.
UNDECLARED = ""


class StatementKind(str, enum.Enum):
    """What a statement is about. All but the first are denied by default."""

    LINE = "line"  # a line allows flows
    DIRECT = "direct"  # to the address of a container or host
    PUBLISHED = "published"  # to a port that another host publishes for a container of the target
    UNDECLARED = "undeclared"  # from or to a network that is not declared
    REMOTE_API = "remote_api"  # to the remote API of the hosts' engines
    METADATA = "metadata"  # to the address at which clouds serve metadata


class Statement(t.NamedTuple):
    """Flows of one IP version between two ends, as lines name them, which are allowed or denied.

    ``line`` is the number of the policy line that allows them; None for denied flows.
    """

    kind: StatementKind
    source: str
    target: str
    version: int
    line: int | None = None


def statements_of_lines(policy: Policy) -> t.Iterator[Statement]:
    """Yield one statement per line, pair of its ends and IP version."""
    for number, line in enumerate(policy.lines):
        for source in line.sources:
            for target in line.targets:
                if source == target and policy.spans_hosts(source):
                    continue  # allowed without a line
                for family in policy.families:
                    if _has_end(family, source) and _has_end(family, target):
                        yield Statement(StatementKind.LINE, source, target, family.version, number)


def statements_of_denied(policy: Policy) -> t.Iterator[Statement]:
    """Yield the kinds of flows that are denied unless a line allows some of their services."""
    for family in policy.families:
        for statement in _between_networks(policy, family):
            if not any(_opens(policy, line, statement) for line in policy.lines):
                yield statement
        for statement in _with_outside(policy, family):
            if not any(_opens(policy, line, statement) for line in policy.lines):
                yield statement


def _between_networks(policy: Policy, family: Family) -> t.Iterator[Statement]:
    for source in family.members:
        for target in family.members:
            if source != target or not policy.spans_hosts(source):
                yield Statement(StatementKind.DIRECT, source, target, family.version)
                yield Statement(StatementKind.PUBLISHED, source, target, family.version)


def _with_outside(policy: Policy, family: Family) -> t.Iterator[Statement]:
    def limited(direction: str) -> t.Iterator[str]:
        return (name for name in family.members if name in policy.limited.get(direction, ()))

    version = family.version
    for name in family.members:
        if name != DEFAULT_BRIDGE:  # the engine's own rules decide about docker0
            yield Statement(StatementKind.DIRECT, WORLD, name, version)
            yield Statement(StatementKind.UNDECLARED, UNDECLARED, name, version)
            yield Statement(StatementKind.UNDECLARED, name, UNDECLARED, version)
        if policy.api_access:
            yield Statement(StatementKind.REMOTE_API, name, HOST, version)
        if policy.closes_metadata:
            yield Statement(StatementKind.METADATA, name, WORLD, version)
    yield from (Statement(StatementKind.PUBLISHED, WORLD, name, version) for name in limited(INGRESS))
    yield from (Statement(StatementKind.DIRECT, HOST, name, version) for name in limited(FROM_HOST))
    yield from (Statement(StatementKind.DIRECT, name, HOST, version) for name in limited(TO_HOST))
    yield from (Statement(StatementKind.DIRECT, name, WORLD, version) for name in limited(EGRESS))


def _opens(policy: Policy, line: PolicyLine, statement: Statement) -> bool:
    """Whether a line allows all that a statement denies."""
    if line.protocol != "any":
        return False
    if statement.kind is StatementKind.DIRECT and statement.source == WORLD:
        return False  # the world reaches published ports only
    if statement.kind not in (StatementKind.DIRECT, StatementKind.PUBLISHED):
        return False
    return policy.names(line.sources, statement.source) and policy.names(line.targets, statement.target)


def _has_end(family: Family, end: str) -> bool:
    """Whether an end of a line has addresses of this IP version."""
    if is_block(end):
        return Prefix.parse(end).version == family.version
    return end in (HOST, WORLD) or end in family.members
