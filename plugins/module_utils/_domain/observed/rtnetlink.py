# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of rtnetlink (rtnetlink(7), linux/rtnetlink.h) that read containers' namespaces. Pure.

``ip -json`` reports the same, but needs one process per namespace and query: seconds on a host with hundreds of
containers.
"""

from __future__ import annotations

import ipaddress
import struct
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import (
    ATTRIBUTE,
    HEADER,
    as_name,
    attributes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads

# Kinds of messages.
NEW_LINK, GET_LINK = 16, 18
NEW_ADDRESS, GET_ADDRESS = 20, 22
NEW_ROUTE, GET_ROUTE = 24, 26
NEW_NEIGHBOUR, DELETE_NEIGHBOUR, GET_NEIGHBOUR = 28, 29, 30

_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")

_OPERATIONAL_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_UNICAST, _MAIN = 1, 254
_PERMANENT = 0x80
_UP = 0x1


class Link(t.NamedTuple):
    """An interface. ``peer`` is the index of the other end of a veth pair in that end's namespace, or None.

    ``state`` is down if the interface itself is down, and lowerlayerdown if its other end is. ``master`` is the index
    of the bridge that it is a port of.
    """

    number: int
    name: str
    mac: str
    mtu: int
    state: str
    peer: int | None
    kind: str | None = None
    master: int | None = None


class Address(t.NamedTuple):
    """An address of an interface, with its prefix length."""

    link: int
    text: str


class DefaultRoute(t.NamedTuple):
    """A default route of the main table with a gateway; the lower ``metric`` wins."""

    link: int
    gateway: str
    metric: int


class Neighbour(t.NamedTuple):
    """An entry of the neighbour table. ``permanent`` entries were configured and never expire."""

    link: int
    address: str
    permanent: bool


def dump_request(kind: int) -> bytes:
    """A request for all objects of a kind, of every family."""
    layout = {GET_LINK: _LINK, GET_ADDRESS: _ADDRESS, GET_ROUTE: _ROUTE, GET_NEIGHBOUR: _NEIGHBOUR}[kind]
    return _message(kind, _REQUEST | _DUMP, bytes(layout.size))


def delete_neighbour_request(neighbour: Neighbour) -> bytes:
    """A request to delete an entry; the answer is an acknowledgement, or an error if it no longer exists."""
    address = ipaddress.ip_address(neighbour.address)
    family = 2 if address.version == 4 else 10
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(address.packed), 1) + address.packed
    return _message(DELETE_NEIGHBOUR, _REQUEST | _ACK, _NEIGHBOUR.pack(family, neighbour.link, 0, 0, 0) + attribute)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, 0, 0) + body


def is_last(kind: int) -> bool:
    """Whether a message ends a response: the end of a dump, an acknowledgement or an error."""
    return kind in (_DONE, _ERROR)


@reads("rtnetlink")
def parse_link(body: bytes) -> Link:
    _family, _type, index, flags, _change = _LINK.unpack_from(body)
    found = attributes(body[_LINK.size :])
    number = found.get(16, b"\0")[0]
    state = _OPERATIONAL_STATES[number] if number < len(_OPERATIONAL_STATES) else "unknown"
    if state in ("down", "lowerlayerdown"):  # the kernel does not report which end of a pair is down
        state = "lowerlayerdown" if flags & _UP else "down"
    return Link(
        number=index,
        name=as_name(found[3]),
        mac=":".join(f"{byte:02x}" for byte in found.get(1, b"")),
        mtu=_number(found[4]),
        state=state,
        peer=_number(found[5]) if 5 in found else None,
        kind=as_name(attributes(found.get(18, b"")).get(1)) or None,
        master=_number(found[10]) if 10 in found else None,
    )


@reads("rtnetlink")
def parse_address(body: bytes) -> Address:
    _family, length, _flags, _scope, link = _ADDRESS.unpack_from(body)
    found = attributes(body[_ADDRESS.size :])
    # On a point-to-point interface, the first is the peer's address and the second its own.
    return Address(link, f"{ipaddress.ip_address(found.get(2, found.get(1, b'')))}/{length}")


@reads("rtnetlink")
def parse_default_route(body: bytes) -> DefaultRoute | None:
    """None for any other route."""
    _family, length, _source, _tos, table, _protocol, _scope, kind, _flags = _ROUTE.unpack_from(body)
    found = attributes(body[_ROUTE.size :])
    if length or kind != _UNICAST or table != _MAIN or 4 not in found or 5 not in found:
        return None
    metric = _number(found[6]) if 6 in found else 0
    return DefaultRoute(_number(found[4]), str(ipaddress.ip_address(found[5])), metric)


@reads("rtnetlink")
def parse_neighbour(body: bytes) -> Neighbour | None:
    """None for an entry of another family than IP."""
    family, link, state, _flags, _type = _NEIGHBOUR.unpack_from(body)
    found = attributes(body[_NEIGHBOUR.size :])
    if family not in (2, 10) or 1 not in found:
        return None
    return Neighbour(link, str(ipaddress.ip_address(found[1])), bool(state & _PERMANENT))


def _number(data: bytes) -> int:
    return int(struct.unpack_from("=I", data)[0])
