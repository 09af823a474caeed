# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a probe means against the declaration, as a value. Pure; text.py turns it into sentences."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ERROR, OTHER_SOURCE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_subnets import (
    ContainerSubnet,
    SubnetIndex,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, Location
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint, Probe


class VerdictKind(enum.Enum):
    """What a probe proved. The values are those of ``reachability.json``."""

    AS_DECLARED = "as_declared"
    NOT_TRIED = "not_tried"
    NOT_OBSERVED = "not_observed"  # whether it arrived is not known
    # The probe is allowed, and
    BLOCKED = "blocked"  # does not arrive
    NO_ANSWER = "no_answer"  # arrives, but the answer does not return
    SOURCE_REWRITTEN = "source_rewritten"  # passes with another source address
    ANSWERED_BY_ANOTHER = "answered_by_another"  # is answered, but did not arrive at the target
    # The probe is denied, and
    LEAK = "leak"  # passes
    ARRIVES_THOUGH_DENIED = "arrives_though_denied"  # arrives, but the answer does not return
    # The name of the target
    NAME_UNRESOLVED = "name_unresolved"
    NAME_RESOLVES_ELSEWHERE = "name_resolves_elsewhere"


_PASSED = frozenset(
    (
        VerdictKind.SOURCE_REWRITTEN,
        VerdictKind.ANSWERED_BY_ANOTHER,
        VerdictKind.LEAK,
        VerdictKind.ARRIVES_THOUGH_DENIED,
    )
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A probe and what it proved.

    ``outcome`` and ``detail`` are the prober's, ``outcome`` is None if the source's host ran no probes. ``addresses``
    are the unexpected source addresses, or those that the name resolves to. ``causes`` explain a failure;
    without causes, the packet was ``last_seen`` there.
    """

    probe: Probe
    kind: VerdictKind
    outcome: str | None = None
    detail: str = ""
    addresses: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    last_seen: Location | None = None

    @property
    def as_declared(self) -> bool:
        return self.kind is VerdictKind.AS_DECLARED

    @property
    def likeness(self) -> tuple[t.Any, ...]:
        """What failures of one kind share: both hosts and networks, the IP version, the protocol and the direction."""
        probe = self.probe
        kind = probe.target.version, probe.protocol, probe.packet is None, self.passed, probe.declared_by is None
        return (probe.source.host, probe.source.network, probe.target.host, probe.target.network, *kind)

    @property
    def passed(self) -> bool:
        """Whether the probe passed, allowed or not."""
        return self.kind in _PASSED or (self.as_declared and self.probe.declared_by is not None)


def judge(probe: Probe, result: Data | None, arrivals: t.Sequence[str], observed: bool = True) -> Verdict:
    """Return the verdict on a probe.

    ``result`` is the prober's, None if its host failed; ``arrivals`` are the source addresses observed at the target.
    ``observed`` is False if arrivals at the target may be missing.
    """
    if result is None:
        return Verdict(probe, VerdictKind.NOT_TRIED)
    kind, addresses = _kind(probe, result, arrivals)
    if not observed and not arrivals and _depends_on_arrivals(probe, kind):
        kind = VerdictKind.NOT_OBSERVED
    return Verdict(probe, kind, result["outcome"], result.get("detail") or "", addresses)


def _depends_on_arrivals(probe: Probe, kind: VerdictKind) -> bool:
    """Whether an arrival would change a verdict that was given without one."""
    if not probe.observed:
        return False
    if kind is VerdictKind.AS_DECLARED:
        return probe.declared_by is None
    return kind is VerdictKind.ANSWERED_BY_ANOTHER or (kind is VerdictKind.BLOCKED and not probe.answered)


def _kind(probe: Probe, result: Data, arrivals: t.Sequence[str]) -> tuple[VerdictKind, tuple[str, ...]]:
    if result["outcome"] in (ERROR, OTHER_SOURCE):
        return VerdictKind.NOT_TRIED, ()
    if probe.published is not None and probe.declared_by is None and not arrivals:
        return VerdictKind.AS_DECLARED, ()  # whatever answers: docker-proxy answers before it connects to the container
    if probe.name is not None:
        return _kind_of_name(probe, result)
    passed = bool(result["reached"])
    if not probe.observed:  # the answer decides
        if probe.declared_by is None:
            return VerdictKind.LEAK if passed else VerdictKind.AS_DECLARED, ()
        return VerdictKind.AS_DECLARED if passed else VerdictKind.BLOCKED, ()
    if probe.declared_by is None:
        sources = tuple(sorted(set(arrivals)))
        if passed:
            return VerdictKind.LEAK, sources
        return (VerdictKind.ARRIVES_THOUGH_DENIED, sources) if arrivals else (VerdictKind.AS_DECLARED, ())
    if not passed and not arrivals:
        return VerdictKind.BLOCKED, ()
    if not passed and probe.answered:
        return VerdictKind.NO_ANSWER, ()
    expected = (probe.source.address,) if probe.seen_as is None else probe.seen_as
    rewritten = tuple(sorted(set(arrivals) - set(expected)))
    if rewritten and expected:
        return VerdictKind.SOURCE_REWRITTEN, rewritten
    return VerdictKind.AS_DECLARED if arrivals else VerdictKind.ANSWERED_BY_ANOTHER, ()


def _kind_of_name(probe: Probe, result: Data) -> tuple[VerdictKind, tuple[str, ...]]:
    addresses = tuple(result["answer"] or ())
    if not addresses:
        return VerdictKind.NAME_UNRESOLVED, ()
    if probe.target.address not in addresses:
        return VerdictKind.NAME_RESOLVES_ELSEWHERE, addresses
    return VerdictKind.AS_DECLARED, ()


class Arrivals:
    """The source addresses of what ``probe_observer`` saw, by probe as it arrived."""

    def __init__(
        self,
        answers: t.Mapping[str, Data],
        endpoints: t.Iterable[Endpoint] = (),
        subnets: t.Iterable[ContainerSubnet] = (),
    ) -> None:
        """``answers`` are those of ``probe_observer`` by host, ``subnets`` those of all containers.

        A container can send what looks like the probe of another one, but with an address of its own network only. So
        what has an address of ``subnets`` that is not the prober's is not the probe.
        """
        self._own: dict[tuple[str, str], set[str]] = {}
        for each in endpoints:
            if not each.is_host:
                self._own.setdefault((each.host, each.container), set()).add(each.address)
        self._subnets = SubnetIndex(subnets)
        self._incomplete = {host for host, answer in answers.items() if not answer.get("complete", True)}
        self._overflowed = {(host, name) for host, answer in answers.items() for name in answer.get("overflowed") or ()}
        self._hosts = frozenset(answers)
        self._index: dict[tuple[t.Any, ...], list[str]] = {}
        for host, answer in answers.items():
            for arrival in answer.get("arrivals") or ():
                place = (host, arrival["destination"], arrival["protocol"], arrival["port"] or None)
                for mark in (("token", arrival["token"]), ("source port", arrival.get("source_port"))):
                    self._index.setdefault((*place, *mark), []).append(arrival["source"])

    def of(self, probe: Probe, result: Data | None) -> list[str]:
        """Return the source addresses from which a probe arrived.

        A TCP probe carries its token in its source port. If the container already uses that port, the prober takes
        another one and reports it. Behind a published port, its data carries the token.
        """
        place = (probe.target.host, probe.target.address, probe.protocol, probe.port)
        port = (result or {}).get("source_port")
        sources = by_token = self._index.get((*place, "token", probe.token), [])
        if probe.protocol == "tcp" and port is not None:
            sources = self._index.get((*place, "source port", port), [])
            if probe.published:
                sources = [*sources, *by_token]
        own = self._own.get((probe.source.host, probe.source.container), ())
        at = probe.target.host
        return [source for source in sources if source in own or not self._subnets.is_container(source, at)]

    def complete(self, probe: Probe) -> bool:
        """Whether no arrival at the target of a probe is missing."""
        host = probe.target.host
        return host in self._hosts - self._incomplete and (host, probe.target.container) not in self._overflowed


def to_read(verdicts: t.Iterable[Verdict]) -> list[Verdict]:
    """Return the failures that what hosts report explains, without a trace: of names and of published ports."""
    kinds = (VerdictKind.BLOCKED, VerdictKind.NO_ANSWER, VerdictKind.ANSWERED_BY_ANOTHER)
    return [
        verdict
        for verdict in verdicts
        if verdict.kind is VerdictKind.NAME_UNRESOLVED
        or (verdict.probe.published is not None and verdict.kind in kinds)
    ]


def to_explain(verdicts: t.Iterable[Verdict], most: int) -> list[Verdict]:
    """Return the failures to explain: one per two hosts, two networks, IP version, protocol and direction.

    At most ``most``, in rotation over each two hosts and IP version.
    """
    chosen: dict[tuple[t.Any, ...], Verdict] = {}
    for verdict in verdicts:
        probe = verdict.probe
        explicable = probe.name is None and probe.traceable
        if not verdict.as_declared and verdict.kind is not VerdictKind.NOT_OBSERVED and explicable:
            chosen.setdefault(verdict.likeness, verdict)
    # Rotation, so that failures of one host do not hide those of another, nor IPv4 those of IPv6.
    turns: dict[tuple[str, str, int], int] = collections.Counter()
    order = []
    for number, verdict in enumerate(chosen.values()):
        between = verdict.probe.source.host, verdict.probe.target.host, verdict.probe.target.version
        order.append((turns[between], number, verdict))
        turns[between] += 1
    return [verdict for _turn, _number, verdict in sorted(order, key=lambda each: each[:2])[:most]]
