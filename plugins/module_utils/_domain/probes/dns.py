# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question for an address, and what a name server answers (RFC 1035), as far as containers' names need it. Pure.

Docker's embedded server at 127.0.0.11 answers for the containers of the networks that the asking one is on.
"""

from __future__ import annotations

import ipaddress
import struct
import typing as t

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_INTERNET = 1
# By IP version: A and AAAA.
_TYPES = {4: 1, 6: 28}
_ANSWER = 0x8000
# Codes that a name server tells, by their usual names.
_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class Answer(t.NamedTuple):
    """``code`` is the response code's name, ``addresses`` are those of the asked type."""

    code: str
    addresses: tuple[str, ...]


def question(identifier: int, name: str, version: int) -> bytes:
    """Ask for the addresses of a name, and nobody else but the server: recursion is not desired.

    ValueError for what is no name: labels have 1 to 63 bytes.
    """
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no name: a label has to have 1 to 63 characters")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(identifier & 0xFFFF, 0, 1, 0, 0, 0) + encoded + struct.pack("!HH", _TYPES[version], _INTERNET)


def parse_answer(data: bytes, identifier: int, version: int) -> Answer | None:
    """None for what is no answer to the question of this identifier."""
    try:
        number, flags, questions, answers, _authorities, _additional = _HEADER.unpack_from(data)
        if number != identifier & 0xFFFF or not flags & _ANSWER:
            return None
        place = _HEADER.size
        for _question in range(questions):
            place = _after_name(data, place) + 4
        addresses = []
        for _answer in range(answers):
            place = _after_name(data, place)
            kind, _class, _ttl, length = _RECORD.unpack_from(data, place)
            place += _RECORD.size
            if kind == _TYPES[version] and length == {4: 4, 6: 16}[version]:
                addresses.append(str(ipaddress.ip_address(data[place : place + length])))
            place += length
    except (struct.error, IndexError, ValueError):
        return None
    code = flags & 0xF
    return Answer(_CODES.get(code, str(code)), tuple(addresses))


def _after_name(data: bytes, place: int) -> int:
    """The place after a name, which ends with an empty label or with a pointer to another one."""
    while True:
        length = data[place]
        if length & 0xC0 == 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place
