# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds the results of verification to a topology: counts of probes, and edges for failed pairs. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.drawn import DEFAULT_BRIDGE_NETWORK
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    BLOCKED,
    CHANGED,
    CONTAINER,
    HOST,
    LEAKING,
    MISSING,
    NETWORK,
    PROBE,
    UNKNOWN,
    UNTRIED,
    Data,
    Edge,
    Node,
    Topology,
    node_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Location
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause_text import location
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import VerdictKind

# With more edges than these, they are drawn between networks, then between hosts.
MOST_EDGES = 12
_WORST = (BLOCKED, LEAKING, CHANGED, UNTRIED)
# States by verdict.
_STATES = {
    VerdictKind.NOT_TRIED: UNTRIED,
    VerdictKind.NOT_OBSERVED: UNTRIED,
    VerdictKind.BLOCKED: BLOCKED,
    VerdictKind.NO_ANSWER: BLOCKED,
    VerdictKind.NAME_UNRESOLVED: BLOCKED,
    VerdictKind.NAME_RESOLVES_ELSEWHERE: BLOCKED,
    VerdictKind.SOURCE_REWRITTEN: CHANGED,
    VerdictKind.ANSWERED_BY_ANOTHER: CHANGED,
    VerdictKind.LEAK: LEAKING,
    VerdictKind.ARRIVES_THOUGH_DENIED: LEAKING,
}
_KINDS = frozenset(kind.value for kind in VerdictKind)


def parse(document: t.Any) -> list[Data]:
    """Return the entries of ``reachability.json``. Raises ValueError if the document is invalid."""
    if not isinstance(document, list) or not all(_is_verdict(entry) for entry in document):
        raise ValueError("its entries are not verdicts of this version")
    return document


def _is_verdict(entry: t.Any) -> bool:
    if not isinstance(entry, dict) or not all(key in entry for key in ("service", "kind", "problem")):
        return False
    if entry["kind"] not in _KINDS:
        return False
    ends = [entry.get("source"), entry.get("target")]
    return all(
        isinstance(end, dict)
        and all(isinstance(end.get(key), str) for key in ("host", "container", "network", "address"))
        and end.get("kind") in (None, *(kind.value for kind in EndKind))
        for end in ends
    )


def add(topology: Topology, verdicts: t.Sequence[Data], verified_at: str) -> None:
    """Count the probes of every node, and add edges for the pairs that are not as declared.

    A probed container that no longer runs is added as missing.
    """
    topology.verified = verified_at
    by_id = {node.id: node for node in topology.nodes}
    failed: list[tuple[Data, tuple[str, ...], tuple[str, ...]]] = []
    for verdict in verdicts:
        ends = [_chain(topology, by_id, verdict[end]) for end in ("source", "target")]
        # A node counts a probe once, even if it contains both ends.
        for place in dict.fromkeys([*ends[0], *ends[1]]):
            node = by_id[place]
            if node.kind == HOST and place not in ends[0]:
                continue  # a host counts the probes that it sent, so that the fleet's sum counts each once
            node.probes += 1
            node.passed += VerdictKind(verdict["kind"]) is VerdictKind.AS_DECLARED
        # A machine outside of the fleet is not drawn.
        if VerdictKind(verdict["kind"]) is not VerdictKind.AS_DECLARED and all(ends):
            failed.append((verdict, ends[0], ends[1]))
    topology.edges += _edges(failed)


def _chain(topology: Topology, by_id: dict[str, Node], end: Data) -> tuple[str, ...]:
    """Return the ids of a probe's end, from the container to its host; none for a machine outside of the fleet."""
    if end.get("kind") == EndKind.OUTSIDE:
        return ()
    host_id = node_id(HOST, end["host"])
    place = node_id(CONTAINER, end["host"], end["container"]) if end["container"] else host_id
    node = by_id.get(place)
    if node is None:
        host = by_id.get(host_id)
        if host is None:  # the host has left the fleet
            host = Node(host_id, HOST, end["host"], None, MISSING, (end["host"],),
                        ["was probed, but is no longer in the fleet"])  # fmt: skip
            by_id[host.id] = host
            topology.nodes.append(host)
        node = _ended(topology, by_id, host, end) if end["container"] else host
    chain = [node.id]
    while node.parent is not None:
        node = by_id[node.parent]
        chain.append(node.id)
    return tuple(chain)


def _ended(topology: Topology, by_id: dict[str, Node], host: Node, end: Data) -> Node:
    """Add a container that no longer runs."""
    own_name = DEFAULT_BRIDGE_NETWORK if end["network"] == DEFAULT_BRIDGE else end["network"]
    network = by_id.get(node_id(NETWORK, end["host"], own_name))
    label = (end["container"], end["address"])
    node = Node(node_id(CONTAINER, end["host"], end["container"]), CONTAINER, end["container"], (network or host).id,
                MISSING, label)  # fmt: skip
    node.notes.append("was probed, but no longer runs")
    if host.state == UNKNOWN:
        node.state, node.notes = UNKNOWN, ["was probed; whether it still runs is unknown"]
    by_id[node.id] = node
    topology.nodes.append(node)
    return node


def _edges(failed: t.Sequence[tuple[Data, tuple[str, ...], tuple[str, ...]]]) -> list[Edge]:
    """Return one edge for all failed probes between two ends, as detailed as stays readable."""
    groups: dict[tuple[str, str], list[Data]] = {}
    both_ways: set[tuple[str, str]] = set()
    for level in (0, 1, 2):
        groups, both_ways = {}, set()
        for verdict, source, target in failed:
            ends = source[min(level, len(source) - 1)], target[min(level, len(target) - 1)]
            if ends[0] == ends[1]:  # within one network or host: keep the containers
                ends = source[0], target[0]
            if ends[::-1] in groups:
                ends = ends[::-1]
                both_ways.add(ends)
            groups.setdefault(ends, []).append(verdict)
        if len(groups) <= MOST_EDGES:
            break
    return [_edge(ends, group, ends in both_ways) for ends, group in groups.items()]


def _edge(ends: tuple[str, str], verdicts: t.Sequence[Data], both_ways: bool) -> Edge:
    states = {_STATES[VerdictKind(verdict["kind"])] for verdict in verdicts}
    services = list(dict.fromkeys(verdict["service"] for verdict in verdicts))
    label = services[0] if len(services) == 1 else f"{len(verdicts)} probes"
    details = [line for verdict in verdicts for line in _lines(verdict)]
    worst = next(state for state in _WORST if state in states)
    return Edge("/".join((PROBE, *ends)), PROBE, *ends, worst, label, details, both_ways)


def _lines(verdict: Data) -> list[str]:
    lines = [f"{_end(verdict['source'])} to {_end(verdict['target'])}, {verdict['service']}: {verdict['problem']}"]
    if verdict.get("explanation"):
        lines.append(f"    cause: {verdict['explanation']}")
    elif verdict.get("last_seen"):
        lines.append(f"    {location(Location(**verdict['last_seen']))}")
    return lines


def _end(end: Data) -> str:
    """An end of a probe as text; a host itself has no container."""
    name = f"{end['container']} on {end['host']}" if end["container"] else end["host"]
    return f"{name} ({end['address']})"
