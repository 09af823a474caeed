# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe is not as declared: the hop at which it ended, and the rule, route or interface behind it. Pure.

The path of a packet is followed from container to container, by what the hosts report: interfaces, routes, neighbours,
and the rules that the packet matched. The first fault on the path is the cause.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import causes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

Hosts = t.Mapping[str, Evidence]

_FAILED = (VerdictKind.BLOCKED, VerdictKind.NO_ANSWER, VerdictKind.ANSWERED_BY_ANOTHER)
_LET_THROUGH = (VerdictKind.LEAK, VerdictKind.ARRIVES_THOUGH_DENIED)


def explain(verdict: Verdict, hosts: Hosts) -> tuple[Cause, ...]:
    """Return what explains a verdict, by the evidence of ``hosts``; empty if nothing does."""
    source, target = verdict.probe.source, verdict.probe.target
    if not verdict.probe.traceable:
        return _one(_by_proxy(verdict))
    if source.host not in hosts or target.host not in hosts:
        return ()
    there = Flow(source.address, target.address)
    if there not in hosts[source.host].lookups:  # only another probe of this kind was traced
        return ()
    if verdict.kind is VerdictKind.SOURCE_REWRITTEN:
        return _one(_rewritten(there, source, target, hosts) or _checks(hosts, source, target))
    if verdict.kind in _FAILED:
        return _failed(verdict, there, hosts)
    if verdict.kind in _LET_THROUGH:
        return _let_through(there, source, target, hosts)
    return ()


def _by_proxy(verdict: Verdict) -> Cause | None:
    """Return the program that lets a connection to a published port through: without a NAT rule, it is docker-proxy."""
    probe = verdict.probe
    if verdict.kind not in _LET_THROUGH or probe.published is None or probe.published.forwarded:
        return None
    values = {"container": probe.target.container, "port": str(probe.published)}
    return Cause(CauseKind.PROXIED, probe.target.host, values)


def _one(cause: Cause | None) -> tuple[Cause, ...]:
    return () if cause is None else (cause,)


def _failed(verdict: Verdict, there: Flow, hosts: Hosts) -> tuple[Cause, ...]:
    source, target, packet = verdict.probe.source, verdict.probe.target, verdict.probe.packet
    small = causes.of_size(source, target, packet, hosts) if packet is not None else ()
    if small:
        return small
    found = None
    if verdict.kind is VerdictKind.ANSWERED_BY_ANOTHER:
        found = _redirected(there, source, target, hosts)
    if found is None and verdict.kind is not VerdictKind.NO_ANSWER:
        found = _follow(there, source, target, hosts)
    back = Flow(target.address, source.address)
    return _one(found or _follow(back, target, source, hosts) or _lost(source, target, hosts))


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


def _lost(source: Endpoint, target: Endpoint, hosts: Hosts) -> Cause:
    """Return what may drop packets unseen, else where the packet was last seen; for a path without a visible fault."""
    names = list(dict.fromkeys((source.host, target.host)))
    for name in names:
        found = causes.unseen(name, hosts[name])
        if found is not None:
            return found
    found = _checks(hosts, source, target)
    if found is not None:
        return found
    flow = Flow(source.address, target.address)
    seen = [name for name in names if flow in hosts[name].traces]
    return Cause(CauseKind.LAST_SEEN, seen[-1], {}) if seen else Cause(CauseKind.NOT_SEEN, names[0], {})


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
        if evidence.checks:
            found.append(Cause(CauseKind.DIFFERENT, name, {}, None, evidence.checks))
        elif not evidence.owned:
            found.append(Cause(CauseKind.TABLE_NOT_LOADED, name, {"table": TABLES[flow.version]}))
        elif judged and judged[-1].accepts:
            found.append(Cause(CauseKind.ACCEPTED, name, judged[-1].place(), causes.owner_of(judged[-1])))
    if source.host == target.host and not found:
        (one, other) = (hosts[source.host].bridge_of(end) for end in (source, target))
        if one is not None and one == other:
            return (Cause(CauseKind.SAME_BRIDGE, source.host, {"bridge": one}),)
    return tuple(found)


def _checks(hosts: Hosts, *ends: Endpoint) -> Cause | None:
    for name in dict.fromkeys(end.host for end in ends):
        if hosts[name].checks:
            return Cause(CauseKind.DIFFERENT, name, {}, None, hosts[name].checks)
    return None
