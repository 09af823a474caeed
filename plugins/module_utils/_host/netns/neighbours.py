# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's neighbour table, which all network namespaces of a host share.

If it is full, the kernel drops packets to new neighbours (dmesg: "neighbour: arp_cache: neighbor table overflow!"), and
it keeps new entries for at least five seconds (net/core/neighbour.c). Probes to many neighbours are therefore sent in
batches, and the entries of a batch are deleted before the next one.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import Neighbour
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import Netlink, open_netlink

_LIMIT = "/proc/sys/net/ipv4/neigh/default/gc_thresh3"
# The kernel's default, if the limit cannot be read, as in a container that serves as a host.
_LIMIT_DEFAULT = 1024


def pair_limit(limit_file: str = _LIMIT) -> int:
    """How many pairs of neighbours to probe at a time: both ends take an entry, and half is left to the host."""
    try:
        with open(limit_file, encoding="ascii") as file:
            limit = int(file.read())
    except (OSError, ValueError):
        limit = _LIMIT_DEFAULT
    return max(1, limit // 4)


class NewNeighbours:
    """The neighbours that appear in namespaces after this object was created."""

    def __init__(self, namespaces: t.Iterable[Namespace]) -> None:
        self._stack = contextlib.ExitStack()
        self._known: dict[Netlink, frozenset[Neighbour]] = {}
        for namespace in namespaces:
            with namespace.entered():
                netlink = self._stack.enter_context(open_netlink())
            self._known[netlink] = frozenset(_dynamic(netlink.neighbours()))

    def delete(self) -> None:
        """Delete their entries, and no others."""
        for netlink, known in self._known.items():
            for neighbour in frozenset(_dynamic(netlink.neighbours())) - known:
                netlink.delete_neighbour(neighbour)

    def close(self) -> None:
        self._stack.close()


def _dynamic(neighbours: t.Iterable[Neighbour]) -> t.Iterator[Neighbour]:
    return (neighbour for neighbour in neighbours if not neighbour.permanent)
