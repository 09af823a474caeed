# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's topology as nodes and edges, each with its state: what was intended beside what was observed.

Nodes lie inside of each other: a container in its network, a network in its host. A host hangs on a segment, the link
layer network that it shares with others. The formats (one module each) draw this and decide nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

Data = t.Dict[str, t.Any]

# States: what a node or edge is, compared with the declaration.
AS_DECLARED = "as declared"
MISSING = "missing"
UNDECLARED = "not declared"
DRIFTED = "drifted"
UNKNOWN = "not looked at"
NEUTRAL = "nothing declared"
# States of edges between containers: what verification found.
BLOCKED = "does not pass"
LEAKING = "passes undeclared"
CHANGED = "passes changed"
UNTRIED = "not tried"

# What each state means, the worst first; legends and summaries are made from it.
MEANINGS = {
    BLOCKED: "declared, and the probe did not pass",
    LEAKING: "not declared, and the probe passed",
    CHANGED: "the probe passed, but not as it should",
    UNTRIED: "the probe could not be sent",
    MISSING: "declared, and not there",
    DRIFTED: "there, and other than declared",
    UNDECLARED: "there, and no declaration names it",
    UNKNOWN: "the host gave no report",
    AS_DECLARED: "declared, and there",
    NEUTRAL: "there, and nothing that a declaration speaks of",
}
# A sign for each state, so that text and print do without colour.
SIGNS = {
    BLOCKED: "✗",
    LEAKING: "!",
    CHANGED: "~",
    UNTRIED: "?",
    MISSING: "∅",
    DRIFTED: "≠",
    UNDECLARED: "+",
    UNKNOWN: "?",
    AS_DECLARED: "",
    NEUTRAL: "",
}
WRONG = frozenset((BLOCKED, LEAKING, CHANGED, UNTRIED, MISSING, DRIFTED))

# Kinds of nodes, the outer before the inner.
SEGMENT, HOST, NETWORK, CONTAINER = "segment", "host", "network", "container"
# Kinds of edges.
UNDERLAY, ATTACHMENT, NAMESPACE, ROUTE, PROBE = "underlay", "attachment", "namespace", "route", "probe"


@dataclasses.dataclass
class Node:
    """Something that is drawn as a box. ``parent`` is the id of the node that it lies in.

    ``label`` are lines of text, the name first. ``differences`` say how it differs from the declaration; ``passed`` of
    ``probes`` were as declared.
    """

    id: str
    kind: str
    name: str
    parent: str | None = None
    state: str = NEUTRAL
    label: tuple[str, ...] = ()
    differences: list[str] = dataclasses.field(default_factory=list)
    declared: Data | None = None
    observed: Data | None = None
    probes: int = 0
    passed: int = 0

    @property
    def wrong(self) -> bool:
        return self.state in WRONG or self.passed < self.probes

    def title(self) -> str:
        """The first line of the label with the state's sign before it."""
        return f"{SIGNS[self.state]} {(self.label or (self.name,))[0]}".strip()

    def to_data(self) -> Data:
        return {**dataclasses.asdict(self), "label": list(self.label), "wrong": self.wrong}


@dataclasses.dataclass
class Edge:
    """Something that is drawn as a line from one node to another, both by id. ``details`` are lines of text.

    One that goes ``both_ways`` stands for the other direction, too.
    """

    id: str
    kind: str
    source: str
    target: str
    state: str = AS_DECLARED
    label: str = ""
    details: list[str] = dataclasses.field(default_factory=list)
    both_ways: bool = False

    @property
    def wrong(self) -> bool:
        return self.state in WRONG

    def to_data(self) -> Data:
        return {**dataclasses.asdict(self), "wrong": self.wrong}


@dataclasses.dataclass
class Topology:
    """The whole picture. ``verified`` says when the probes were judged, None where no verification was read."""

    nodes: list[Node]
    edges: list[Edge]
    verified: str | None = None

    def of_kind(self, kind: str) -> list[Node]:
        return [node for node in self.nodes if node.kind == kind]

    def inside(self) -> dict[str | None, list[Node]]:
        """By id of a node the nodes that lie directly in it; by None those that lie in none."""
        found: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    def summary(self) -> list[str]:
        """A few lines of text: what there is, and what of it is not as declared."""
        counts = {kind: len(self.of_kind(kind)) for kind in (HOST, NETWORK, CONTAINER)}
        lines = [", ".join(_count(number, kind) for kind, number in counts.items())]
        parts = []
        for state in MEANINGS:
            if state in (AS_DECLARED, NEUTRAL):
                continue
            numbers = {kind: sum(node.state == state for node in self.of_kind(kind)) for kind in counts}
            if state == UNKNOWN:  # with a host all that is on it
                numbers = {HOST: numbers[HOST]}
            else:
                for kind, noun in ((UNDERLAY, "underlay link"), (ROUTE, "route")):
                    numbers[noun] = sum(edge.state == state for edge in self.edges if edge.kind == kind)
            parts += [f"{_count(number, noun)} {state}" for noun, number in numbers.items() if number]
        lines.append("; ".join(parts) or "everything that was looked at is as declared")
        tried = sum(node.probes for node in self.of_kind(HOST))
        if self.verified is None:
            lines.append("not verified: no results of probes were found")
        else:
            good = sum(node.passed for node in self.of_kind(HOST))
            lines.append(f"verified {self.verified}: {good} of {_count(tried, 'probe')} as declared")
        return lines

    def to_data(self) -> Data:
        """The JSON document."""
        return {
            "format": 1,
            "summary": self.summary(),
            "verified": self.verified,
            "nodes": [node.to_data() for node in self.nodes],
            "edges": [edge.to_data() for edge in self.edges],
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def node_id(kind: str, *names: str) -> str:
    """``container/h1/web``; names of hosts, networks and containers have no slash."""
    return "/".join((kind, *names))
