# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""daemon.json as text: parse it, with line and column of errors, and edit single keys in place.

Editing splices text instead of dumping a parsed document: order, indentation, number formats and foreign keys stay byte
for byte as the user wrote them.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

Json = t.Dict[str, t.Any]

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BOM = "\ufeff"  # dockerd ignores it
DEFAULT_INDENT = "  "


class BrokenFile(FleetnetError):
    """daemon.json is not a valid JSON object; the message names file, line and column."""

    def __init__(self, path: str, text: str, position: int, reason: str) -> None:
        before = text[:position]
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        super().__init__(
            f"{path}: line {self.line}, column {self.column}: {reason}. dockerd does not start with this file. "
            "Repair the file first."
        )


class _Member(t.NamedTuple):
    """A key of the outermost object: offsets of its name's first character, its value's first, and its value's end."""

    name: str
    start: int
    value_start: int
    end: int
    value: t.Any


class _Document(t.NamedTuple):
    members: list[_Member]
    opening: int  # offset of "{"
    closing: int  # offset of "}"


def parse(text: str, path: str) -> Json:
    """Return the keys and values of ``text`` in its order; a blank text is an empty object, as for dockerd."""
    if not text.strip(_BOM + " \t\r\n"):
        return {}
    return {member.name: member.value for member in _scan(text, path).members}


def edit(text: str, changes: t.Mapping[str, t.Any], removed: t.Collection[str], path: str) -> str:
    """Return ``text`` with the keys of ``changes`` set and those of ``removed`` removed.

    A key with an equal value stays as it is; a new key goes after the last one. Raises BrokenFile.
    """
    if not text.strip(_BOM + " \t\r\n"):
        text = "{}\n"
    members = _scan(text, path).members
    present = {member.name: member for member in members}
    indent = _indent(text, members)
    # From the end to the start, so that the offsets of earlier members stay valid.
    for member in sorted(present.values(), key=lambda item: item.start, reverse=True):
        if member.name in changes and not same(changes[member.name], member.value):
            value = _dump(changes[member.name], indent)
            text = text[: member.value_start] + value + text[member.end :]
    for name in dict.fromkeys(removed):
        if name in present:
            text = _remove(text, name, path)
    for name, value in changes.items():
        if name not in present:
            text = _append(text, name, value, path)
    return text


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two JSON values are equal; for Python ``True == 1``."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _remove(text: str, name: str, path: str) -> str:
    members = _scan(text, path).members
    at = [member.name for member in members].index(name)
    if at > 0:  # with the preceding comma
        return text[: members[at - 1].end] + text[members[at].end :]
    if len(members) > 1:  # the first one, with the following comma and space
        return text[: members[0].start] + text[members[1].start :]
    return text[: members[0].start].rstrip(" \t\r\n") + text[members[0].end :].lstrip(" \t\r\n")


def _append(text: str, name: str, value: t.Any, path: str) -> str:
    document = _scan(text, path)
    indent = _indent(text, document.members)
    entry = f"{json.dumps(name)}: {_dump(value, indent)}"
    if document.members:
        last = document.members[-1].end
        return f"{text[:last]},\n{indent}{entry}{text[last:]}"
    rest = text[document.closing :]
    return f"{text[: document.opening + 1]}\n{indent}{entry}\n{rest}"


def _indent(text: str, members: t.Sequence[_Member]) -> str:
    """The indentation of the first outermost key of ``text`` that is on a line of its own."""
    for member in members:
        before = text[: member.start].rpartition("\n")
        if before[1] and not before[2].strip():
            return before[2]
    return DEFAULT_INDENT


def _dump(value: t.Any, indent: str) -> str:
    if isinstance(value, (list, dict)) and value and any(isinstance(item, dict) for item in _items(value)):
        return json.dumps(value, indent=indent).replace("\n", "\n" + indent)
    return json.dumps(value)


def _items(value: t.Any) -> t.Iterable[t.Any]:
    return value.values() if isinstance(value, dict) else value


def _scan(text: str, path: str) -> _Document:
    """Find the members of the outermost object; the json module parses the values."""
    at = _skip(text, 1 if text.startswith(_BOM) else 0)
    if text[at : at + 1] != "{":
        raise BrokenFile(path, text, at, "a JSON object must begin here with '{'")
    opening, at = at, _skip(text, at + 1)
    members: list[_Member] = []
    while text[at : at + 1] != "}" or members:
        start = at
        if text[at : at + 1] != '"':
            raise BrokenFile(path, text, at, "expected a key in double quotes")
        name, at = _value(text, at, path)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise BrokenFile(path, text, at, f"expected ':' after the key {json.dumps(name)}")
        value_start = _skip(text, at + 1)
        value, end = _value(text, value_start, path)
        if any(member.name == name for member in members):
            raise BrokenFile(path, text, start, f"duplicate key {json.dumps(name)}")
        members.append(_Member(name, start, value_start, end, value))
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            break
        if text[at : at + 1] != ",":
            raise BrokenFile(path, text, at, "expected ',' or the closing '}'")
        at = _skip(text, at + 1)
    after = _skip(text, at + 1)
    if after != len(text):
        raise BrokenFile(path, text, after, "unexpected text after the closing '}'")
    return _Document(members, opening, at)


def _value(text: str, at: int, path: str) -> tuple[t.Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise BrokenFile(path, text, error.pos, error.msg[0].lower() + error.msg[1:]) from None


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
