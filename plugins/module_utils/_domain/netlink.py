# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The framing of netlink: messages and their attributes. Pure; see netlink(7) and linux/netlink.h."""

from __future__ import annotations

import struct
import typing as t

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
# The bits of an attribute's type that are flags: nested, and byte order.
_TYPE = 0x3FFF


def messages(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    """Kind and body of each message in one read of the socket."""
    while len(data) >= HEADER.size:
        length, kind, _flags, _sequence, _port = HEADER.unpack_from(data)
        if length < HEADER.size:
            return
        yield kind, data[HEADER.size : length]
        data = data[_aligned(length) :]


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes by type; the last one if a type occurs several times."""
    found = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            break
        found[kind & _TYPE] = data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def as_name(value: bytes | None) -> str:
    """An attribute that holds a name, which ends with a zero byte."""
    return (value or b"").rstrip(b"\0").decode(errors="replace")


def _aligned(length: int) -> int:
    return (length + 3) & ~3
