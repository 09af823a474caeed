# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verdicts prove of the policy, line by line, and what they do not prove, with the reason. Pure."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    HOST,
    WORLD,
    PolicyLine,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Ends, Gap, find_gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import (
    UNDECLARED,
    Statement,
    StatementKind,
    statements_of_denied,
    statements_of_lines,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import UnprobedAddress
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

Data = t.Dict[str, t.Any]

# Verdicts that prove nothing.
_WITHOUT_RESULT = (VerdictKind.NOT_TRIED, VerdictKind.NOT_OBSERVED)


class State(str, enum.Enum):
    """What probes show of a statement."""

    PROVEN = "proven"
    FAILED = "failed"  # a probe is not as declared
    NOT_PROVEN = "not_proven"


class Proof(t.NamedTuple):
    """A statement, what ``probes`` probes show of it, and why it is not proven."""

    statement: Statement
    state: State
    probes: int = 0
    gap: Gap | None = None
    network: str | None = None

    def to_data(self) -> Data:
        """Plain data."""
        statement = self.statement
        return {
            "kind": statement.kind.value,
            "source": statement.source or None,
            "target": statement.target or None,
            "version": statement.version,
            "state": self.state.value,
            "probes": self.probes,
            "reason": self.gap.value if self.gap else None,
            "network": self.network,
        }


class LineProof(t.NamedTuple):
    """A line of the policy with its parts: one per pair of ends and IP version."""

    line: PolicyLine
    parts: tuple[Proof, ...]

    @property
    def state(self) -> State:
        """A line is proven by one part, and failed by one."""
        states = {part.state for part in self.parts}
        return next((state for state in (State.FAILED, State.PROVEN) if state in states), State.NOT_PROVEN)

    def to_data(self) -> Data:
        """Plain data."""
        return {
            "path": self.line.path,
            "line": str(self.line),
            "state": self.state.value,
            "parts": [part.to_data() for part in self.parts],
        }


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What was verified: containers, lines of the policy, and kinds of denied traffic.

    ``probed`` is the number of containers that take part, ``unprobed`` are the others. ``addresses`` are those of hosts
    at which published ports are not probed.
    """

    lines: tuple[LineProof, ...] = ()
    denied: tuple[Proof, ...] = ()
    probed: int = 0
    unprobed: tuple[Unprobed, ...] = ()
    addresses: tuple[UnprobedAddress, ...] = ()

    @property
    def containers(self) -> int:
        """The number of running containers."""
        return self.probed + sum(len(each.containers) for each in self.unprobed if each.running)

    def to_data(self) -> Data:
        """The document ``coverage.json``."""
        return {
            "format": 1,
            "containers": {
                "running": self.containers,
                "probed": self.probed,
                "not_probed": [each.to_data() for each in self.unprobed],
            },
            "addresses": [each.to_data() for each in self.addresses],
            "lines": [each.to_data() for each in self.lines],
            "denied": [each.to_data() for each in self.denied],
        }


def measure(
    policy: Policy,
    endpoints: t.Sequence[Endpoint],
    verdicts: t.Iterable[Verdict],
    unprobed: t.Iterable[Unprobed] = (),
    addresses: t.Iterable[UnprobedAddress] = (),
) -> Coverage:
    """Return the coverage of a verification. ``endpoints`` are the ends that take part in it."""
    results = _results(policy, verdicts)
    ends = Ends(endpoints)
    parts: list[list[Proof]] = [[] for _line in policy.lines]
    for statement in statements_of_lines(policy):
        parts[t.cast(int, statement.line)].append(_proof(statement, results.get(statement), policy, ends))
    return Coverage(
        tuple(LineProof(line, tuple(found)) for line, found in zip(policy.lines, parts)),
        tuple(_proof(statement, results.get(statement), policy, ends) for statement in statements_of_denied(policy)),
        len({(each.host, each.container) for each in endpoints if each.container}),
        tuple(unprobed),
        tuple(addresses),
    )


def _results(policy: Policy, verdicts: t.Iterable[Verdict]) -> dict[Statement, collections.Counter[State]]:
    """Count the probes of each statement by what they show. NOT_PROVEN counts those without a result."""
    groups: dict[tuple[t.Any, ...], collections.Counter[State]] = {}
    examples: dict[tuple[t.Any, ...], Probe] = {}
    for verdict in verdicts:
        probe = verdict.probe
        if probe.name is not None:
            continue  # names are not part of the policy
        key = (
            policy_ends(probe), probe.networks, probe.version, probe.same_host, probe.protocol, probe.port,
            probe.declared_by is None, probe.published is None,
        )  # fmt: skip
        groups.setdefault(key, collections.Counter())[_state(verdict)] += 1
        examples.setdefault(key, probe)
    found: dict[Statement, collections.Counter[State]] = {}
    for key, states in groups.items():
        for statement in _statements_of(policy, examples[key]):
            found.setdefault(statement, collections.Counter()).update(states)
    return found


def _state(verdict: Verdict) -> State:
    if verdict.as_declared:
        return State.PROVEN
    return State.NOT_PROVEN if verdict.kind in _WITHOUT_RESULT else State.FAILED


def policy_ends(probe: Probe) -> tuple[str, str]:
    """Return the ends of a probe as :meth:`Policy.allowing` takes them: one outside of the fleet is an address."""

    def end(name: str, endpoint: Endpoint) -> str:
        if endpoint.kind is EndKind.OUTSIDE:
            return WORLD  # the fleet may see another address
        return endpoint.address if name == WORLD or endpoint.kind is EndKind.UNDECLARED else name

    source, target = probe.networks
    return end(source, probe.source), end(target, probe.target)


def _statements_of(policy: Policy, probe: Probe) -> t.Iterator[Statement]:
    """Yield the statements that the verdict on a probe proves or refutes."""
    if probe.declared_by is None:
        yield _denied_statement(policy, probe)
        return
    source, target = policy_ends(probe)
    if source == target and (probe.same_host or policy.spans_hosts(source)):
        return  # allowed without a line
    # A line may name a container's own host by its address.
    targets = [target, probe.target.address] if target == HOST and probe.target.kind is EndKind.HOST else [target]
    for each in targets:
        for line in policy.matching(source, each, probe.protocol, probe.port):
            number = policy.lines.index(line)
            for named_source in line.sources:
                for named_target in line.targets:
                    if _names(policy, named_source, probe) and policy.names((named_target,), each, as_target=True):
                        yield Statement(StatementKind.LINE, named_source, named_target, probe.version, number)


def _names(policy: Policy, named: str, probe: Probe) -> bool:
    """Whether the source of a line includes that of a probe. The world reaches published ports only."""
    source, _target = policy_ends(probe)
    return policy.names((named,), source) and (named != WORLD or probe.published is not None)


def _denied_statement(policy: Policy, probe: Probe) -> Statement:
    source, target = probe.networks
    if probe.source.kind is EndKind.UNDECLARED:
        return Statement(StatementKind.UNDECLARED, UNDECLARED, target, probe.version)
    if probe.target.kind is EndKind.UNDECLARED:
        return Statement(StatementKind.UNDECLARED, source, UNDECLARED, probe.version)
    if probe.published is not None:
        return Statement(StatementKind.PUBLISHED, source, target, probe.version)
    api = policy.api_access
    if api and not probe.observed and (probe.protocol, probe.port) == ("tcp", api.port):
        return Statement(StatementKind.REMOTE_API, source, HOST, probe.version)
    return Statement(StatementKind.DIRECT, source, target, probe.version)


def _proof(statement: Statement, results: collections.Counter[State] | None, policy: Policy, ends: Ends) -> Proof:
    if results is None:
        gap, network = find_gap(statement, policy, ends)
        return Proof(statement, State.NOT_PROVEN, 0, gap, network)
    count = sum(results.values())
    for state in (State.FAILED, State.PROVEN):
        if results[state]:
            return Proof(statement, state, count)
    return Proof(statement, State.NOT_PROVEN, count, Gap.NO_RESULT)
