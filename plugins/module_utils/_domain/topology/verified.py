# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verification found, laid over the topology: how many probes were as declared, and an edge for each pair that
was not."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import DEFAULT_BRIDGE
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

# More lines than these nobody can follow: then they go from network to network, then from host to host.
MOST_EDGES = 12
_WORST = (BLOCKED, LEAKING, CHANGED, UNTRIED)
# What a verdict always has. Anything else in it explains why, and is shown as it is.
_PLAIN_KEYS = frozenset(
    (
        "source",
        "target",
        "protocol",
        "port",
        "packet",
        "intended",
        "declared_by",
        "passed",
        "problem",
        "token",
        "result",
    )
)


def parse(document: t.Any) -> list[Data]:
    """The entries of ``reachability.json``; ValueError where something else is in it."""
    if not isinstance(document, list) or not all(_is_verdict(entry) for entry in document):
        raise ValueError("its entries are no verdicts on probes")
    return document


def _is_verdict(entry: t.Any) -> bool:
    if not isinstance(entry, dict) or not all(key in entry for key in ("protocol", "intended", "passed", "problem")):
        return False
    ends = [entry.get("source"), entry.get("target")]
    return all(
        isinstance(end, dict)
        and all(isinstance(end.get(key), str) for key in ("host", "container", "network", "address"))
        for end in ends
    )


def add(topology: Topology, verdicts: t.Sequence[Data], verified_at: str) -> None:
    """Count the probes on every node that took part, and add edges for the pairs that are not as declared.

    A container that was probed and runs no longer is added as missing.
    """
    topology.verified = verified_at
    by_id = {node.id: node for node in topology.nodes}
    failed: list[tuple[Data, tuple[str, ...], tuple[str, ...]]] = []
    for verdict in verdicts:
        ends = [_chain(topology, by_id, verdict[end]) for end in ("source", "target")]
        # A node counts a probe once, also where both ends lie in it.
        for place in dict.fromkeys([*ends[0], *ends[1]]):
            node = by_id[place]
            if node.kind == HOST and place not in ends[0]:
                continue  # a host's probes are those that it sent, so that the fleet's sum counts each once
            node.probes += 1
            node.passed += not verdict["problem"]
        if verdict["problem"]:
            failed.append((verdict, ends[0], ends[1]))
    topology.edges += _edges(failed)


def _chain(topology: Topology, by_id: dict[str, Node], end: Data) -> tuple[str, ...]:
    """Ids of a probe's end from the container outwards to its host."""
    place = node_id(CONTAINER, end["host"], end["container"])
    node = by_id.get(place)
    if node is None:
        host = by_id.get(node_id(HOST, end["host"]))
        if host is None:  # the host has left the fleet since
            host = Node(node_id(HOST, end["host"]), HOST, end["host"], None, MISSING, (end["host"],),
                        ["was probed, and is not in the fleet now"])  # fmt: skip
            by_id[host.id] = host
            topology.nodes.append(host)
        own_name = DEFAULT_BRIDGE_NETWORK if end["network"] == DEFAULT_BRIDGE else end["network"]
        network = by_id.get(node_id(NETWORK, end["host"], own_name))
        label = (end["container"], end["address"])
        node = Node(place, CONTAINER, end["container"], (network or host).id, MISSING, label)
        node.differences.append("was probed, and does not run now")
        if host.state == UNKNOWN:
            node.state, node.differences = UNKNOWN, ["was probed; whether it runs now was not looked at"]
        by_id[place] = node
        topology.nodes.append(node)
    chain = [node.id]
    while node.parent is not None:
        node = by_id[node.parent]
        chain.append(node.id)
    return tuple(chain)


def _edges(failed: t.Sequence[tuple[Data, tuple[str, ...], tuple[str, ...]]]) -> list[Edge]:
    """One edge for all failed probes between two ends, at the closest look that stays readable."""
    groups: dict[tuple[str, str], list[Data]] = {}
    both_ways: set[tuple[str, str]] = set()
    for look in (0, 1, 2):
        groups, both_ways = {}, set()
        for verdict, source, target in failed:
            ends = source[min(look, len(source) - 1)], target[min(look, len(target) - 1)]
            if ends[0] == ends[1]:  # within one network or host: stay with the containers
                ends = source[0], target[0]
            if ends[::-1] in groups:
                ends = ends[::-1]
                both_ways.add(ends)
            groups.setdefault(ends, []).append(verdict)
        if len(groups) <= MOST_EDGES:
            break
    return [_edge(ends, group, ends in both_ways) for ends, group in groups.items()]


def _edge(ends: tuple[str, str], verdicts: t.Sequence[Data], both_ways: bool) -> Edge:
    states = {_state(verdict) for verdict in verdicts}
    services = list(dict.fromkeys(service(verdict) for verdict in verdicts))
    label = services[0] if len(services) == 1 else f"{len(verdicts)} probes"
    details = [line for verdict in verdicts for line in _lines(verdict)]
    worst = next(state for state in _WORST if state in states)
    return Edge("/".join((PROBE, *ends)), PROBE, *ends, worst, label, details, both_ways)


def _state(verdict: Data) -> str:
    if str(verdict["problem"]).startswith(UNTRIED):
        return UNTRIED
    if not verdict["intended"]:
        return LEAKING
    return CHANGED if verdict["passed"] else BLOCKED


def service(verdict: Data) -> str:
    """``tcp/5432``, or the size of a packet that has to fit."""
    if verdict.get("packet"):
        return f"{verdict['protocol']} of {verdict['packet']} bytes"
    return f"{verdict['protocol']}/{verdict['port']}" if verdict.get("port") else str(verdict["protocol"])


def _lines(verdict: Data) -> list[str]:
    source, target = verdict["source"], verdict["target"]
    lines = [
        f"{source['container']} on {source['host']} ({source['address']}) to {target['container']} on {target['host']} "
        f"({target['address']}), {service(verdict)}: {verdict['problem']}"
    ]
    for key, value in verdict.items():
        if key not in _PLAIN_KEYS and value not in (None, "", [], {}):
            lines.append(f"    {key.replace('_', ' ')}: {_text(value)}")
    return lines


def _text(value: t.Any) -> str:
    if isinstance(value, t.Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, (list, tuple)):
        return "; ".join(_text(item) for item in value)
    return str(value)
