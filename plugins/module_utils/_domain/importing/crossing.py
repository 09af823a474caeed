# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of several hosts with the same addresses, of which one can keep them. Pure.

Packets are routed by their destination, so that a subnet leads to one host.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import overlapping
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import HostNetwork


class Crossing(t.NamedTuple):
    """A network that shares addresses with networks of other hosts, ``others``. ``keeps`` them, or is renumbered.

    ``moved`` is the network with its proposed subnets; None if it keeps its own, or if none are free.
    """

    place: HostNetwork
    others: tuple[HostNetwork, ...]
    keeps: bool
    moved: HostNetwork | None = None


def find_crossings(candidates: t.Sequence[HostNetwork], fixed: t.Sequence[HostNetwork]) -> list[Crossing]:
    """The candidates that share addresses with a network of another host; those that keep them last.

    ``fixed`` are networks that are not renumbered here, docker0 among them. Of the candidates, those with the most
    running containers keep their addresses, and then those of the first hosts. O(n log n + overlaps).
    """
    blocks = [(subnet, place) for place in (*candidates, *fixed) for subnet in place.subnets]
    others: dict[int, dict[int, HostNetwork]] = {}
    for (_one, first), (_other, second) in overlapping(blocks):
        if first.host != second.host and not (first.on_the_lan and second.on_the_lan):
            others.setdefault(id(first), {})[id(second)] = second
            others.setdefault(id(second), {})[id(first)] = first
    crossed = [place for place in candidates if id(place) in others and not place.on_the_lan]
    staying = {id(place) for place in fixed} | {id(place) for place in candidates if place.on_the_lan}
    for place in sorted(crossed, key=lambda each: -each.running):  # stable: in the order of the hosts
        if not staying.intersection(others[id(place)]):
            staying.add(id(place))
    found = [Crossing(place, tuple(others[id(place)].values()), id(place) in staying) for place in crossed]
    return sorted(found, key=lambda each: each.keeps)
