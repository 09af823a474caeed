# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's neighbour table, the one that all network namespaces of a host have together.

Where it is full, packets to neighbours are dropped (dmesg: "neighbour: arp_cache: neighbor table overflow!"), and new
entries are kept for five seconds whatever happens (net/core/neighbour.c). So who tries many neighbours at once has to
do it by and by, and to have the kernel forget those of before.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import Neighbour
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import Netlink, opened

_LIMIT = "/proc/sys/net/ipv4/neigh/default/gc_thresh3"
# The kernel's own, for where it cannot be read: in a container that is a host.
_LIMIT_DEFAULT = 1024


def room(limit_file: str = _LIMIT) -> int:
    """For how many pairs of neighbours there is room at a time: both ends take an entry; half is the host's."""
    try:
        with open(limit_file, encoding="ascii") as file:
            limit = int(file.read())
    except (OSError, ValueError):
        limit = _LIMIT_DEFAULT
    return max(1, limit // 4)


class Forgetter:
    """Has the kernel forget the neighbours that have come in some namespaces since it was made, and no others."""

    def __init__(self, namespaces: t.Iterable[Namespace]) -> None:
        self._stack = contextlib.ExitStack()
        self._known: dict[Netlink, frozenset[Neighbour]] = {}
        for namespace in namespaces:
            with namespace.entered():
                link = self._stack.enter_context(opened())
            self._known[link] = frozenset(_without_state(link.neighbours()))

    def forget(self) -> None:
        for link, known in self._known.items():
            for neighbour in frozenset(_without_state(link.neighbours())) - known:
                link.forget(neighbour)

    def close(self) -> None:
        self._stack.close()


def _without_state(neighbours: t.Iterable[Neighbour]) -> t.Iterator[Neighbour]:
    return (neighbour for neighbour in neighbours if not neighbour.permanent)
