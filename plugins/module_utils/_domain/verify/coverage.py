# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verdicts prove of the policy, line by line, and what they do not prove, with the reason. Pure."""

from __future__ import annotations

import collections
import dataclasses
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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.claims import (
    Claim,
    ClaimKind,
    claims_of_denied,
    claims_of_lines,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import can_probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

Data = t.Dict[str, t.Any]

# Verdicts that prove nothing.
_WITHOUT_RESULT = (VerdictKind.NOT_TRIED, VerdictKind.NOT_OBSERVED)


class State(str, enum.Enum):
    """What probes show of a claim."""

    PROVEN = "proven"
    FAILED = "failed"  # a probe is not as declared
    NOT_PROVEN = "not_proven"


class Gap(str, enum.Enum):
    """Why a claim is not proven."""

    NO_CONTAINER = "no_container"  # of a network with an address of this IP version; ``network`` is set
    NO_PUBLISHED_PORT = "no_published_port"  # of a container of ``network`` that is probed, and of this service
    NO_PAIR = "no_pair"  # only one container, or none on another host
    NOT_CHOSEN = "not_chosen"  # the sample does not include it
    NO_RESULT = "no_result"  # no result of its probes counts
    NOT_OBSERVABLE = "not_observable"  # the fleet has no end there that it can observe


class Proof(t.NamedTuple):
    """A claim, what ``probes`` probes show of it, and why it is not proven."""

    claim: Claim
    state: State
    probes: int = 0
    gap: Gap | None = None
    network: str | None = None

    def to_data(self) -> Data:
        """Plain data."""
        claim = self.claim
        return {
            "kind": claim.kind.value,
            "source": claim.source or None,
            "target": claim.target or None,
            "version": claim.version,
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

    ``probed`` is the number of containers that take part, ``unprobed`` are the others.
    """

    lines: tuple[LineProof, ...] = ()
    denied: tuple[Proof, ...] = ()
    probed: int = 0
    unprobed: tuple[Unprobed, ...] = ()

    @property
    def containers(self) -> int:
        """The number of running containers."""
        return self.probed + sum(len(each.containers) for each in self.unprobed)

    def to_data(self) -> Data:
        """The document ``coverage.json``."""
        return {
            "format": 1,
            "containers": {
                "running": self.containers,
                "probed": self.probed,
                "not_probed": [each.to_data() for each in self.unprobed],
            },
            "lines": [each.to_data() for each in self.lines],
            "denied": [each.to_data() for each in self.denied],
        }


def measure(
    policy: Policy, endpoints: t.Sequence[Endpoint], verdicts: t.Iterable[Verdict], unprobed: t.Iterable[Unprobed] = ()
) -> Coverage:
    """Return the coverage of a verification. ``endpoints`` are the ends that take part in it."""
    results = _results(policy, verdicts)
    ends = _Ends(endpoints)
    parts: list[list[Proof]] = [[] for _line in policy.lines]
    for claim in claims_of_lines(policy):
        parts[t.cast(int, claim.line)].append(_proof(claim, results.get(claim), policy, ends))
    return Coverage(
        tuple(LineProof(line, tuple(found)) for line, found in zip(policy.lines, parts)),
        tuple(_proof(claim, results.get(claim), policy, ends) for claim in claims_of_denied(policy)),
        len({(each.host, each.container) for each in endpoints if each.container}),
        tuple(unprobed),
    )


def _results(policy: Policy, verdicts: t.Iterable[Verdict]) -> dict[Claim, collections.Counter[State]]:
    """Count the probes of each claim by what they show. NOT_PROVEN counts those without a result."""
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
    found: dict[Claim, collections.Counter[State]] = {}
    for key, states in groups.items():
        for claim in _claims_of(policy, examples[key]):
            found.setdefault(claim, collections.Counter()).update(states)
    return found


def _state(verdict: Verdict) -> State:
    if verdict.as_declared:
        return State.PROVEN
    return State.NOT_PROVEN if verdict.kind in _WITHOUT_RESULT else State.FAILED


def policy_ends(probe: Probe) -> tuple[str, str]:
    """Return the ends of a probe as :meth:`Policy.allowing` takes them: another host is an address."""
    source, target = probe.networks
    return (
        probe.source.address if source == WORLD else source,
        probe.target.address if target == WORLD else target,
    )


def _claims_of(policy: Policy, probe: Probe) -> t.Iterator[Claim]:
    """Yield the claims that the verdict on a probe proves or refutes."""
    if probe.declared_by is None:
        kind = ClaimKind.PUBLISHED if probe.published else ClaimKind.DIRECT
        yield Claim(kind, *probe.networks, probe.version)
        return
    source, target = policy_ends(probe)
    if source == target and (probe.same_host or policy.spans_hosts(source)):
        return  # allowed without a line
    for line in policy.matching(source, target, probe.protocol, probe.port):
        number = policy.lines.index(line)
        for named_source in line.sources:
            for named_target in line.targets:
                if policy.names((named_source,), source) and policy.names((named_target,), target, as_target=True):
                    yield Claim(ClaimKind.LINE, named_source, named_target, probe.version, number)


class _Ends:
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


def _proof(claim: Claim, results: collections.Counter[State] | None, policy: Policy, ends: _Ends) -> Proof:
    if results is None:
        gap, network = _gap(claim, policy, ends)
        return Proof(claim, State.NOT_PROVEN, 0, gap, network)
    count = sum(results.values())
    for state in (State.FAILED, State.PROVEN):
        if results[state]:
            return Proof(claim, state, count)
    return Proof(claim, State.NOT_PROVEN, count, Gap.NO_RESULT)


def _gap(claim: Claim, policy: Policy, ends: _Ends) -> tuple[Gap, str | None]:
    """Return why a claim has no probes, and the network that the reason is about."""
    of_world = claim.kind is ClaimKind.LINE and _is_world(policy, claim.source)
    if claim.kind is ClaimKind.PUBLISHED or of_world:
        return _gap_of_published(claim, policy, ends)
    if claim.kind not in (ClaimKind.LINE, ClaimKind.DIRECT) or any(map(is_outside, (claim.source, claim.target))):
        return Gap.NOT_OBSERVABLE, None
    for network in (claim.source, claim.target):
        if not ends.of(network, claim.version):
            return Gap.NO_CONTAINER, network
    for source in ends.of(claim.source, claim.version):
        for target in ends.of(claim.target, claim.version):
            # Within a network of one host, the policy does not apply.
            if can_probe(source, target) and (claim.source != claim.target or source.host != target.host):
                return Gap.NOT_CHOSEN, None
    return Gap.NO_PAIR, None


def _is_world(policy: Policy, end: str) -> bool:
    """Whether the fleet's hosts are at this end of a line."""
    if end == WORLD:
        return True
    hosts = (format_address(family.version, host) for family in policy.families for host in family.hosts)
    return is_block(end) and any(policy.names((end,), host) for host in hosts)


def _gap_of_published(claim: Claim, policy: Policy, ends: _Ends) -> tuple[Gap, str | None]:
    line = None if claim.line is None else policy.lines[claim.line]
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
