# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Query the kernel over rtnetlink, with the messages of :mod:`_domain.observed.rtnetlink`."""

from __future__ import annotations

import contextlib
import socket
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import messages
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import rtnetlink as netlink

# The kernel sends no more at a time (NLMSG_GOODSIZE is less), and recommends this size for dumps.
_BUFFER = 65536
_TIMEOUT = 5.0  # seconds


class Netlink:
    """A socket in the namespace in which it is opened; it stays there when the process leaves."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_TIMEOUT)

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

    def delete_neighbour(self, neighbour: netlink.Neighbour) -> None:
        """Delete an entry; one that no longer exists is not an error."""
        self._query(netlink.delete_neighbour_request(neighbour))

    def close(self) -> None:
        self._socket.close()

    def _dump(self, request: int, answer: int) -> list[bytes]:
        return [body for kind, body in self._query(netlink.dump_request(request)) if kind == answer]

    def _query(self, request: bytes) -> list[tuple[int, bytes]]:
        self._socket.send(request)
        found: list[tuple[int, bytes]] = []
        while not found or not netlink.is_last(found[-1][0]):
            found += messages(self._socket.recv(_BUFFER))
        return found


@contextlib.contextmanager
def open_netlink() -> t.Iterator[Netlink]:
    """A socket in the current namespace of this process."""
    found = Netlink()
    try:
        yield found
    finally:
        found.close()
