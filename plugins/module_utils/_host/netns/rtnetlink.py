# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the kernel by rtnetlink: the adapter to what :mod:`_domain.netlink` says and reads."""

from __future__ import annotations

import contextlib
import socket
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import rtnetlink as netlink

# The kernel sends no more at a time (NLMSG_GOODSIZE is less), and asks for room of this size for dumps.
_BUFFER = 65536
# A dump changes under the reader; the kernel says so by an error, and somebody who asks again gets a whole one.
_SECONDS = 5.0


class Netlink:
    """A socket of the namespace that it is opened in, which it stays in when its maker leaves."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_SECONDS)

    def links(self) -> list[netlink.Link]:
        return [netlink.parse_link(body) for body in self._dump(netlink.GET_LINK, netlink.NEW_LINK)]

    def addresses(self) -> list[netlink.Address]:
        return [netlink.parse_address(body) for body in self._dump(netlink.GET_ADDRESS, netlink.NEW_ADDRESS)]

    def default_routes(self) -> list[netlink.DefaultRoute]:
        found = map(netlink.parse_default_route, self._dump(netlink.GET_ROUTE, netlink.NEW_ROUTE))
        return [route for route in found if route is not None]

    def neighbours(self) -> list[netlink.Neighbour]:
        found = map(netlink.parse_neighbour, self._dump(netlink.GET_NEIGHBOUR, netlink.NEW_NEIGHBOUR))
        return [neighbour for neighbour in found if neighbour is not None]

    def forget(self, neighbour: netlink.Neighbour) -> None:
        """Have an entry deleted; one that has gone already is none."""
        self._ask(netlink.delete_neighbour_request(neighbour))

    def close(self) -> None:
        self._socket.close()

    def _dump(self, ask: int, answer: int) -> list[bytes]:
        return [body for kind, body in self._ask(netlink.dump_request(ask)) if kind == answer]

    def _ask(self, request: bytes) -> list[tuple[int, bytes]]:
        self._socket.send(request)
        found: list[tuple[int, bytes]] = []
        while not found or not netlink.is_last(found[-1][0]):
            found += netlink.messages(self._socket.recv(_BUFFER))
        return found


@contextlib.contextmanager
def opened() -> t.Iterator[Netlink]:
    """A socket of the namespace that this process is in now."""
    found = Netlink()
    try:
        yield found
    finally:
        found.close()
