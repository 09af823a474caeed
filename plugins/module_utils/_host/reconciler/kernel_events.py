# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's messages about changes of links, addresses, routes and nftables."""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import messages
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler import events

# Constants that Python's socket module lacks (linux/netlink.h, asm-generic/socket.h).
_NETLINK_NETFILTER = 12
_SO_RCVBUFFORCE = 33

_BUFFER = 4 << 20
_LARGEST_DATAGRAM = 1 << 18
_MOST_DATAGRAMS = 1000


class KernelEvents:
    """A socket that receives the messages of ``groups``. ``parts_of`` returns the parts that a message concerns."""

    def __init__(self, protocol: int, groups: int, parts_of: t.Callable[[int, bytes], t.Iterable[str]]) -> None:
        self._parts_of = parts_of
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._socket.bind((0, groups))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def parts(self) -> set[str]:
        """The parts that the messages that arrived concern. What arrives meanwhile may be left."""
        found: set[str] = set()
        for _datagram in range(_MOST_DATAGRAMS):
            try:
                data = self._socket.recv(_LARGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:  # the buffer overflowed: anything may have changed
                return {FIREWALL_PART.name, ROUTES_PART.name}
            found.update(part for kind, body in messages(data) for part in self._parts_of(kind, body))
        return found


def kernel_events() -> list[KernelEvents]:
    """Listen to the kernel."""
    return [
        KernelEvents(socket.NETLINK_ROUTE, events.RTNETLINK_GROUPS, events.rtnetlink_parts),
        KernelEvents(_NETLINK_NETFILTER, events.NFTABLES_GROUPS, events.nftables_parts),
    ]
