# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work that follows from the list of networks, and what else must be read to plan it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.conflicts import (
    check_config_from,
    check_unique_names,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import (
    OptionDifference,
    differences,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_support import (
    for_engine,
    needs_facts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Definition,
    Item,
    ObservedNetwork,
    Version,
)


@dataclasses.dataclass(frozen=True)
class NetworksRequest:
    """The task's options. ``interfaces`` are those of the host, as far as they are known.

    ``left_over`` are bridges among them that failed creations of this collection left. ``docker0_moves``: the subnet of
    the default bridge changes before the plan is executed. ``ports`` are those of bridges that are not containers'
    interfaces, by bridge.
    """

    items: tuple[Item, ...]
    version: Version
    state: str = "present"
    prune: bool = False
    on_drift: str = "recreate"
    allow_disconnect: bool = False
    strict: bool = False
    interfaces: frozenset[str] = frozenset()
    left_over: frozenset[str] = frozenset()
    docker0_moves: bool = False
    ports: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Drifted:
    item: Item
    network: ObservedNetwork
    differences: tuple[OptionDifference, ...] = ()
    because: str = ""  # why the network must be recreated although it does not differ itself

    @property
    def owned(self) -> bool:
        """Whether the network may be recreated: it has the label, or it is adopted and the item still says so."""
        return self.network.definition.labeled or (self.network.adopted and self.item.adopt)

    def __str__(self) -> str:
        return ", ".join(str(each) for each in self.differences) or self.because


@dataclasses.dataclass(frozen=True)
class Survey:
    """The work by network. ``removals`` are (network, reason), ``connecting`` the items with ``connected``.

    ``adopted`` are networks to record as adopted, ``released`` those to forget, with the reason.
    """

    networks: tuple[ObservedNetwork, ...]
    items: tuple[Item, ...] = ()
    missing: tuple[Item, ...] = ()
    drifted: tuple[Drifted, ...] = ()
    removals: tuple[tuple[ObservedNetwork, str], ...] = ()
    connecting: tuple[tuple[Item, ObservedNetwork], ...] = ()
    adopted: tuple[ObservedNetwork, ...] = ()
    released: tuple[tuple[ObservedNetwork, str], ...] = ()

    @property
    def interrupted(self) -> tuple[ObservedNetwork, ...]:
        """Networks to remove, if only temporarily: the plan needs their complete endpoints."""
        return tuple(each.network for each in self.drifted) + tuple(network for network, _reason in self.removals)

    @property
    def needs_facts(self) -> bool:
        """Whether a network is to be created that only some engines can create."""
        return any(needs_facts(item) for item in (*self.missing, *(each.item for each in self.drifted)))

    @property
    def needs_containers(self) -> bool:
        return bool(self.interrupted or self.connecting or any(item.connected for item in self.missing))

    def dependents(self, network: ObservedNetwork) -> tuple[ObservedNetwork, ...]:
        if not network.definition.config_only:
            return ()
        return tuple(each for each in self.networks if each.definition.config_from == network.name)


def survey_networks(request: NetworksRequest, networks: t.Sequence[ObservedNetwork]) -> Survey:
    """Raises FleetnetError if the declaration is invalid on this engine, regardless of its containers."""
    if request.state == "absent":
        return _survey_absent(request, networks)
    items = tuple(for_engine(item, request.version) for item in request.items)
    check_unique_names(items, networks)
    by_name = {network.name: network for network in networks}
    configs: dict[str, Definition] = {
        **{each.name: each.definition for each in networks if each.definition.config_only},
        **{each.name: Definition(each.name) for each in items if each.config_only},
    }
    for item in items:
        check_config_from(item, configs, by_name)
    found = [(item, by_name[item.name]) for item in items if item.name in by_name]
    removals = []
    released = [(network, "without adopt") for item, network in found if network.adopted and not item.adopt]
    if request.prune:
        names = {item.name for item in items}
        removals = [(each, "prune") for each in networks if each.definition.labeled and each.name not in names]
        released += [
            (each, "prune")
            for each in networks
            if each.adopted and not each.definition.labeled and each.name not in names
        ]
    drifted = tuple(
        Drifted(item, network, found_)
        for item, network in found
        for found_ in [differences(item, network, request.strict)]
        if found_
    )
    differing = {each.network.id for each in drifted}
    survey = Survey(
        networks=tuple(networks),
        items=items,
        missing=_ordered(item for item in items if item.name not in by_name),
        drifted=drifted,
        removals=_dependents_first(removals),
        connecting=tuple((item, network) for item, network in found if item.connected is not None),
        adopted=tuple(
            network for item, network in found if item.adopt and not network.owned and network.id not in differing
        ),
        released=tuple(released),
    )
    return _with_dependents(survey)


def _survey_absent(request: NetworksRequest, networks: t.Sequence[ObservedNetwork]) -> Survey:
    names = {item.name for item in request.items}
    removals = [(each, "absent") for each in networks if each.name in names]
    return Survey(networks=tuple(networks), removals=_dependents_first(removals))


def _ordered(items: t.Iterable[Item]) -> tuple[Item, ...]:
    """Configuration networks first, then those with subnets, then those whose subnet the engine chooses.

    Otherwise the engine could choose one that a later item needs.
    """
    return tuple(sorted(items, key=lambda item: (not item.config_only, not (item.blocks or item.config_from))))


def _dependents_first(
    removals: t.Iterable[tuple[ObservedNetwork, str]],
) -> tuple[tuple[ObservedNetwork, str], ...]:
    return tuple(sorted(removals, key=lambda each: each[0].definition.config_only))


def _with_dependents(survey: Survey) -> Survey:
    """Add the networks that take their configuration from a drifted one: they must be recreated together."""
    drifted = list(survey.drifted)
    known = {each.network.id for each in drifted}
    going = {network.id for network, _reason in survey.removals}
    items = {item.name: item for item in survey.items}
    for each in survey.drifted:
        if not each.owned:
            continue  # is not recreated
        for dependent in survey.dependents(each.network):
            if dependent.id in known or dependent.id in going:
                continue
            item = items.get(dependent.name)
            if item is None:
                raise FleetnetError(
                    f"network {each.network.name!r} differs from {each.item.path} ({each}), but {dependent.name!r} "
                    "takes its configuration from it and is not declared. Declare it too, or remove it."
                )
            known.add(dependent.id)
            drifted.append(Drifted(item, dependent, because=f"takes its configuration from {each.network.name}"))
    return dataclasses.replace(survey, drifted=tuple(drifted))
