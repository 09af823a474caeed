# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's topology as nodes and edges, each with its state: declared and observed side by side. Pure.

Nodes are nested: a container in its network, a network in its host. A host is connected to a segment, the layer 2
network that it shares with others. The formats (one module each) draw the topology and decide nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference, sentence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.text import policy_data
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.view import PolicyView

Data = t.Dict[str, t.Any]

# States of nodes and edges, compared with the declaration. Programs read these values; people read STATES.
AS_DECLARED = "as_declared"
MISSING = "missing"
UNDECLARED = "undeclared"
DRIFTED = "drifted"
UNKNOWN = "unknown"
NEUTRAL = "neutral"
# States of edges between containers, by verification.
BLOCKED = "blocked"
LEAKING = "leaking"
CHANGED = "changed"
UNTRIED = "untried"


class StateText(t.NamedTuple):
    """How a state is shown: a label, a sign for text and print without colour, and its meaning for legends."""

    label: str
    sign: str
    meaning: str


# The states, the worst first; legends and summaries use this order.
STATES = {
    BLOCKED: StateText("does not pass", "✗", "allowed, but the probe did not pass"),
    LEAKING: StateText("passes undeclared", "!", "denied, but the probe passed"),
    CHANGED: StateText("passes changed", "~", "the probe passed, but with another source address or another target"),
    UNTRIED: StateText("not tried", "?", "the probe was not sent"),
    MISSING: StateText("missing", "∅", "declared, but not found"),
    DRIFTED: StateText("drifted", "≠", "found, but different from the declaration"),
    UNDECLARED: StateText("not declared", "+", "found, but not declared"),
    UNKNOWN: StateText("unknown", "?", "the host returned no report"),
    AS_DECLARED: StateText("as declared", "", "declared and found"),
    NEUTRAL: StateText("neutral", "", "found; declarations do not cover it"),
}
WRONG = frozenset((BLOCKED, LEAKING, CHANGED, UNTRIED, MISSING, DRIFTED))

# Kinds of nodes, the outer before the inner.
SEGMENT, HOST, NETWORK, CONTAINER = "segment", "host", "network", "container"
# Kinds of edges.
UNDERLAY, ATTACHMENT, NAMESPACE, ROUTE, PROBE = "underlay", "attachment", "namespace", "route", "probe"


@dataclasses.dataclass
class Node:
    """A box of the drawing. ``parent`` is the id of the node that contains it.

    ``label`` are lines of text, the name first. ``drift`` are its differences from the declaration, ``notes`` other
    lines of text about them. ``passed`` of ``probes`` were as declared.
    """

    id: str
    kind: str
    name: str
    parent: str | None = None
    state: str = NEUTRAL
    label: tuple[str, ...] = ()
    notes: list[str] = dataclasses.field(default_factory=list)
    drift: list[Difference] = dataclasses.field(default_factory=list)
    declared: Data | None = None
    observed: Data | None = None
    probes: int = 0
    passed: int = 0

    @property
    def wrong(self) -> bool:
        return self.state in WRONG or self.passed < self.probes

    @property
    def differences(self) -> list[str]:
        """The notes and the differences, as lines of text."""
        return [*self.notes, *map(sentence, self.drift)]

    def title(self) -> str:
        """The first line of the label, after the state's sign."""
        return f"{STATES[self.state].sign} {(self.label or (self.name,))[0]}".strip()

    def to_data(self) -> Data:
        data = dataclasses.asdict(self)
        del data["notes"]
        drift = [difference.to_data() for difference in self.drift]
        text = {"label": list(self.label), "differences": self.differences}
        return {**data, **text, "drift": drift, "wrong": self.wrong}


@dataclasses.dataclass
class Edge:
    """A line of the drawing, between two nodes by id. ``details`` are lines of text.

    An edge with ``both_ways`` also represents the opposite direction.
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
    """The whole drawing. ``verified`` is the time of the verification as text, None without one.

    ``coverage`` is what was verified, as lines of text: the numbers, then what is not proven. ``policy`` is who may
    open connections to whom; None if it is not given.
    """

    nodes: list[Node]
    edges: list[Edge]
    verified: str | None = None
    coverage: tuple[str, ...] = ()
    policy: PolicyView | None = None

    def of_kind(self, kind: str) -> list[Node]:
        return [node for node in self.nodes if node.kind == kind]

    def inside(self) -> dict[str | None, list[Node]]:
        """Return by id of a node the nodes directly in it; by None those without a parent."""
        found: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    def summary(self) -> list[str]:
        """Return lines of text: what was found, what of it is not as declared, and what was verified."""
        counts = {kind: len(self.of_kind(kind)) for kind in (HOST, NETWORK, CONTAINER)}
        lines = [", ".join(_count(number, kind) for kind, number in counts.items())]
        parts = []
        for state, text in STATES.items():
            if state in (AS_DECLARED, NEUTRAL):
                continue
            numbers = {kind: sum(node.state == state for node in self.of_kind(kind)) for kind in counts}
            if state == UNKNOWN:  # an unknown host includes its networks
                numbers = {HOST: numbers[HOST]}
            else:
                for kind, noun in ((UNDERLAY, "underlay interface"), (ROUTE, "route")):
                    numbers[noun] = sum(edge.state == state for edge in self.edges if edge.kind == kind)
            parts += [f"{_count(number, noun)} {text.label}" for noun, number in numbers.items() if number]
        lines.append("; ".join(parts) or "all reports are as declared")
        tried = sum(node.probes for node in self.of_kind(HOST))
        if self.verified is None:
            lines.append("not verified: no results of probes found")
        else:
            good = sum(node.passed for node in self.of_kind(HOST))
            lines.append(f"verified {self.verified}: {good} of {_count(tried, 'probe')} as declared")
            lines += self.coverage[:1]
        return lines

    def to_data(self) -> Data:
        """The JSON document."""
        return {
            "format": 2,
            "summary": self.summary(),
            "verified": self.verified,
            "coverage": list(self.coverage),
            "policy": policy_data(self.policy) if self.policy else None,
            "nodes": [node.to_data() for node in self.nodes],
            "edges": [edge.to_data() for edge in self.edges],
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def node_id(kind: str, *names: str) -> str:
    """Return an id like ``container/h1/web``; names of hosts, networks and containers contain no slash."""
    return "/".join((kind, *names))
