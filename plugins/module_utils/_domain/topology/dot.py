# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as a Graphviz graph: ``dot -Tsvg topology.dot``. Pure.

A host is a cluster, a network in it a table with one row per container. dot cannot lay out nested clusters with edges
between them for many hosts.
"""

from __future__ import annotations

import html
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    BLOCKED,
    CHANGED,
    DRIFTED,
    HOST,
    LEAKING,
    MISSING,
    NAMESPACE,
    NEUTRAL,
    ROUTE,
    SEGMENT,
    STATES,
    UNDECLARED,
    UNDERLAY,
    UNKNOWN,
    UNTRIED,
    Edge,
    Node,
    Topology,
)

# Colour, line style and width of each state.
_LOOKS: dict[str, tuple[str, str, int]] = {
    BLOCKED: ("#b91c1c", "solid", 3),
    LEAKING: ("#c2410c", "dashed", 3),
    CHANGED: ("#a16207", "dotted", 3),
    UNTRIED: ("#4b5563", "dotted", 2),
    MISSING: ("#b91c1c", "dashed", 2),
    DRIFTED: ("#92400e", "solid", 4),
    UNDECLARED: ("#6d28d9", "dotted", 2),
    UNKNOWN: ("#4b5563", "dashed", 1),
    AS_DECLARED: ("#374151", "solid", 1),
    NEUTRAL: ("#6b7280", "solid", 1),
}
_PROVEN = "#e7f6ec"
_HEAD = """\
  graph [rankdir=TB, fontname="sans-serif", nodesep=0.15, ranksep=0.5]
  node [shape=plain, fontname="sans-serif", fontsize=11]
  edge [fontname="sans-serif", fontsize=10, arrowsize=0.8]"""


def render(topology: Topology) -> str:
    """Return the document; the same topology gives the same bytes. Routes that are as declared are not drawn, since on
    many hosts they cover everything else: a host's label counts them."""
    inside = topology.inside()
    # The end of an edge: the node, or a row of a table.
    places = {node.id: quote(node.id) for node in topology.nodes}
    lines = ["digraph topology {", *(f"  // {line}" for line in topology.summary()), _HEAD]
    for top in inside.get(None, ()):
        if top.kind == SEGMENT:
            lines.append(f"  {quote(top.id)} [shape=box, style=filled, width=6, label={quote(_text(top))}];")
            continue
        colour, style, width = _look(top)
        lines += [
            f"  subgraph {quote('cluster ' + top.id)} {{",
            f"    graph [color={quote(colour)}, style={quote('' if style == 'solid' else style)}, penwidth={width}];",
            f"    {quote(top.id)} [fontsize=14, label={quote(_text(top))}];",
        ]
        for inner in inside.get(top.id, ()):
            rows = inside.get(inner.id, ())
            places.update((row.id, f"{quote(inner.id)}:row{number}") for number, row in enumerate(rows))
            lines.append(f"    {quote(inner.id)} [label=<{_table(inner, rows)}>];")
            lines.append(f"    {quote(top.id)} -> {quote(inner.id)} [style=invis];")
        lines.append("  }")
    hosts = {node.id for node in topology.nodes if node.kind == HOST}
    lines += [_edge(edge, places, hosts) for edge in topology.edges if _worth_drawing(edge)]
    return "\n".join([*lines, "}"]) + "\n"


def _worth_drawing(edge: Edge) -> bool:
    if edge.kind == NAMESPACE:  # shown in the label; a line between rows of one table covers it
        return False
    return edge.kind != ROUTE or edge.wrong or edge.state == UNDECLARED


def _look(node: Node) -> tuple[str, str, int]:
    """Return a node's colour, style and width; failed probes take precedence over a state as declared."""
    quiet = node.state in (AS_DECLARED, NEUTRAL)
    return _LOOKS[BLOCKED if quiet and node.wrong and node.kind != HOST else node.state]


def _text(node: Node) -> str:
    lines = [node.title(), *node.label[1:]]
    if node.probes:
        lines.append(f"probes {node.passed} of {node.probes}")
    if node.state not in (AS_DECLARED, NEUTRAL):
        lines.append(STATES[node.state].label)
    return "\n".join(lines)


def _table(node: Node, rows: t.Sequence[Node]) -> str:
    """Return a network with its containers, or a single container, as an HTML-like label."""
    cells = [_cell(node, "", _LOOKS[node.state] if rows else _look(node), 0)]
    cells += [_cell(row, f' port="row{number}"', _look(row), 1) for number, row in enumerate(rows)]
    colour, style, width = _LOOKS[node.state]
    return (
        f'<table border="{width}" color="{colour}" style="{style}" cellborder="0" cellspacing="4" cellpadding="3">'
        f"{''.join(f'<tr>{cell}</tr>' for cell in cells)}</table>"
    )


def _cell(node: Node, port: str, look: tuple[str, str, int], least: int) -> str:
    colour, style, width = look
    fill = f' bgcolor="{_PROVEN}"' if least and node.probes and not node.wrong else ""
    border = f'border="{max(least * width, 0)}" color="{colour}" style="{style}"'
    text = "<br/>".join(html.escape(line) for line in _text(node).split("\n"))
    return f"<td{port} {border}{fill}>{text}</td>"


def _edge(edge: Edge, places: t.Mapping[str, str], hosts: t.Collection[str]) -> str:
    colour, style, width = _LOOKS[edge.state]
    text = f"{STATES[edge.state].sign} {edge.label}".strip()
    look = {"color": colour, "fontcolor": colour, "style": style, "penwidth": str(width), "label": text}
    source, target = edge.source, edge.target
    if edge.kind == UNDERLAY:
        source, target = target, source  # so that the segment is above its hosts
        look["dir"] = "none"
    elif (source in hosts) != (target in hosts):
        # From the host down: dot cannot place an edge without a constraint that leads up to a host.
        look["dir"] = "both" if edge.both_ways else "forward" if source in hosts else "back"
        source, target = (source, target) if source in hosts else (target, source)
        if edge.state in (BLOCKED, MISSING):
            look.update(arrowhead="tee", arrowtail="tee")
    else:
        look.update(constraint="false", dir="both" if edge.both_ways else "forward")
        if edge.state in (BLOCKED, MISSING):
            look.update(arrowhead="tee", arrowtail="tee")
    attributes = ", ".join(f"{key}={quote(value)}" for key, value in look.items() if value)
    return f"  {places[source]} -> {places[target]} [{attributes}];"


def quote(text: str) -> str:
    """Return a quoted string of the DOT language, with its line breaks; backslashes stay literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", "\\n") + '"'
