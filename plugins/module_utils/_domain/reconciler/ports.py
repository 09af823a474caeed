# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of bridges and the containers behind them, as messages of rtnetlink. Pure; see linux/if_link.h."""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import interface_name_problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import (
    ATTRIBUTE,
    HEADER,
    as_name,
    attributes,
)

NEW_LINK = 16
_GET_LINK = 18
_REQUEST, _DUMP = 0x1, 0x300
_ENDS = (2, 3)  # NLMSG_ERROR, NLMSG_DONE
_LINK = struct.Struct("=BxHiII")
_NUMBER = struct.Struct("=i")
# Attributes.
_ADDRESS, _NAME, _PEER, _MASTER, _PEER_NAMESPACE, _TARGET_NAMESPACE = 1, 3, 5, 10, 37, 46


class BridgePort(t.NamedTuple):
    """A port of a bridge, with the MAC address of the interface at its other end, in the container."""

    name: str
    bridge: str
    mac: str


class HostInterface(t.NamedTuple):
    """An interface. ``peer`` is the number of its other end, in the namespace ``namespace``."""

    number: int
    name: str
    mac: str
    master: int | None
    peer: int | None
    namespace: int | None


def links_request(namespace: int | None = None) -> bytes:
    """The request for all interfaces, of this namespace or of the one with a number."""
    body = bytes(_LINK.size)
    if namespace is not None:
        body += ATTRIBUTE.pack(ATTRIBUTE.size + _NUMBER.size, _TARGET_NAMESPACE) + _NUMBER.pack(namespace)
    return HEADER.pack(HEADER.size + len(body), _GET_LINK, _REQUEST | _DUMP, 0, 0) + body


def is_last(kind: int) -> bool:
    """Whether a message ends a response."""
    return kind in _ENDS


def parse_interface(body: bytes) -> HostInterface:
    """Raises struct.error for an invalid message."""
    found = attributes(body[_LINK.size :])
    return HostInterface(
        _LINK.unpack_from(body)[2],
        as_name(found.get(_NAME)),
        ":".join(f"{byte:02x}" for byte in found.get(_ADDRESS, b"")),
        *(_NUMBER.unpack(found[kind])[0] if kind in found else None for kind in (_MASTER, _PEER, _PEER_NAMESPACE)),
    )


def ports_of(
    interfaces: t.Collection[HostInterface], inside: t.Mapping[int, t.Collection[HostInterface]]
) -> list[BridgePort]:
    """The ports, from the host's interfaces and those in the namespaces of containers, by their number."""
    names = {each.number: each.name for each in interfaces}
    found = []
    for each in interfaces:
        peers = () if each.namespace is None else inside.get(each.namespace, ())
        macs = [peer.mac for peer in peers if peer.number == each.peer]
        bridge = None if each.master is None else names.get(each.master)
        if macs and bridge and interface_name_problem(each.name) is None:
            found.append(BridgePort(each.name, bridge, macs[0]))
    return found
