# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of other programs that is truncated or foreign. Pure.

A field that cannot be read is unknown: None. Output that cannot be read at all is an expected failure.
"""

from __future__ import annotations

import functools
import ipaddress
import struct
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

# What code raises that expects another form.
UNEXPECTED_FORM = (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error)
_EXCERPT = 200

T = t.TypeVar("T")
Parser = t.Callable[..., T]


class Unreadable(FleetnetError):
    """The output of a program is not of the form that it documents."""

    def __init__(self, source: str, output: object, error: Exception) -> None:
        text = repr(output)
        text = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
        super().__init__(
            f"{source}: {text}: cannot be read ({type(error).__name__}: {error}). Run it on the host, and report its "
            "output and version."
        )


def reads(source: str) -> t.Callable[[Parser[T]], Parser[T]]:
    """Decorate a parser of the output of ``source``, its first argument: it raises Unreadable for another form."""

    def decorate(parser: Parser[T]) -> Parser[T]:
        @functools.wraps(parser)
        def parse(output: t.Any, *rest: t.Any, **options: t.Any) -> T:
            try:
                return parser(output, *rest, **options)
            except UNEXPECTED_FORM as error:
                raise Unreadable(source, output, error) from error

        return parse

    return decorate


def text_or_none(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def number_or_none(value: object) -> int | None:
    """A number, or a text with one."""
    try:
        return int(value) if isinstance(value, (int, str)) else None
    except ValueError:
        return None


def address_or_none(value: object) -> str | None:
    """An IP address, as reported."""
    return _valid(value, ipaddress.ip_address)


def interface_or_none(address: object, length: object) -> str | None:
    """An address with its prefix length, as text."""
    return _valid(f"{address}/{length}", ipaddress.ip_interface)


def block_or_none(value: object) -> str | None:
    """A block of IP addresses, as reported."""
    return _valid(value, ipaddress.ip_network)


def _valid(value: object, parse: t.Callable[[str], object]) -> str | None:
    text = text_or_none(value)
    try:
        if text is not None:
            parse(text)
    except ValueError:
        return None
    return text
