# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How networks with the same addresses on several hosts become part of the declaration, step by step. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.crossing import Crossing
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_fleet import ImportedFleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_network import (
    ImportedNetwork,
    Item,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import HostNetwork


@dataclasses.dataclass(frozen=True)
class RenumberingStep:
    """One step, which can be taken alone after those before it.

    ``first`` is the item that takes the network over as it is, ``then`` the one that gives it the subnets ``to``, which
    disconnects its containers for a moment. A network that keeps its addresses has no ``then``. ``lines`` are those of
    the policy for its published ports.
    """

    place: HostNetwork
    others: tuple[HostNetwork, ...]
    first: Item
    then: Item | None = None
    to: tuple[Prefix, ...] = ()
    lines: tuple[Item, ...] = ()


def renumbering(found: ImportedFleet, hosts: t.Sequence[str]) -> list[RenumberingStep]:
    """The steps in their order: networks that get other addresses, then those that keep theirs."""
    declared = {network.name: network for network in found.networks}
    steps = []
    for crossing in found.crossings:
        before = declared.get(crossing.place.name) or ImportedNetwork(crossing.place.name, ())
        steps.append(_step(found, crossing, before, hosts))
        declared[crossing.place.name] = _joined(before, crossing)
    return steps


def _joined(before: ImportedNetwork, crossing: Crossing) -> ImportedNetwork:
    """The network with one more host."""
    place = crossing.place
    renumbered = before.renumbered if crossing.keeps else (*before.renumbered, place.host)
    return dataclasses.replace(before, places=(*before.places, place), renumbered=renumbered)


def _step(found: ImportedFleet, crossing: Crossing, before: ImportedNetwork, hosts: t.Sequence[str]) -> RenumberingStep:
    place = crossing.place
    network = dataclasses.replace(before, places=(*before.places, place))
    lines = tuple(line.item for line in network.lines()) if place.services else ()
    if crossing.keeps:
        return RenumberingStep(place, crossing.others, network.item(hosts), lines=lines)
    to = tuple(found.renumbered_to(place))
    then = _joined(before, crossing).item(hosts)
    return RenumberingStep(place, crossing.others, network.item(hosts), then, to, lines)
