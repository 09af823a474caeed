# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read typed values from what a user wrote: variables of the declaration and items of the modules' options.

Every error is an :class:`InvalidValue` that names the value's path as written (``docker_fleet_networks[1].mtu``), the
host if the value belongs to one, and the value. For an unknown key, it suggests the nearest known one.
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    ErrorList,
    InvalidValue,
    UnknownKey,
)

_REQUIRED: t.Any = object()
# Limits the length of the message in a large fleet.
_MOST_NAMED = 20
_TRUE = ("yes", "on", "true", "y", "t", "1")
_FALSE = ("no", "off", "false", "n", "f", "0")
# What to do about a boolean where a name is expected.
QUOTE = "YAML reads on, off, yes, no, true and false as booleans. Put it in quotes."
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*\Z")


def nearest(word: str, words: t.Iterable[str]) -> str:
    """A hint for a typo: ``Did you mean 'X'?``, or the list of valid names."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"Valid names: {', '.join(known[:_MOST_NAMED]) or 'none'}{more}."


Parsed = t.TypeVar("Parsed")


def parse_all(parse: t.Callable[[t.Any], Parsed], item: t.Any, path: str, stand_ins: t.Mapping[str, t.Any]) -> Parsed:
    """Parse a mapping at ``path``. Raises InvalidValues with the errors of all keys, InvalidValue if it is one.

    After an error of a key, the mapping is parsed again with a valid value of that key, which ``stand_ins`` has (None
    for an optional key). It has no key on which the validity of others depends: such an error is the last.
    """
    collected = ErrorList()
    replaced: set[str] = set()
    while True:
        errors = ErrorList()
        with errors.collect():
            parsed = parse(item)
        if not errors.found:
            collected.check()
            return parsed
        collected.found += errors.found
        wrong = {re.split(r"[.\[]", error.variable[len(path) + 1 :], maxsplit=1)[0]: error for error in errors.found}
        for key, error in wrong.items():
            if not isinstance(item, t.Mapping) or key in replaced:
                collected.check()
            replaced.add(key)
            if key in stand_ins:
                item = {**item, key: stand_ins[key]}
            elif isinstance(error, UnknownKey):
                item = {name: value for name, value in item.items() if name != key}
            else:
                collected.check()


class Fields:
    """One mapping, read key by key. A key that is absent or null has the caller's default.

    Without a default the key is required. Booleans and numbers may be strings, since templates return strings.
    """

    def __init__(
        self,
        value: object,
        path: str,
        known: t.Collection[str] | t.Mapping[str, t.Sequence[str]],
        host: str | None = None,
        hints: t.Mapping[str, str] | None = None,
    ) -> None:
        """Check the keys of ``value``, which is at ``path``; ``host`` is None if it belongs to the whole fleet.

        ``known`` are the keys, or a mapping from each key to its aliases. ``hints`` maps other keys to what to do
        about them.
        """
        self.path = path
        self.host = host
        if not isinstance(value, t.Mapping):
            raise InvalidValue(path, value, "must be a mapping.", host)
        aliases = known if isinstance(known, t.Mapping) else dict.fromkeys(known, ())
        name_of = {alias: name for name, others in aliases.items() for alias in (name, *others)}
        self._values: dict[str, t.Any] = {}
        written_as: dict[str, str] = {}
        for key, entry in value.items():
            if key not in name_of:
                hint = (hints or {}).get(key) or f"unknown key. {nearest(str(key), name_of)}"
                raise UnknownKey(self.at(str(key)), entry, hint, host)
            if entry is None:
                continue
            name = name_of[key]
            if name in self._values and self._values[name] != entry:
                reason = f"contradicts {written_as[name]!r}, which is the same option. Remove one of them."
                raise InvalidValue(self.at(key), entry, reason, host)
            written_as[name] = key
            self._values[name] = entry

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self._values

    def raw(self, key: str, default: t.Any = None) -> t.Any:
        return self._values.get(key, default)

    def fail(self, key: str, reason: str) -> InvalidValue:
        """The error for a key of this mapping; the caller raises it."""
        return InvalidValue(self.at(key), self._values.get(key), reason, self.host)

    def refuse(self, key: str, value: object, reason: str) -> InvalidValue:
        """The error for one of several values of a key, or for a value below it."""
        return InvalidValue(self.at(key), value, reason, self.host)

    def check(self, key: str, problem: str | None, value: object = None) -> None:
        """Raise the error for ``problem``, a reason that a check of :mod:`networks.values` returned; None is valid."""
        if problem is not None:
            raise self.fail(key, problem) if value is None else self.refuse(key, value, problem)

    def _typed(self, key: str, default: t.Any, kinds: tuple[type, ...], wanted: str) -> t.Any:
        value = self._values.get(key)
        if value is None:
            if default is _REQUIRED:
                raise InvalidValue(self.at(key), None, f"is missing. It must be {wanted}.", self.host)
            return default
        # In Python bool is a subclass of int.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            quote = (
                f" {QUOTE}"
                if isinstance(value, bool) and str in kinds and ("string" in wanted or "name" in wanted)
                else ""
            )
            raise self.fail(key, f"must be {wanted}, not {type(value).__name__}.{quote}")
        return value

    def text(self, key: str, default: t.Any = _REQUIRED) -> t.Any:
        """A string that is not blank. YAML reads 123 as a number; it is taken as the string."""
        value = self._typed(key, default, (str, int), "a string")
        if value is default:
            return value
        if not str(value).strip():
            raise self.fail(key, "must not be empty. Set it or leave it out.")
        return str(value)

    def boolean(self, key: str, default: t.Any = _REQUIRED) -> t.Any:
        value = self._typed(key, default, (bool, int, str), "true or false")
        if value is default or isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text not in (*_TRUE, *_FALSE):
            raise self.fail(key, "must be true or false.")
        return text in _TRUE

    def integer(self, key: str, default: t.Any = _REQUIRED, low: int | None = None, high: int | None = None) -> t.Any:
        """A whole number, within the bounds that are given (both or none)."""
        bounds = "" if low is None or high is None else f" from {low} to {high}"
        wanted = f"a whole number{bounds}"
        value = self._typed(key, default, (int, str), wanted)
        if value is default:
            return value
        if isinstance(value, str) and not _INTEGER.match(value):
            raise self.fail(key, f"must be {wanted}.")
        if low is not None and high is not None and not low <= int(value) <= high:
            raise self.fail(key, f"must be {wanted}.")
        return int(value)

    def choice(self, key: str, choices: t.Sequence[str], default: t.Any = _REQUIRED) -> t.Any:
        value = self.text(key, default)
        if value is not default and value not in choices:
            meant = value.lower().replace("-", "_")
            hint = f" Write {meant!r}." if meant in choices else ""
            raise self.fail(key, f"must be one of {', '.join(choices)}.{hint}")
        return value

    def items(self, key: str, default: t.Any = ()) -> t.Any:
        value = self._typed(key, default, (list, tuple), "a list")
        return value if value is default and default is None else list(value)

    def texts(self, key: str, default: t.Any = None) -> t.Any:
        """A list of strings as a tuple."""
        value = self.items(key, default)
        if value is default:
            return value
        return tuple(self._string(f"{key}[{number}]", entry) for number, entry in enumerate(value))

    def _string(self, key: str, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.refuse(key, value, f"must be a string, not {type(value).__name__}. Put it in quotes.")
        return str(value)

    def mapping(self, key: str, default: t.Any = _REQUIRED) -> t.Any:
        """A mapping with strings as keys, empty unless the caller passes a default."""
        value = self._typed(key, {} if default is _REQUIRED else default, (dict, t.Mapping), "a mapping")
        if value is None:
            return None
        return {self._string(f"{key} (key)", name): entry for name, entry in value.items()}

    def pairs(self, key: str, default: t.Any = None) -> t.Any:
        """A mapping to strings as sorted pairs; booleans and numbers become the strings that Docker writes."""
        value = self.mapping(key, default)
        if value is default:
            return value
        texts = {}
        for name, entry in value.items():
            if not isinstance(entry, (str, bool, int, float)):
                raise self.refuse(f"{key}.{name}", entry, "must be a string, a number or a boolean.")
            texts[name] = str(entry).lower() if isinstance(entry, bool) else str(entry)
        return tuple(sorted(texts.items()))

    def names(self, key: str, default: t.Any = _REQUIRED) -> t.Any:
        """A list of names, or one name, as a tuple."""
        value = self._typed(key, default, (str, list, tuple), "a name or a list of names")
        if value is default:
            return value
        names = [value] if isinstance(value, str) else list(value)
        for name in names:
            if not isinstance(name, str) or not name:
                quote = f" {QUOTE}" if isinstance(name, bool) else ""
                raise self.fail(key, f"must contain names; {name!r} is not a name.{quote}")
        return tuple(names)

    def prefix(self, key: str, default: t.Any = _REQUIRED, version: int | None = None) -> t.Any:
        """An address block as a :class:`Prefix`."""
        value = self._typed(key, default, (str,), "an address block")
        if value is default:
            return value
        prefix = self._prefix(key, value)
        if version and prefix.version != version:
            raise self.fail(key, f"must be an IPv{version} block.")
        return prefix

    def prefixes(self, key: str) -> list[Prefix]:
        """No address block, one, or a list of them."""
        value = self._typed(key, (), (str, list, tuple), "an address block or a list of them")
        return [self._prefix(key, text) for text in ([value] if isinstance(value, str) else value)]

    def _prefix(self, key: str, text: t.Any) -> Prefix:
        try:
            prefix = Prefix.parse(text)
        except ValueError as error:
            raise self.refuse(key, text, f"{error}.") from None
        if not text.partition("/")[2].isdigit():
            raise self.refuse(key, text, f"must have a number as prefix length. Write {prefix}.")
        return prefix

    def address(self, key: str, default: t.Any = _REQUIRED) -> t.Any:
        """An address as (IP version, integer)."""
        value = self._typed(key, default, (str,), "an IP address")
        return value if value is default else self.parse_address(key, value)

    def parse_address(self, key: str, value: object) -> tuple[int, int]:
        """One address of several below a key as (IP version, integer)."""
        try:
            if not isinstance(value, str):
                raise ValueError
            return parse_address(value)
        except ValueError:
            hint = " Write it without a prefix length." if "/" in str(value) else ""
            raise self.refuse(key, value, f"is not a valid IP address.{hint}") from None
