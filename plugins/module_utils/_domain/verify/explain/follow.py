# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe is not as declared: the hop at which it ended, and the rule, route or interface behind it. Pure.

The path of a packet is followed from container to container, by what the hosts report: interfaces, routes, neighbours,
and the rules that the packet matched. The faults on the path are the causes. Without a fault, only the location at
which the packet was last seen is known.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import (
    causes,
    frames,
    inside,
    services,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import Facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.services import FAILED, LET_THROUGH
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

Hosts = t.Mapping[str, Evidence]
Causes = t.Tuple[Cause, ...]

_BY_RULES = (CauseKind.DROPPED, CauseKind.NOT_ACCEPTED)


def explain(verdict: Verdict, hosts: Hosts) -> Explanation:
    """Return what explains a verdict, by the evidence of ``hosts``; empty if nothing does."""
    source, target = verdict.probe.source, verdict.probe.target
    if verdict.probe.name is not None:
        return _one(_unresolved_name(verdict, hosts))
    if verdict.probe.published is not None:
        return _one(services.at_published_port(verdict, hosts))
    if not verdict.probe.traceable or source.host not in hosts or target.host not in hosts:
        return Explanation()
    there = Flow(source.address, target.address)
    if there not in hosts[source.host].lookups:  # only another probe of this kind was traced
        return Explanation()
    if verdict.kind is VerdictKind.SOURCE_REWRITTEN:
        return _one(_rewritten(there, source, target, hosts))
    if verdict.kind in FAILED:
        return _failed(verdict, there, hosts)
    if verdict.kind in LET_THROUGH:
        return Explanation(_let_through(there, source, target, hosts))
    return Explanation()


def _unresolved_name(verdict: Verdict, hosts: Hosts) -> Cause | None:
    source = verdict.probe.source
    if verdict.kind is not VerdictKind.NAME_UNRESOLVED or source.host not in hosts:
        return None
    return inside.resolves(source, hosts[source.host])


def _one(cause: Cause | None) -> Explanation:
    return Explanation() if cause is None else Explanation((cause,))


def _failed(verdict: Verdict, there: Flow, hosts: Hosts) -> Explanation:
    source, target, packet = verdict.probe.source, verdict.probe.target, verdict.probe.packet
    small = causes.of_size(source, target, packet, hosts) if packet is not None else ()
    if small:
        return Explanation(small)
    if verdict.kind is VerdictKind.ANSWERED_BY_ANOTHER:
        return _one(_redirected(there, source, target, hosts))
    if verdict.kind is VerdictKind.NO_ANSWER:
        return _unanswered(verdict, there, hosts)
    facts = inside.packet_facts(verdict.probe, source, target)
    return _explained(_follow(there, source, target, hosts, facts), there, source, target, hosts)


def _unanswered(verdict: Verdict, there: Flow, hosts: Hosts) -> Explanation:
    """The probe arrived, so nothing on its path to the container explains the failure."""
    source, target = verdict.probe.source, verdict.probe.target
    arrived = inside.packet_facts(verdict.probe, source, target)
    found = inside.drops(target, "input", arrived, hosts[target.host])
    back = Flow(there.destination, there.source)
    facts = inside.packet_facts(verdict.probe, target, source, answer=True)
    last = inside.drops(source, "input", facts, hosts[source.host])
    causes_found = _several(found, *_follow(back, target, source, hosts, facts), last)
    return _explained(causes_found, back, target, source, hosts, answer=True)


def _explained(
    found: Causes, flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts, answer: bool = False
) -> Explanation:
    others = tuple(cause for cause in found if cause.kind not in _BY_RULES or cause.owner is Owner.FOREIGN)
    if not found or others != found:
        # The rules of this collection and of Docker drop answers to packets of which the kernel keeps no connection.
        untracked = causes.untracked(flow, *((name, hosts[name]) for name in (source.host, target.host)))
        found = (*others, untracked) if untracked else found
    return Explanation(found, None if found else _location(flow, source, target, hosts, answer))


def _follow(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts, facts: Facts) -> Causes:
    """Return the faults on the path of a flow, each of which explains its loss.

    These are the first fault at either end, and the rules that drop it. Only without these, what else is on the path is
    more than a consequence.
    """
    first, last = hosts[source.host], hosts[target.host]
    across = source.host != target.host
    rules = causes.on_host(source.host, flow, first)
    rules_there = causes.on_host(target.host, flow, last) if across else None
    at_source = (
        causes.in_container(source, first, sends=True)
        or causes.at_bridge(source, first)
        or inside.drops(source, "output", facts, first)
        or inside.sends(source, target, first)
    )
    at_target = causes.in_container(target, last) or causes.at_bridge(target, last)
    dropped = (each for each in (rules, rules_there) if each is not None and each.kind in _BY_RULES)
    found = _several(at_source, *dropped, at_target)
    if found:
        return found
    return _several(
        # After a rule that changes an address, the packet belongs to another flow, with rules and routes of its own.
        _redirected(flow, source, target, hosts)
        or _rewritten(flow, source, target, hosts)
        or rules
        or (causes.between(source, target, flow, hosts, facts) if across else None)
        or rules_there
        or (None if across else frames.isolated_ports(source, target, first))
        or frames.duplicate(target, last)
        or frames.duplicate(source, first)
        or causes.to_neighbour(target, last)
        or causes.unseen(source, target, flow, hosts, facts)
    )


def _several(*found: Cause | None) -> Causes:
    """The causes, each once."""
    return tuple(cause for number, cause in enumerate(found) if cause is not None and cause not in found[:number])


def _location(flow: Flow, source: Endpoint, target: Endpoint, hosts: Hosts, answer: bool = False) -> Location:
    """Return where the packets of a flow were last seen."""
    names = list(dict.fromkeys((source.host, target.host)))
    seen = [name for name in names if flow in hosts[name].traces]
    if not seen:
        return Location(None, names[0], answer)
    if seen[-1] == names[-1]:
        return Location(seen[-1], None, answer)
    return Location(seen[-1], names[-1], answer, causes.unresolved_gateway(flow, hosts[seen[-1]]))


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
