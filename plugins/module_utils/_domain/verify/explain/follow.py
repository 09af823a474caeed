# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe is not as declared: the hop at which it ended, and the rule, route or interface behind it. Pure.

The path of a packet is followed from container to container, by what the hosts report: interfaces, routes, neighbours,
and the rules that the packet matched. The first fault on the path is the cause. Without a fault, only the location at
which the packet was last seen is known.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import causes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
    Location,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

Hosts = t.Mapping[str, Evidence]

_FAILED = (VerdictKind.BLOCKED, VerdictKind.NO_ANSWER, VerdictKind.ANSWERED_BY_ANOTHER)
_LET_THROUGH = (VerdictKind.LEAK, VerdictKind.ARRIVES_THOUGH_DENIED)


def explain(verdict: Verdict, hosts: Hosts) -> Explanation:
    """Return what explains a verdict, by the evidence of ``hosts``; empty if nothing does."""
    source, target = verdict.probe.source, verdict.probe.target
    if not verdict.probe.traceable:
        return _one(_by_proxy(verdict))
    if source.host not in hosts or target.host not in hosts:
        return Explanation()
    there = Flow(source.address, target.address)
    if there not in hosts[source.host].lookups:  # only another probe of this kind was traced
        return Explanation()
    if verdict.kind is VerdictKind.SOURCE_REWRITTEN:
        return _one(_rewritten(there, source, target, hosts))
    if verdict.kind in _FAILED:
        return _failed(verdict, there, hosts)
    if verdict.kind in _LET_THROUGH:
        return Explanation(_let_through(there, source, target, hosts))
    return Explanation()


def _by_proxy(verdict: Verdict) -> Cause | None:
    """Return the program that lets a connection to a published port through: without a NAT rule, it is docker-proxy."""
    probe = verdict.probe
    if verdict.kind not in _LET_THROUGH or probe.published is None or probe.published.forwarded:
        return None
    values = {"container": probe.target.container, "port": str(probe.published)}
    return Cause(CauseKind.PROXIED, probe.target.host, values)


def _one(cause: Cause | None) -> Explanation:
    return Explanation() if cause is None else Explanation((cause,))


def _failed(verdict: Verdict, there: Flow, hosts: Hosts) -> Explanation:
    source, target, packet = verdict.probe.source, verdict.probe.target, verdict.probe.packet
    small = causes.of_size(source, target, packet, hosts) if packet is not None else ()
    if small:
        return Explanation(small)
    found = None
    if verdict.kind is VerdictKind.ANSWERED_BY_ANOTHER:
        found = _redirected(there, source, target, hosts)
    answer = verdict.kind is VerdictKind.NO_ANSWER
    if answer:
        # The probe arrived, so nothing on its path explains the failure.
        back = Flow(target.address, source.address)
        found = _follow(back, target, source, hosts)
        return _one(found) if found else Explanation((), _location(back, target, source, hosts, answer=True))
    found = found or _follow(there, source, target, hosts)
    if found is not None or verdict.kind is VerdictKind.ANSWERED_BY_ANOTHER:
        return _one(found)
    return Explanation((), _location(there, source, target, hosts))


def _follow(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts) -> Cause | None:
    """Return the first fault on the path of a flow."""
    first, last = hosts[source.host], hosts[target.host]
    across = source.host != target.host
    return (
        causes.in_container(source, first)
        or causes.at_bridge(source, first)
        # After a rule that changes an address, the packet belongs to another flow, with rules and routes of its own.
        or _redirected(flow, source, target, hosts)
        or _rewritten(flow, source, target, hosts)
        or causes.on_host(source.host, flow, first)
        or (causes.between(source, target, flow, first, last) if across else None)
        or (causes.on_host(target.host, flow, last) if across else None)
        or causes.in_container(target, last)
        or causes.at_bridge(target, last)
        or causes.to_neighbour(target, last)
    )


def _location(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts, answer: bool = False) -> Location:
    """Return where the packets of a flow were last seen."""
    names = list(dict.fromkeys((source.host, target.host)))
    seen = [name for name in names if flow in hosts[name].traces]
    if not seen:
        return Location(None, names[0], answer)
    return Location(seen[-1], names[-1] if seen[-1] != names[-1] else None, answer)


def _rewritten(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts) -> Cause | None:
    return _rule(CauseKind.SOURCE_REWRITTEN, causes.rewrites_source, flow, source, target, hosts)


def _redirected(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts) -> Cause | None:
    return _rule(CauseKind.REDIRECTED, causes.redirects, flow, source, target, hosts)


def _rule(
    kind: CauseKind, wanted: t.Callable[[TraceStep], bool], flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts
) -> Cause | None:
    for name in dict.fromkeys((source.host, target.host)):
        for step in hosts[name].traces.get(flow, ()):
            if wanted(step):
                return Cause(kind, name, step.place(), causes.owner_of(step))
    return None


def _let_through(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts) -> tuple[Cause, ...]:
    """Return one cause per host on the path, since each host applies the policy."""
    found = []
    for name in dict.fromkeys((source.host, target.host)):
        evidence, steps = hosts[name], hosts[name].traces.get(flow, ())
        judged = [step for step in steps if step.table == TABLES[flow.version]]
        differences = causes.of_rules(evidence, flow.version)
        if differences:
            found.append(Cause(CauseKind.DIFFERENT, name, {}, None, differences))
        elif not evidence.owned:
            found.append(Cause(CauseKind.TABLE_NOT_LOADED, name, {"table": TABLES[flow.version]}))
        elif judged and judged[-1].accepts:
            found.append(Cause(CauseKind.ACCEPTED, name, judged[-1].place(), causes.owner_of(judged[-1])))
    if source.host == target.host and not found:
        (one, other) = (hosts[source.host].bridge_of(end) for end in (source, target))
        if one is not None and one == other:
            return (Cause(CauseKind.SAME_BRIDGE, source.host, {"bridge": one}),)
    return tuple(found)
