# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from hosts that a terminal, a report or a page shows. Pure."""

from __future__ import annotations

import re

_LINES = "\n\t"
# Names of networks as Docker's documentation uses them. Engines accept any other text too.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.:-]*\Z")

_SHORT = 60


def short(value: object) -> str:
    """A value of any type for a message: in ASCII, with control characters escaped, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."


def quoted_name(name: str) -> str:
    """A name that a host reports, next to other columns of a line: in quotes if it is not one word.

    It could look like several columns, or like a line about something else.
    """
    return name if _NAME.match(name) else short(name)


def printable(text: str, lines: bool = False) -> str:
    r"""Escape control characters, direction marks, separators and unassigned characters, as in ``\x1b``.

    They could forge lines, hide text, change a terminal, or make XML invalid. ``lines`` keeps line feeds and tabs.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or (lines and each in _LINES) else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def attributed(host: str, text: str) -> str:
    """``text`` of a host with the host before it. Other lines are indented, so that none looks like one of Ansible."""
    return f"{_prefix(host)}{indented(text)}"


def unattributed(host: str, text: str) -> str:
    """``text`` without the host before it, for an output that names the host itself."""
    prefix = _prefix(host)
    return text[len(prefix) :] if text.startswith(prefix) else text


def indented(text: str) -> str:
    """``text`` with indented lines after the first one."""
    return text.replace("\n", "\n  ")


def _prefix(host: str) -> str:
    return f"host {host}: "
