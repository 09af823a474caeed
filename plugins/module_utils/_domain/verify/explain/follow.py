# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe went otherwise than declared: the hop where it ended, and the rule, route or link that ended it. Pure.

A packet is followed from its container to the one it is for, by what the hosts on the way tell: links, routes,
neighbours, and which rules it met. The first thing that is wrong explains it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import causes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import End, Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow

# A word that Verdict.problem begins with, for each way to be wrong.
DENIED, ARRIVES, REWRITTEN = "does not pass", "arrives, but", "passes, but its source"

Hosts = t.Mapping[str, Evidence]


def explain(problem: str, source: End, target: End, packet: int | None, hosts: Hosts) -> str | None:
    """What ``hosts`` tell about a probe, in words; None where nothing explains it.

    ``packet`` is the size of a packet that must not be fragmented, in bytes.
    """
    if source.host not in hosts or target.host not in hosts:
        return None
    there, back = Flow(source.address, target.address), Flow(target.address, source.address)
    if there not in hosts[source.host].lookups:  # it was not traced; another one of its kind was
        return None
    if problem.startswith(REWRITTEN):
        return _rewritten(there, source, target, hosts) or _checks(hosts, source, target)
    if problem.startswith((DENIED, ARRIVES, "is answered, but")):
        found = causes.of_size(source, target, packet, hosts) if packet is not None else None
        if found is None and problem.startswith("is answered, but"):
            found = _sent_elsewhere(there, source, target, hosts)
        if found is None and not problem.startswith(ARRIVES):
            found = _follow(there, source, target, hosts)
        return found or _follow(back, target, source, hosts) or _lost(source, target, hosts)
    if problem.startswith("passes") or "arrives at the target" in problem:
        return _let_through(there, source, target, hosts)
    return None


def _follow(flow: Flow, source: End, target: End, hosts: Hosts) -> str | None:
    """The first thing on the way that keeps packets of a flow from arriving."""
    first, last = hosts[source.host], hosts[target.host]
    found = (
        causes.in_container(source, first)
        or causes.at_bridge(source, first)
        or _changed_on_the_way(flow, source, target, hosts)
        or causes.on_host(source.host, flow, first)
        or (causes.between(source, target, flow, first, last) if source.host != target.host else None)
        or (causes.on_host(target.host, flow, last) if source.host != target.host else None)
    )
    return (
        found
        or causes.in_container(target, last)
        or causes.at_bridge(target, last)
        or causes.to_neighbour(target, last)
    )


def _lost(source: End, target: End, hosts: Hosts) -> str | None:
    """Nothing is wrong where it can be seen; what is known to lose packets unseen, and where it was seen last."""
    names = list(dict.fromkeys((source.host, target.host)))
    for name in names:
        found = causes.unseen(name, hosts[name])
        if found is not None:
            return found
    for name in names:
        if hosts[name].checks:
            return f"{name}: {'; '.join(hosts[name].checks)}"
    flow = Flow(source.address, target.address)
    seen = [name for name in names if flow in hosts[name].traces]
    if not seen:
        return f"{names[0]}: nothing of it was seen on the host: it was lost between the container and its bridge"
    return f"{seen[-1]}: it was seen here last, and met nothing that drops it"


def _changed_on_the_way(flow: Flow, source: End, target: End, hosts: Hosts) -> str | None:
    """A rule that makes another flow of it, which then is judged, routed and answered as such."""
    return _sent_elsewhere(flow, source, target, hosts) or _rewritten(flow, source, target, hosts)


def _rewritten(flow: Flow, source: End, target: End, hosts: Hosts) -> str | None:
    for name in dict.fromkeys((source.host, target.host)):
        for step in hosts[name].traces.get(flow, ()):
            if causes.rewrites_source(step):
                return f"{name}: {step} changes the source address; {causes.whose(step)}"
    return None


def _sent_elsewhere(flow: Flow, source: End, target: End, hosts: Hosts) -> str | None:
    for name in dict.fromkeys((source.host, target.host)):
        for step in hosts[name].traces.get(flow, ()):
            if "dnat to" in step.rule or "redirect" in step.rule or "DNAT" in step.rule:
                return f"{name}: {step} sends it elsewhere; {causes.whose(step)}"
    return None


def _let_through(flow: Flow, source: End, target: End, hosts: Hosts) -> str | None:
    """Each host on the way judges; so something is wrong on all of them, or the packet met none of our rules."""
    found = []
    for name in dict.fromkeys((source.host, target.host)):
        evidence, steps = hosts[name], hosts[name].traces.get(flow, ())
        judged = [step for step in steps if step.table in TABLES.values()]
        if evidence.checks:
            found.append(f"{name}: {'; '.join(evidence.checks)}")
        elif not evidence.owned:
            found.append(f"{name}: table {TABLES[4]} is not loaded")
        elif judged and judged[-1].verdict.startswith(("accept", "goto")):
            found.append(f"{name}: {judged[-1]} lets it through")
    if source.host == target.host and not found:
        (one, other) = (hosts[source.host].bridge_of(end) for end in (source, target))
        if one is not None and one == other:
            return f"{source.host}: both are ports of bridge {one}, where no policy decides"
    return "; ".join(found) or None


def _checks(hosts: Hosts, *ends: End) -> str | None:
    for name in dict.fromkeys(end.host for end in ends):
        if hosts[name].checks:
            return f"{name}: {'; '.join(hosts[name].checks)}"
    return None
