# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as a Graphviz graph: ``dot -Tsvg topology.dot``."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    BLOCKED,
    CHANGED,
    DRIFTED,
    LEAKING,
    MISSING,
    NEUTRAL,
    ROUTE,
    SEGMENT,
    SIGNS,
    UNDECLARED,
    UNDERLAY,
    UNKNOWN,
    UNTRIED,
    Node,
    Topology,
)

# Colour, line style and width of each state.
_LOOKS: dict[str, tuple[str, str, int]] = {
    BLOCKED: ("#b91c1c", "bold", 3),
    LEAKING: ("#c2410c", "bold,dashed", 3),
    CHANGED: ("#a16207", "dashed", 2),
    UNTRIED: ("#4b5563", "dotted", 2),
    MISSING: ("#b91c1c", "dashed", 2),
    DRIFTED: ("#a16207", "bold", 3),
    UNDECLARED: ("#6d28d9", "dotted", 2),
    UNKNOWN: ("#4b5563", "dashed", 1),
    AS_DECLARED: ("#374151", "solid", 1),
    NEUTRAL: ("#374151", "solid", 1),
}
_HEAD = """\
graph [compound=true, rankdir=TB, newrank=true, fontname="sans-serif", nodesep=0.2, ranksep=0.9]
  node [shape=box, fontname="sans-serif", fontsize=11]
  edge [fontname="sans-serif", fontsize=10]"""


def render(topology: Topology) -> str:
    """The document; the same bytes for the same topology. Routes that are as declared are left out, since on many hosts
    they would cover everything else: a host's label counts them."""
    inside = topology.inside()
    lines = ["digraph topology {", *(f"  // {line}" for line in topology.summary()), f"  {_HEAD}"]

    def draw(node: Node, indent: str) -> None:
        if node.kind == SEGMENT or node.id not in inside:
            lines.append(f"{indent}{quote(node.id)} [{_attributes(_look(node, cluster=False))}];")
            return
        lines.append(f"{indent}subgraph {quote('cluster ' + node.id)} {{")
        lines.append(f"{indent}  {'; '.join(_attributes(_look(node, cluster=True)).split(chr(10)))};")
        # An edge needs a node to end at: an unseen one, at the border of its cluster.
        lines.append(f"{indent}  {quote(node.id)} [shape=point, style=invis, width=0];")
        for child in inside[node.id]:
            draw(child, indent + "  ")
        lines.append(f"{indent}}}")

    for node in inside.get(None, ()):
        draw(node, "  ")
    for edge in topology.edges:
        if edge.kind == ROUTE and edge.state == AS_DECLARED:
            continue
        colour, style, width = _LOOKS[edge.state]
        text = " ".join(filter(None, (SIGNS[edge.state], edge.label)))
        look = {"color": colour, "style": style, "penwidth": str(width), "label": text, "fontcolor": colour}
        source, target = edge.source, edge.target
        if edge.kind == UNDERLAY:
            source, target = target, source  # so that the segment stands above its hosts
            look["dir"] = "none"
        else:
            look.update(constraint="false", dir="both" if edge.both_ways else "forward")
        if source in inside:
            look["ltail"] = "cluster " + source
        if target in inside:
            look["lhead"] = "cluster " + target
        lines.append(f"  {quote(source)} -> {quote(target)} [{_attributes(look)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _look(node: Node, cluster: bool) -> dict[str, str]:
    state = BLOCKED if node.wrong and node.state in (AS_DECLARED, NEUTRAL) else node.state
    colour, style, width = _LOOKS[state]
    text = [node.title(), *node.label[1:]]
    if node.probes:
        text.append(f"{node.passed} of {node.probes} probes")
    look = {"label": "\n".join(text), "color": colour, "penwidth": str(width), "style": style.split(",", maxsplit=1)[0]}
    if node.kind == SEGMENT:
        look.update(shape="box", style="filled", fillcolor="#e5e7eb", width="6")
    elif not cluster and node.probes and not node.wrong:
        look.update(style="filled", fillcolor="#e7f6ec")
    return look


def _attributes(look: t.Mapping[str, str]) -> str:
    return ", ".join(f"{key}={quote(value)}" for key, value in look.items() if value)


def quote(text: str) -> str:
    """A quoted string of the DOT language. Line breaks become its own, backslashes stay what they are."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", "\\n") + '"'
