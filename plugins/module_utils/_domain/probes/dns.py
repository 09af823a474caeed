# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One DNS query for addresses and its answer (RFC 1035), as far as containers' names need it. Pure.

Docker's embedded server at 127.0.0.11 resolves the containers on the networks of the container that queries it.
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
# Names of response codes.
_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class Answer(t.NamedTuple):
    """``code`` is the response code's name, ``addresses`` are those of the queried type."""

    code: str
    addresses: tuple[str, ...]


def query(identifier: int, name: str, version: int) -> bytes:
    """A query for the addresses of a name, without recursion: the server itself must know them.

    Raises ValueError if the name is invalid: labels have 1 to 63 bytes.
    """
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is not a valid host name: each label must have 1 to 63 characters")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(identifier & 0xFFFF, 0, 1, 0, 0, 0) + encoded + struct.pack("!HH", _TYPES[version], _INTERNET)


def parse_answer(data: bytes, identifier: int, version: int) -> Answer | None:
    """Parse the answer to the query with this identifier; None for anything else."""
    try:
        number, flags, questions, answers, _authorities, _additional = _HEADER.unpack_from(data)
        if number != identifier & 0xFFFF or not flags & _ANSWER:
            return None
        offset = _HEADER.size
        for _question in range(questions):
            offset = _after_name(data, offset) + 4
        addresses = []
        for _answer in range(answers):
            offset = _after_name(data, offset)
            kind, _class, _ttl, length = _RECORD.unpack_from(data, offset)
            offset += _RECORD.size
            if kind == _TYPES[version] and length == {4: 4, 6: 16}[version]:
                addresses.append(str(ipaddress.ip_address(data[offset : offset + length])))
            offset += length
    except (struct.error, IndexError, ValueError):
        return None
    code = flags & 0xF
    return Answer(_CODES.get(code, str(code)), tuple(addresses))


def _after_name(data: bytes, offset: int) -> int:
    """The offset after a name, which ends with an empty label or a pointer to another name."""
    while True:
        length = data[offset]
        if length & 0xC0 == 0xC0:
            return offset + 2
        offset += 1 + length
        if not length:
            return offset
