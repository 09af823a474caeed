# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's answer to a module may contain: the documented keys, with values of the documented types. Pure.

A host that is compromised can answer whatever it wants. Ansible interprets some keys of an answer (``ansible_facts``,
``ansible_stats``, ``_ansible_*``), and variables from such facts outrank the inventory. So an answer is reduced to its
documentation before Ansible sees it.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import attributed, printable, short

#: The documentation of a key as in RETURN: ``type``, ``returned``, ``choices``, and for structures ``contains`` or
#: ``elements``.
Documentation = t.Mapping[str, t.Any]

#: How many values and characters an answer may have. A host with 1,000 containers answers with less than a tenth.
MOST_VALUES = 1_000_000
MOST_CHARACTERS = 16 * 1024 * 1024
#: How deeply the structures of an answer may be nested.
MOST_LEVELS = 24
#: How many keys a message names.
_NAMED = 5
# Each answer that is not a failure has the keys whose documentation says so. So does each structure in any answer;
# a key that is always in its structure needs no documentation of it.
_ALWAYS = ("success", "always")
#: Why an answer or a report may be invalid.
CAUSE = "The module or Python on this host may have been replaced."

#: What Ansible returns for every module. ansible-core 2.19 and newer have types of their own for messages.
COMMON: t.Mapping[str, Documentation] = {
    "changed": {"type": "bool"},
    "failed": {"type": "bool"},
    "msg": {"type": "str"},
    "rc": {"type": "int"},
    "exception": {"type": "raw"},
    "warnings": {"type": "list"},
    "deprecations": {"type": "list"},
    "diff": {"type": "diff"},
    "invocation": {"type": "dict"},
    "module_stdout": {"type": "str"},
    "module_stderr": {"type": "str"},
}
# Types of values outside of structures whose text may have several lines.
_LINES = ("str", "raw")
_TYPES: t.Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict": (dict,),
    "list": (list,),
    "str or dict": (str, dict),
}
# Ansible prints other keys of a diff as they are, or expects other types.
_CONTENT: Documentation = {"type": "str or dict", "lines": True, "returned": "if it exists"}
_HEADER: Documentation = {"type": "str", "returned": "if it has a name"}
_DIFF: t.Mapping[str, Documentation] = {
    "before": _CONTENT,
    "after": _CONTENT,
    "before_header": _HEADER,
    "after_header": _HEADER,
}


class ReducedAnswer(t.NamedTuple):
    """The documented part of an answer, and the names of the keys that were dropped, with their places."""

    kept: dict[str, t.Any]
    dropped: list[str]

    @property
    def warning(self) -> str:
        """A warning for the dropped keys; empty without any."""
        return f"{_ignored(self.dropped)} {CAUSE}" if self.dropped else ""


def _ignored(keys: t.Sequence[str]) -> str:
    more = len(keys) - _NAMED
    return (
        f"keys of the answer are not documented and are ignored: {', '.join(sorted(keys)[:_NAMED])}"
        f"{f' and {more} more' if more > 0 else ''}."
    )


def parsed_answer(text: str) -> t.Any:
    """Parse the JSON text of an answer.

    Raises FleetnetError if a key is repeated, since programs differ in which value they use, and ValueError if the text
    is not JSON.
    """
    return json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    for name, value in pairs:
        if name in found:
            raise FleetnetError(f"{short(name)}: the key is repeated. The answer is ignored. {CAUSE}")
        found[name] = value
    return found


def documented_part(answer: t.Mapping[str, t.Any], documentation: t.Mapping[str, Documentation]) -> ReducedAnswer:
    """Reduce the answer of a module to ``documentation`` (RETURN) and to what Ansible returns for every module.

    In its text, characters that are not printable are escaped. Only texts outside of documented structures, such as a
    diff or a message, have several lines.

    Raises FleetnetError if a value has another type than documented or is not one of the documented choices, if a key
    is missing from a structure or from an answer that is not a failure, or if the answer is too large.
    """
    _check_size(answer)
    dropped: list[str] = []
    kept = _record(answer, {**COMMON, **documentation}, "", dropped)
    if "exception" in kept and not kept.get("failed"):
        del kept["exception"]  # Ansible prints it as an error
        dropped.append("'exception'")
    missing = [key for key, each in documentation.items() if each.get("returned") in _ALWAYS and kept.get(key) is None]
    if missing and not kept.get("failed"):
        raise _missing(missing, f" Other {_ignored(dropped)}" if dropped else "")
    return ReducedAnswer(kept, dropped)


def _missing(keys: t.Sequence[str], more: str = "") -> FleetnetError:
    return FleetnetError(f"{', '.join(keys)}: missing, but documented. The answer is ignored.{more} {CAUSE}")


def name_host(host: str, kept: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return an answer whose message and exception begin with the host. Ansible prints their lines as they are.

    The record of an exception, which ansible-core 2.19 and newer print in place of the message, becomes the message
    and the traceback.
    """
    found = {**kept}
    exception, messages = found.pop("exception", None), [found.get("msg")]
    if isinstance(exception, dict):
        event = exception.get("event")
        exception = event.get("formatted_traceback") if isinstance(event, dict) else None
        while isinstance(event, dict):
            messages.append(message_of(event))
            chain = event.get("chain")
            event = chain.get("event") if isinstance(chain, dict) else None
    texts = dict.fromkeys(each for each in messages if each is not None)
    if texts:
        found["msg"] = attributed(host, ": ".join(texts))
    if isinstance(exception, str):
        found["exception"] = attributed(host, exception)
    return found


def message_of(warning: t.Any) -> str:
    """The text of a warning or deprecation, which ansible-core 2.19 and newer put into a record."""
    if isinstance(warning, dict):
        event = warning.get("event")
        warning = (event if isinstance(event, dict) else warning).get("msg")
    return warning if isinstance(warning, str) else short(warning)


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
    lines = documentation.get("lines", kind in _LINES and "." not in place and "[" not in place)
    if kind == "raw" or (value is None and not place.endswith("]")):
        return _escaped(value, lines)
    if kind == "diff":
        several: Documentation = {"type": "list" if isinstance(value, list) else "dict", "elements": "dict"}
        return _value(value, {**several, "contains": _DIFF}, place, dropped)
    # In Python a bool is an int.
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise FleetnetError(
            f"{place}: {short(value)}: must be of type {kind}, as documented. The answer is ignored. {CAUSE}"
        )
    choices = documentation.get("choices")
    if choices and value not in choices:
        allowed = " or ".join(map(short, choices))
        raise FleetnetError(
            f"{place}: {short(value)}: must be {allowed}, as documented. The answer is ignored. {CAUSE}"
        )
    contains = documentation.get("contains")
    if isinstance(value, dict) and contains:
        kept = _record(value, contains, f"{place}.", dropped)
        required = [key for key, each in contains.items() if each.get("returned", "always") in _ALWAYS]
        missing = [f"{place}.{key}" for key in required if key not in value]
        if missing:
            raise _missing(missing)
        return kept
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
        f"ignored. {CAUSE}"
    )
