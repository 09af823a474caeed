# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How networks with the same addresses on several hosts become part of the declaration, step by step. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Scheme
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import parse_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, InvalidValues
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

    ``first`` is the item that takes the network over as it is, ``then`` the one that gives it other subnets, which
    disconnects its containers for a moment. A network that keeps its addresses has no ``then``, nor has one for which
    no subnet is free. ``lines`` are those of the policy to the network after it, ``replaces_lines`` if there are some
    before. ``without_lines`` are the services of the network that no line allows, ``lost`` the networks whose services
    its containers no longer reach, since they are not declared. ``problem`` is why no declaration can contain the
    network; it has no items then.
    """

    crossing: Crossing
    first: Item | None = None
    then: Item | None = None
    lines: tuple[Item, ...] = ()
    replaces_lines: bool = False
    without_lines: tuple[HostNetwork, ...] = ()
    lost: tuple[HostNetwork, ...] = ()
    problem: str = ""

    @property
    def place(self) -> HostNetwork:
        return self.crossing.place

    @property
    def is_possible(self) -> bool:
        """Whether the network is declared after the step."""
        return self.then is not None or (self.first is not None and self.crossing.keeps)

    def sources(self) -> list[str]:
        """The sources that services of other hosts see of its containers after the step, in place of its host's."""
        after = self.crossing.moved or self.place
        return [subnet.host(0) for subnet in after.subnets] if self.is_possible and after.routed else []


def renumbering(found: ImportedFleet, hosts: t.Sequence[str]) -> list[RenumberingStep]:
    """The steps in their order: networks that get other addresses, then those that keep theirs."""
    declared = {network.name: network for network in found.networks}
    schemes = found.plan.fleet.schemes
    undeclared = list(found.unreached)
    steps = []
    for crossing in found.crossings:
        before = declared.get(crossing.place.name) or ImportedNetwork(crossing.place.name, ())
        step = _step(crossing, before, hosts, schemes)
        if step.is_possible:
            undeclared = [place for place in undeclared if place is not crossing.place]
            declared[before.name] = _with(before, crossing.moved or crossing.place)
            step = dataclasses.replace(step, lost=tuple(undeclared))
        steps.append(step)
    return steps


def _with(before: ImportedNetwork, place: HostNetwork) -> ImportedNetwork:
    """The network with one more host."""
    return dataclasses.replace(before, places=(*before.places, place))


def _step(
    crossing: Crossing, before: ImportedNetwork, hosts: t.Sequence[str], schemes: t.Sequence[Scheme]
) -> RenumberingStep:
    versions = [scheme.supernet.version for scheme in schemes]
    length = min(scheme.network_prefix_length for scheme in schemes)  # that of IPv4, if there is one
    network = _with(before, crossing.place)
    first = network.item(hosts)
    then = _with(before, crossing.moved).item(hosts) if crossing.moved is not None else None
    try:
        for item in filter(None, (first, then)):
            parse_networks([item], "", lambda _name: length, versions)
    except (InvalidValue, InvalidValues) as error:
        return RenumberingStep(crossing, problem=_reason(error))
    lines = tuple(line.item for line in network.lines())
    return RenumberingStep(crossing, first, then, lines, bool(before.lines()), tuple(network.without_lines()))


def _reason(error: InvalidValue | InvalidValues) -> str:
    each = error.errors[0] if isinstance(error, InvalidValues) else error
    return f"{each.value!r}: {each.reason.rstrip('.')}"
