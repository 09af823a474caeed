# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as a Mermaid flowchart, which code hosts and wikis draw in Markdown. Pure."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    CONTAINER,
    DRIFTED,
    HOST,
    MISSING,
    NETWORK,
    NEUTRAL,
    ROUTE,
    SEGMENT,
    STATES,
    UNDECLARED,
    UNDERLAY,
    Edge,
    Node,
    Topology,
)

_OPEN_CLOSE = {SEGMENT: ("[/", "/]"), HOST: ("[", "]"), NETWORK: ("[", "]"), CONTAINER: ("(", ")")}
# Colour, and line style and width for print without colour.
_CLASSES = """\
  classDef wrong fill:#fde8e8,stroke:#b91c1c,stroke-width:4px
  classDef missing fill:#fff,stroke:#b91c1c,stroke-width:3px,stroke-dasharray:8 5
  classDef undeclared fill:#f3e8ff,stroke:#6d28d9,stroke-width:3px,stroke-dasharray:2 3
  classDef drifted fill:#fef3c7,stroke:#92400e,stroke-width:6px
  classDef proven fill:#e7f6ec,stroke:#166534
"""


def render(topology: Topology) -> str:
    """Return the document; the same topology gives the same bytes. Routes that are as declared are not drawn: a host's
    label counts them."""
    short = {node.id: f"n{number}" for number, node in enumerate(topology.nodes)}
    inside = topology.inside()
    lines = ["flowchart TB", *(f"  %% {line}" for line in topology.summary())]
    classes: dict[str, list[str]] = {}

    def draw(node: Node, indent: str) -> None:
        # Mermaid leaves room for one line above the content of a box.
        label = _label(node, " · " if node.id in inside else "<br/>")
        name = _class(node)
        if name:
            classes.setdefault(name, []).append(short[node.id])
        if node.id not in inside:
            opening, closing = _OPEN_CLOSE[node.kind]
            lines.append(f"{indent}{short[node.id]}{opening}{label}{closing}")
            return
        lines.append(f"{indent}subgraph {short[node.id]} [{label}]")
        for child in inside[node.id]:
            draw(child, indent + "  ")
        lines.append(f"{indent}end")

    for node in inside.get(None, ()):
        draw(node, "  ")
    for edge in topology.edges:
        if edge.kind != ROUTE or edge.wrong or edge.state == UNDECLARED:
            # The underlay is drawn from the segment, which is then above its hosts.
            ends = (edge.target, edge.source) if edge.kind == UNDERLAY else (edge.source, edge.target)
            lines.append(f"  {short[ends[0]]} {_arrow(edge)} {short[ends[1]]}")
    lines += _CLASSES.rstrip("\n").split("\n")
    lines += [f"  class {','.join(members)} {name}" for name, members in sorted(classes.items())]
    return "\n".join(lines) + "\n"


def _label(node: Node, between: str) -> str:
    text = [node.title(), *node.label[1:]]
    if node.probes:
        text.append(f"{node.passed} of {node.probes} probes")
    if node.state not in (AS_DECLARED, NEUTRAL):
        text.append(STATES[node.state].label)
    return '"' + between.join(escape(line) for line in text) + '"'


def escape(text: str) -> str:
    """Return text for Mermaid's double quotes, where only its own entities are safe."""
    return "".join(char if char.isalnum() or char in " ./:-_()→≠∅✗+," else f"#{ord(char)};" for char in text)


def _class(node: Node) -> str:
    if node.state == MISSING:
        return "missing"
    if node.state == UNDECLARED:
        return "undeclared"
    if node.state == DRIFTED:
        return "drifted"
    if node.kind != CONTAINER:  # results of probes are drawn at containers
        return ""
    if node.wrong:
        return "wrong"
    return "proven" if node.probes else ""


def _arrow(edge: Edge) -> str:
    label = f"{STATES[edge.state].sign} {edge.label}".strip()
    text = escape(f"{label}: {STATES[edge.state].label}" if edge.wrong else label)
    label = f'|"{text}"|' if text else ""
    if edge.kind == UNDERLAY and not edge.wrong:
        return f"---{label}"
    if edge.wrong:
        start = "x" if edge.both_ways else ""
        return f"{start}-.-x{label}" if edge.state == MISSING else f"{start}==x{label}"
    return f"-.->{label}"
