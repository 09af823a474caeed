# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a person wrote: typed getters over nested dictionaries, with errors that say where and what to do.

Every error is an :class:`InvalidValue` that names the variable's path as written (``docker_fleet_networks[1].mtu``),
the host where one is concerned, and the value; an unknown key is answered with the nearest right one.
"""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

_MISSING: t.Any = object()
# hosts of a large fleet would fill the screen
_MOST_NAMED = 20


def nearest(word: str, words: t.Iterable[str]) -> str:
    """A hint for a typo: "; did you mean X?", or the list of what is known."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"known are: {', '.join(known[:_MOST_NAMED]) or 'none'}{more}"


class Fields:
    """One mapping of the declaration, read key by key.

    ``path`` is the mapping's place in the variables, ``host`` the host that it belongs to (None: the whole fleet).
    """

    def __init__(self, value: object, path: str, known: t.Collection[str], host: str | None = None) -> None:
        self.path = path
        self.host = host
        if not isinstance(value, t.Mapping):
            raise InvalidValue(path, value, "has to be a mapping", host)
        self._values = value
        for key in value:
            if key not in known:
                raise InvalidValue(self.at(str(key)), value[key], f"unknown key; {nearest(str(key), known)}", host)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def raw(self, key: str, default: t.Any = None) -> t.Any:
        value = self._values.get(key)
        return default if value is None else value

    def fail(self, key: str, reason: str) -> InvalidValue:
        """The error for a key of this mapping; to be raised by the caller."""
        return InvalidValue(self.at(key), self._values.get(key), reason, self.host)

    def refuse(self, key: str, value: object, reason: str) -> InvalidValue:
        """The error for one value of a key that holds several, or below it."""
        return InvalidValue(self.at(key), value, reason, self.host)

    def _typed(self, key: str, default: t.Any, kinds: tuple[type, ...], wanted: str) -> t.Any:
        value = self._values.get(key)
        if value is None:
            if default is _MISSING:
                raise InvalidValue(self.at(key), None, f"is missing; {wanted} is required", self.host)
            return default
        # bool is an int in Python; nobody means it so in a declaration
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.fail(key, f"has to be {wanted}, not {type(value).__name__}")
        return value

    def text(self, key: str, default: t.Any = _MISSING) -> t.Any:
        value = self._typed(key, default, (str,), "a text")
        if isinstance(value, str) and not value.strip():
            raise self.fail(key, "is empty")
        return value

    def boolean(self, key: str, default: t.Any = _MISSING) -> t.Any:
        return self._typed(key, default, (bool,), "true or false")

    def integer(self, key: str, default: t.Any = _MISSING, low: int = 0, high: int = 1 << 32) -> t.Any:
        value = self._values.get(key)
        if isinstance(value, str) and value.strip().isdigit():  # templated numbers may arrive as text
            value = int(value)
        elif value is not None or default is _MISSING:
            value = self._typed(key, default, (int,), "a whole number")
        else:
            return default
        if not low <= value <= high:
            raise self.fail(key, f"has to be from {low} to {high}")
        return value

    def choice(self, key: str, choices: t.Sequence[str], default: t.Any = _MISSING) -> t.Any:
        value = self.text(key, default)
        if value is not None and value not in choices:
            raise self.fail(key, f"unknown value; {nearest(value, choices)}")
        return value

    def items(self, key: str) -> list[t.Any]:
        value = self._typed(key, [], (list, tuple), "a list")
        return list(value)

    def mapping(self, key: str) -> dict[str, t.Any]:
        value = self._typed(key, {}, (dict, t.Mapping), "a mapping")
        return dict(value)

    def names(self, key: str, default: t.Any = _MISSING) -> t.Any:
        """A list of names, or one name alone."""
        value = self._typed(key, default, (str, list, tuple), "a name or a list of names")
        if value is default:
            return value
        names = [value] if isinstance(value, str) else list(value)
        for name in names:
            if not isinstance(name, str) or not name:
                raise self.fail(key, f"has to hold names; {name!r} is none")
        return tuple(names)

    def prefix(self, key: str, default: t.Any = _MISSING, version: int | None = None) -> t.Any:
        value = self.text(key, default)
        if not isinstance(value, str):
            return value
        prefix = self._prefix(key, value)
        if version and prefix.version != version:
            raise self.fail(key, f"has to be an IPv{version} block")
        return prefix

    def prefixes(self, key: str) -> list[Prefix]:
        """No address block, one, or a list of them."""
        value = self._typed(key, [], (str, list, tuple), "an address block or a list of them")
        return [self._prefix(key, text) for text in ([value] if isinstance(value, str) else value)]

    def _prefix(self, key: str, text: t.Any) -> Prefix:
        try:
            return Prefix.parse(text)
        except ValueError as error:
            raise self.refuse(key, text, str(error)) from None

    def address(self, key: str, default: t.Any = _MISSING) -> t.Any:
        """An address as (IP version, integer)."""
        value = self.text(key, default)
        if not isinstance(value, str):
            return value
        try:
            return parse_address(value)
        except ValueError:
            raise self.fail(key, "is not an IP address") from None
