# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading typed values out of what the user wrote; every refusal names item, option, value and what to do."""

from __future__ import annotations

import difflib
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    IPAddress,
    IPNetwork,
    Pairs,
    pairs,
)

_TRUE = ("yes", "on", "true", "y", "t", "1")
_FALSE = ("no", "off", "false", "n", "f", "0")


class Fields:
    """The options of one mapping. Options that are absent or null read as None; templates may hand over strings."""

    def __init__(
        self,
        path: str,
        mapping: t.Any,
        known: t.Mapping[str, t.Sequence[str]],
        hints: t.Mapping[str, str] | None = None,
    ) -> None:
        """``known`` maps every option to its aliases, ``hints`` what is no option to what to say about it."""
        if not isinstance(mapping, t.Mapping):
            raise InvalidValue(path, mapping, "has to be a mapping of options")
        self.path = path
        self._values: dict[str, t.Any] = {}
        name_of = {alias: name for name, aliases in known.items() for alias in (name, *aliases)}
        written_as: dict[str, str] = {}
        for key, value in mapping.items():
            if key not in name_of:
                reason = (hints or {}).get(key) or _unknown(str(key), name_of)
                raise InvalidValue(self.at(str(key)), value, reason)
            if value is None:
                continue
            name = name_of[key]
            if name in self._values and self._values[name] != value:
                raise InvalidValue(self.at(key), value, f"contradicts {written_as[name]!r}, which is the same option")
            written_as[name] = key
            self._values[name] = value

    def at(self, option: str) -> str:
        return f"{self.path}.{option}"

    def raw(self, option: str) -> t.Any:
        return self._values.get(option)

    def refuse(self, option: str, reason: str) -> InvalidValue:
        return InvalidValue(self.at(option), self._values.get(option), reason)

    def flag(self, option: str) -> bool | None:
        value = self.raw(option)
        if value is None or isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise self.refuse(option, "has to be true or false")

    def number(self, option: str, low: int, high: int) -> int | None:
        value = self.raw(option)
        if value is None:
            return None
        reason = f"has to be a whole number from {low} to {high}"
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise self.refuse(option, reason)
        try:
            number = int(value)
        except ValueError:
            raise self.refuse(option, reason) from None
        if not low <= number <= high:
            raise self.refuse(option, reason)
        return number

    def text(self, option: str) -> str | None:
        value = self.raw(option)
        if value is None:
            return None
        return _text(self.at(option), value)

    def choice(self, option: str, choices: t.Sequence[str]) -> str | None:
        value = self.text(option)
        if value is not None and value not in choices:
            raise self.refuse(option, f"has to be one of {', '.join(choices)}")
        return value

    def items(self, option: str) -> list[t.Any] | None:
        value = self.raw(option)
        if value is None:
            return None
        if isinstance(value, (str, bytes, t.Mapping)) or not isinstance(value, t.Sequence):
            raise self.refuse(option, "has to be a list")
        return list(value)

    def texts(self, option: str) -> tuple[str, ...] | None:
        value = self.items(option)
        if value is None:
            return None
        return tuple(_text(f"{self.at(option)}[{index}]", entry) for index, entry in enumerate(value))

    def mapping(self, option: str) -> dict[str, t.Any] | None:
        value = self.raw(option)
        if value is None:
            return None
        if not isinstance(value, t.Mapping):
            raise self.refuse(option, "has to be a mapping")
        return {_text(f"{self.at(option)} (key)", key): entry for key, entry in value.items()}

    def pairs(self, option: str) -> Pairs | None:
        """A mapping to strings; booleans and numbers become the strings that Docker itself writes."""
        value = self.mapping(option)
        if value is None:
            return None
        return pairs({key: _scalar(f"{self.at(option)}.{key}", entry) for key, entry in value.items()})

    def subnet(self, option: str) -> IPNetwork | None:
        value = self.text(option)
        return None if value is None else parse_subnet(self.at(option), value)

    def address(self, option: str) -> IPAddress | None:
        value = self.text(option)
        return None if value is None else parse_address(self.at(option), value)


def parse_subnet(path: str, value: str) -> IPNetwork:
    """A subnet with its prefix length; host bits are refused: newer engines refuse them, older ones keep them."""
    _address, slash, length = value.partition("/")
    if not slash:
        raise InvalidValue(path, value, "needs a prefix length, as in 10.64.1.0/24 or fd00:64::/64")
    try:
        interface = ipaddress.ip_interface(value)
    except ValueError:
        raise InvalidValue(path, value, "is no subnet in CIDR notation, as in 10.64.1.0/24 or fd00:64::/64") from None
    network = interface.network
    if interface.ip != network.network_address:
        raise InvalidValue(path, value, f"has host bits set: write {network}, or another prefix length")
    if "." in length:
        raise InvalidValue(path, value, f"write the prefix length as a number: {network}")
    return network


def parse_address(path: str, value: str) -> IPAddress:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        hint = "write it without a prefix length" if "/" in value else "as in 10.64.1.1 or fd00:64::1"
        raise InvalidValue(path, value, f"is not an IP address: {hint}") from None


def _text(path: str, value: t.Any) -> str:
    if isinstance(value, str):
        return value
    # YAML reads 0123, 1e3 and yes as something else than what was written.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidValue(path, value, "has to be a string: put it in quotes")


def _scalar(path: str, value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return value
    raise InvalidValue(path, value, "has to be a string, a number or a boolean")


def _unknown(key: str, names: t.Mapping[str, str]) -> str:
    close = difflib.get_close_matches(key, list(names), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(set(names.values())))}"
    return f"there is no such option: {hint}"
