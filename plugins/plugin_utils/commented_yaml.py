# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML files with comments. Values are quoted by the YAML library; a comment cannot end early."""

from __future__ import annotations

import textwrap
import typing as t

import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.document import (
    FIRST_LINE,
    DocumentSection,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.wording import Comment
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import printable
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import plain

_WIDTH = 116


def render(sections: t.Sequence[DocumentSection], group: str | None) -> str:
    """Return the text of a file of variables; with ``group`` that of an inventory file with its variables."""
    lines: list[str] = []
    body = ""
    for number, section in enumerate(sections):
        if number == 1 and group is not None:
            lines += ["", _yaml({group: {"vars": None}}, flow=False)[0], "  vars:"]
            body = "    "
        lines += [body + line if line else "" for line in _section(section)]
    return "---" + "\n".join(lines) + "\n"


def written_variables(text: str, group: str | None) -> dict[str, t.Any]:
    """The variables in a text that :func:`render` made, for the same group, and that may have been edited since.

    Empty if it does not begin as such a text: its variables are then the user's own.
    """
    if not text.startswith(f"---\n# {FIRST_LINE}\n"):
        return {}
    try:
        found = yaml.safe_load(text)
        values = found if group is None else found[group]["vars"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError):  # ValueError: a date such as 2024-13-45
        return {}
    return dict(values) if isinstance(values, dict) else {}


def _section(section: DocumentSection) -> list[str]:
    lines = _comments(section.comments)
    if section.name and section.entries:
        lines.append(f"{section.name}:")
        for entry in section.entries:
            lines += [f"  {line}" for line in [*_comments(entry.comments, blank=False), *_yaml([entry.value])]]
    elif section.name:
        flow = None if isinstance(section.value, (dict, list)) else False
        lines += _yaml({section.name: section.value}, flow)
    return lines


def _comments(comments: t.Sequence[Comment], blank: bool = True) -> list[str]:
    lines: list[str] = []
    for comment in comments:
        if isinstance(comment, str):
            indent = "  " if comment.startswith("- ") else ""
            lines += textwrap.wrap(
                printable(comment),
                _WIDTH - 8,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        else:
            lines += [f"  {line}" for line in _yaml([comment])]
    return [*([""] if lines and blank else []), *(f"# {line}".rstrip() for line in lines)]


def _yaml(value: t.Any, flow: bool | None = None) -> list[str]:
    """YAML with the innermost collections in one line; ``flow`` false for one line per value."""
    text = yaml.safe_dump(plain(value), sort_keys=False, default_flow_style=flow, width=_WIDTH - 12)
    return str(text).splitlines()
