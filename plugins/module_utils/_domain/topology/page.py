# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as one self-contained HTML page with its libraries, scripts, style and data. Pure.

Names and labels come from hosts and from the engine, so they are never markup: the page contains them as JSON in an
element that browsers do not execute, and its content security policy allows only the scripts that are embedded here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.details import details_of, search_terms
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import STATES, Data, Node, Topology

_PLACE = re.compile(r"\{\{(policy|style|data|scripts)\}\}")
_END_OF_SCRIPT = re.compile("</(script)", re.IGNORECASE)


class PageParts(t.NamedTuple):
    """The template of a page, its style, and its scripts in the order in which they run."""

    template: str
    style: str
    scripts: t.Sequence[str]


def render(topology: Topology, parts: PageParts, show_undeclared: bool = False) -> str:
    """Return the page; the same topology and parts give the same bytes.

    With ``show_undeclared``, the page draws undeclared networks when it opens.
    """
    scripts = [safe_script(text) for text in parts.scripts]
    policy = (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src {' '.join(_hash(text) for text in scripts)}"
    )
    data = {
        **topology.to_data(),
        "nodes": [_node(node) for node in topology.nodes],
        "states": [[state, *text] for state, text in STATES.items()],
        "show_undeclared": show_undeclared,
    }
    values = {
        "policy": policy,
        "style": parts.style,
        "data": safe_json(data),
        "scripts": "\n".join(f"<script>{text}</script>" for text in scripts),
    }
    # In one pass: a value may contain text that looks like a placeholder.
    return _PLACE.sub(lambda found: values[found[1]], parts.template)


def _node(node: Node) -> Data:
    """A node with its details for people, instead of values for programs."""
    data = node.to_data()
    for key in ("declared", "observed", "drift"):
        del data[key]
    return {**data, "details": details_of(node), "terms": search_terms(node)}


def safe_json(data: t.Any) -> str:
    """Return JSON for a script element: no character in it can end the element or begin a comment."""
    text = json.dumps(data, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def safe_script(text: str) -> str:
    """Return a script for its element. A closing tag can occur only in strings and comments, where a backslash before
    the slash changes nothing."""
    return _END_OF_SCRIPT.sub(r"<\\/\1", text)


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
