# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conflicts between networks of one host: names, bridges, subnets and configuration networks."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Block,
    Definition,
    Item,
    ObservedNetwork,
    Pairs,
    Version,
)

# The first engine with several macvlan networks on one interface.
_SHARED_PARENTS_SINCE = (27, 0)


@dataclasses.dataclass(frozen=True)
class FinalNetwork:
    """A network that exists after the plan: an unchanged one, or one that the plan creates for ``item``.

    ``label`` names it in errors.
    """

    definition: Definition
    bridge: str | None
    label: str
    item: Item | None = None

    @classmethod
    def unchanged(cls, network: ObservedNetwork) -> FinalNetwork:
        return cls(network.definition, network.bridge, f"the network {network.name!r} ({network.id[:12]})")

    @classmethod
    def declared(cls, item: Item, definition: Definition) -> FinalNetwork:
        return cls(definition, definition.named_bridge, item.path, item)


def check_conflicts(
    networks: t.Sequence[FinalNetwork], interfaces: t.Collection[str] = (), version: Version | None = None
) -> None:
    """Raise InvalidValue if an item has the subnet, bridge or parent of another network, or another interface as its
    bridge.

    ``interfaces`` are those of the host, without the bridges of networks. ``version`` is that of the engine, None for
    what every engine rejects.
    """
    _check_parents(networks, version)
    bridges: dict[str, FinalNetwork] = {}
    for network in sorted(networks, key=lambda each: each.item is not None):
        if network.bridge is None:
            continue
        holder = bridges.setdefault(network.bridge, network)
        item = network.item
        if item is None:
            continue
        if holder is not network:
            raise _bridge_taken(item, network.bridge, f"is the bridge of {holder.label}")
        if network.bridge in interfaces and not item.adopts_bridge:
            raise _bridge_taken(item, network.bridge, "is another interface of this host")
    # Two CIDR blocks are disjoint, or one contains the other. Sorted by start and the larger first, a block overlaps
    # an earlier one exactly if it overlaps the one with the highest end.
    furthest: dict[tuple[str, int], tuple[Block, FinalNetwork]] = {}
    blocks = [(block, network) for network in networks for block in allocated_blocks(network.definition)]
    for block, network in sorted(blocks, key=lambda each: (int(each[0].subnet[0]), each[0].subnet.prefixlen)):
        realm = (network.definition.scope, block.family)
        other = furthest.get(realm)
        if other is not None and other[0].subnet.overlaps(block.subnet):
            _refuse_overlap((block, network), other)
        if other is None or int(block.subnet[-1]) > int(other[0].subnet[-1]):
            furthest[realm] = (block, network)


def _check_parents(networks: t.Sequence[FinalNetwork], version: Version | None) -> None:
    holders: dict[tuple[str, str], list[FinalNetwork]] = {}
    for network in sorted(networks, key=lambda each: each.item is not None):
        definition = network.definition
        parent = dict(definition.driver_options).get("parent")
        if definition.config_only or not parent:
            continue
        others = holders.setdefault((definition.driver, parent), [])
        for other in others if network.item else ():
            if rejects_shared_parent(
                definition.driver, definition.driver_options, other.definition.driver_options, version
            ):
                raise InvalidValue(
                    network.item.where("driver_options.parent") if network.item else network.label,
                    parent,
                    f"is the parent of {other.label}, and the engine does not allow two {definition.driver} networks "
                    "on it. Use another interface, for example a VLAN interface, or one network.",
                )
        others.append(network)


def rejects_shared_parent(driver: str, one: Pairs, other: Pairs, version: Version | None) -> bool:
    """Whether the engine rejects a second network of this driver on a parent interface, by both driver options.

    ``version`` is that of the engine; without it, whether each engine does.
    """
    if driver == "macvlan" and (version is None or version >= _SHARED_PARENTS_SINCE):
        return any(dict(options).get("macvlan_mode") == "passthru" for options in (one, other))
    return driver in ("ipvlan", "macvlan")


def allocated_blocks(definition: Definition) -> tuple[Block, ...]:
    """The blocks that the engine's default address management reserves for a network."""
    if definition.config_only or definition.ipam_driver != "default":
        return ()
    return definition.blocks


def _refuse_overlap(one: tuple[Block, FinalNetwork], other: tuple[Block, FinalNetwork]) -> None:
    # The error names the later item. Two unchanged networks are not checked.
    (block, network), (taken, holder) = sorted([one, other], key=lambda each: _rank(each[1]), reverse=True)
    item = network.item
    if item is None or holder is network:
        return
    subnets = [given.subnet for given in item.blocks or ()]
    index = subnets.index(block.subnet) if block.subnet in subnets else None
    raise InvalidValue(
        item.path if index is None else item.where(f"ipam_config[{index}].subnet"),
        str(block.subnet),
        f"overlaps {taken.subnet} of {holder.label}. Use another subnet, or change or remove the other network.",
    )


def _rank(network: FinalNetwork) -> tuple[bool, int, str]:
    return network.item is not None, len(network.label), network.label


def _bridge_taken(item: Item, bridge: str, reason: str) -> InvalidValue:
    return InvalidValue(item.where("bridge_name"), bridge, f"{reason}. Choose another name.")


def check_unique_names(items: t.Iterable[Item], observed: t.Iterable[ObservedNetwork]) -> None:
    """Raise InvalidValue if several networks have an item's name, as on engines before 25."""
    by_name: dict[str, list[ObservedNetwork]] = {}
    for network in observed:
        by_name.setdefault(network.name, []).append(network)
    for item in items:
        found = by_name.get(item.name, [])
        if len(found) > 1:
            ids = ", ".join(network.id[:12] for network in found)
            raise InvalidValue(
                item.where("name"),
                item.name,
                f"is the name of {len(found)} networks ({ids}). Remove all but one with 'docker network rm ID'.",
            )


def check_config_from(item: Item, configs: t.Mapping[str, Definition], observed: t.Collection[str]) -> None:
    """Raise InvalidValue unless ``config_from`` names a configuration network that exists or is declared."""
    if item.config_from is None or item.config_from in configs:
        return
    if item.config_from in observed:
        reason = "is not a configuration network. Create it with config_only: true."
    else:
        reason = "does not exist. Declare it as a network with config_only: true."
    raise InvalidValue(item.where("config_from"), item.config_from, reason)
