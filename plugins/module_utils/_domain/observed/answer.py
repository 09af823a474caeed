# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's answer to a module may contain: the documented keys, with values of the documented types. Pure.

A host that is compromised can answer whatever it wants. Ansible interprets some keys of an answer (``ansible_facts``,
``ansible_stats``), and variables from such facts outrank the inventory. So an answer is reduced to its documentation
before Ansible sees it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import printable, short

#: The documentation of a key as in RETURN: ``type``, and for structures ``contains`` or ``elements``.
Documentation = t.Mapping[str, t.Any]

#: How many values and characters an answer may have. A host with 1,000 containers answers with less than a tenth.
MOST_VALUES = 1_000_000
MOST_CHARACTERS = 16 * 1024 * 1024
#: How deeply the structures of an answer may be nested.
MOST_LEVELS = 24
#: How many keys a message names.
_NAMED = 5
_CAUSE = "The module or Python on this host may have been replaced."

#: What Ansible returns for every module. ansible-core 2.19 and newer have types of their own for messages.
COMMON: t.Mapping[str, Documentation] = {
    "changed": {"type": "bool"},
    "failed": {"type": "bool"},
    "skipped": {"type": "bool"},
    "msg": {"type": "str"},
    "rc": {"type": "int"},
    "exception": {"type": "raw"},
    "warnings": {"type": "list"},
    "deprecations": {"type": "list"},
    "diff": {"type": "raw"},
    "invocation": {"type": "dict"},
    "module_stdout": {"type": "str"},
    "module_stderr": {"type": "str"},
}
_TYPES: t.Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict": (dict,),
    "list": (list,),
}


class ReducedAnswer(t.NamedTuple):
    """The documented part of an answer, and the names of the keys that were dropped, with their places."""

    kept: dict[str, t.Any]
    dropped: list[str]

    @property
    def warning(self) -> str:
        """A warning for the dropped keys; empty without any."""
        if not self.dropped:
            return ""
        more = len(self.dropped) - _NAMED
        return (
            f"keys of the answer are not documented and are ignored: {', '.join(sorted(self.dropped)[:_NAMED])}"
            f"{f' and {more} more' if more > 0 else ''}. {_CAUSE}"
        )


def documented_part(answer: t.Mapping[str, t.Any], documentation: t.Mapping[str, Documentation]) -> ReducedAnswer:
    """Reduce the answer of a module to ``documentation`` (RETURN) and to what Ansible returns for every module.

    In its text, characters that are not printable are escaped. Only texts outside of documented structures, such as a
    diff or a message, have several lines.

    Raises FleetnetError if a value has another type than documented, or if the answer is too large.
    """
    _check_size(answer)
    dropped: list[str] = []
    kept = _record(answer, {**documentation, **COMMON}, "", dropped)
    return ReducedAnswer(kept, dropped)


def _record(
    value: t.Mapping[str, t.Any], contains: t.Mapping[str, Documentation], place: str, dropped: list[str]
) -> dict[str, t.Any]:
    kept = {}
    for key, item in value.items():
        if key in contains:
            kept[key] = _value(item, contains[key], f"{place}{key}", dropped)
        else:
            dropped.append(f"{place}{short(key)}")
    return kept


def _value(value: t.Any, documentation: Documentation, place: str, dropped: list[str]) -> t.Any:
    kind = documentation["type"]
    lines = "." not in place and "[" not in place
    if value is None or kind == "raw":
        return _escaped(value, lines)
    # In Python a bool is an int.
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise FleetnetError(
            f"{place}: {short(value)}: must be of type {kind}, as documented. The answer is ignored. {_CAUSE}"
        )
    contains = documentation.get("contains")
    if isinstance(value, dict) and contains:
        return _record(value, contains, f"{place}.", dropped)
    if isinstance(value, list):
        element: Documentation = {"type": documentation.get("elements", "raw"), "contains": contains}
        return [_value(item, element, f"{place}[{number}]", dropped) for number, item in enumerate(value)]
    return _escaped(value, lines)


def _escaped(value: t.Any, lines: bool) -> t.Any:
    """``value`` with escaped texts. Other types than JSON's are those of ansible-core's own messages."""
    if isinstance(value, str):
        return value if value.isprintable() else printable(value, lines)
    if isinstance(value, dict):
        return {_escaped(key, False): _escaped(item, lines) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item, lines) for item in value]
    return value


def _check_size(answer: t.Any) -> None:
    """Raise FleetnetError for an answer with too many values, characters or levels. Without recursion."""
    values = characters = 0
    level = [answer]
    for _level in range(MOST_LEVELS):
        following: list[t.Any] = []
        for value in level:
            if isinstance(value, t.Mapping):
                characters += sum(len(key) for key in value if isinstance(key, str))
                following += value.values()
            elif isinstance(value, (list, tuple)):
                following += value
            elif isinstance(value, (str, bytes)):
                characters += len(value)
        values += len(level)
        if values > MOST_VALUES or characters > MOST_CHARACTERS:
            break
        if not following:
            return
        level = following
    raise FleetnetError(
        f"the answer has more than {MOST_VALUES} values, {MOST_CHARACTERS} characters or {MOST_LEVELS} levels. It is "
        f"ignored. {_CAUSE}"
    )
