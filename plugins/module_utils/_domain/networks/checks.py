# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the set as a whole has to fulfil on this engine, checked before anything changes."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    BRIDGE_NAME,
    DRIVER_OPTION_OF,
    SHORT_NAME_OF,
    Block,
    Definition,
    Item,
    ObservedNetwork,
    Version,
    pairs,
)

# The first engine with each gateway mode. Before 27 every network is what 28 calls nat-unprotected.
_MODE_SINCE = {"nat": (27, 0), "routed": (27, 0), "nat-unprotected": (28, 0), "isolated": (28, 0)}
_IMPLICIT_MODE = {"nat": (27, 0), "nat-unprotected": (28, 0)}


_EVERYWHERE = ("bridge", "macvlan", "ipvlan")


@dataclasses.dataclass(frozen=True)
class EngineFacts:
    """What the engine tells about itself beyond its version."""

    drivers: frozenset[str] = frozenset()
    swarm_manager: bool = False
    ipv6_pools: bool = False


def asks_for_more(item: Item) -> bool:
    """Whether the facts are needed to tell if the engine can make the network."""
    unusual = item.driver is not None and item.driver not in _EVERYWHERE
    return bool(unusual or item.scope in ("swarm", "global") or item.ingress or _wants_ipv6_pool(item))


def _wants_ipv6_pool(item: Item) -> bool:
    return bool(item.enable_ipv6) and not any(block.family == 6 for block in item.blocks or ())


def check_engine(item: Item, wanted: Definition, version: Version, facts: EngineFacts) -> None:
    """Refuse what the engine would refuse, so that check mode fails where the run would."""
    if item.driver is not None and wanted.driver not in facts.drivers | {*_EVERYWHERE, "null"}:
        known = ", ".join(sorted(facts.drivers))
        raise InvalidValue(item.where("driver"), item.driver, f"the engine does not know this driver, only {known}")
    for option, asked in (
        ("driver", item.driver == "overlay"),
        ("scope", item.scope == "swarm" or (item.scope == "global" and version < (26,))),
        ("ingress", item.ingress),
    ):
        if asked and not facts.swarm_manager:
            value = getattr(wanted, option)
            raise InvalidValue(item.where(option), value, "needs a swarm manager, and this host is none")
    pool_needed = wanted.enable_ipv6 and not any(block.family == 6 for block in wanted.blocks)
    if pool_needed and not wanted.config_only and version < (27,) and not facts.ipv6_pools:
        raise InvalidValue(
            item.where("enable_ipv6"),
            True,
            f"engine {_text(version)} has no pool to take an IPv6 subnet from: add one to ipam_config",
        )


def for_engine(item: Item, version: Version) -> Item:
    """The item as this engine takes it: without what it does anyhow; what it cannot do is refused."""
    if item.enable_ipv4 is False and version < (28,):
        raise Unsupported(
            f"{item.where('enable_ipv4')}: False: needs engine 28.0 or newer, and this is {_text(version)}: remove it"
        )
    options = dict(item.driver_options or ())
    for short in ("gateway_mode_ipv4", "gateway_mode_ipv6"):
        key = DRIVER_OPTION_OF[short]
        mode = options.get(key)
        if mode is None or mode not in _MODE_SINCE or version >= _MODE_SINCE[mode]:
            continue
        if mode not in _IMPLICIT_MODE:
            needed = _text(_MODE_SINCE[mode])
            raise Unsupported(
                f"{item.where(short)}: {mode!r}: needs engine {needed} or newer, and this is {_text(version)}: "
                "choose another mode or remove it"
            )
        del options[key]
    if item.driver_options is None:
        return item
    return dataclasses.replace(item, driver_options=pairs(options))


def _text(version: Version) -> str:
    return ".".join(str(part) for part in version)


@dataclasses.dataclass(frozen=True)
class PlannedNetwork:
    """A network that is there after the plan: one that stays as it is, or (with ``item``) one that is made for an item.

    ``whose`` is how an error calls it.
    """

    definition: Definition
    bridge: str | None
    whose: str
    item: Item | None = None


def staying(network: ObservedNetwork) -> PlannedNetwork:
    return PlannedNetwork(network.definition, network.bridge, f"the network {network.name!r} ({network.id[:12]})")


def declared(item: Item, definition: Definition) -> PlannedNetwork:
    bridge = dict(definition.driver_options).get(BRIDGE_NAME) if definition.driver == "bridge" else None
    return PlannedNetwork(definition, None if definition.config_only else bridge, item.path, item)


def check_residents(residents: t.Sequence[PlannedNetwork], links: t.Collection[str] = ()) -> None:
    """Refuse an item whose subnet or bridge another network has, or whose bridge is another device of the host.

    ``links`` are the devices of the host, without the bridges of networks.
    """
    bridges: dict[str, PlannedNetwork] = {}
    for resident in sorted(residents, key=lambda each: each.item is not None):
        if resident.bridge is None:
            continue
        holder = bridges.setdefault(resident.bridge, resident)
        if resident.item is None:
            continue
        if holder is not resident:
            raise _bridge_taken(resident, f"is the bridge of {holder.whose}")
        if resident.bridge in links and not resident.item.adopts_bridge:
            raise _bridge_taken(resident, "is another network device of this host")
    # Two CIDR blocks are disjoint or one holds the other. So, sorted by start and the wider first, a block overlaps
    # an earlier one exactly if it overlaps the one that reaches furthest.
    furthest: dict[tuple[str, int], tuple[Block, PlannedNetwork]] = {}
    blocks = [(block, resident) for resident in residents for block in _allocated(resident.definition)]
    for block, resident in sorted(blocks, key=lambda each: (int(each[0].subnet[0]), each[0].subnet.prefixlen)):
        realm = (resident.definition.scope, block.family)
        other = furthest.get(realm)
        if other is not None and other[0].subnet.overlaps(block.subnet):
            _refuse_overlap((block, resident), other)
        if other is None or int(block.subnet[-1]) > int(other[0].subnet[-1]):
            furthest[realm] = (block, resident)


def _allocated(definition: Definition) -> tuple[Block, ...]:
    """The blocks that the engine's own address management holds for a network, and lets no other network have."""
    if definition.config_only or definition.ipam_driver != "default":
        return ()
    return definition.blocks


def _refuse_overlap(one: tuple[Block, PlannedNetwork], other: tuple[Block, PlannedNetwork]) -> None:
    # The later item is the one to complain about; two networks that both stay are the engine's own affair.
    (block, resident), (taken, holder) = sorted([one, other], key=lambda each: _rank(each[1]), reverse=True)
    item = resident.item
    if item is None or holder is resident:
        return
    subnets = [given.subnet for given in item.blocks or ()]
    index = subnets.index(block.subnet) if block.subnet in subnets else None
    raise InvalidValue(
        item.path if index is None else item.where(f"ipam_config[{index}].subnet"),
        str(block.subnet),
        f"overlaps {taken.subnet} of {holder.whose}: choose another subnet, or change or remove the other network",
    )


def _rank(resident: PlannedNetwork) -> tuple[bool, int, str]:
    return resident.item is not None, len(resident.whose), resident.whose


def _bridge_taken(resident: PlannedNetwork, reason: str) -> InvalidValue:
    if resident.item is None:
        raise AssertionError("only a declared network's bridge is refused")
    where = resident.item.where(SHORT_NAME_OF[BRIDGE_NAME])
    return InvalidValue(where, resident.bridge, f"{reason}: choose another name")


def check_names(items: t.Iterable[Item], observed: t.Iterable[ObservedNetwork]) -> None:
    """Old engines can hold several networks of one name: which of them an item means is not ours to guess."""
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
                f"is the name of {len(found)} networks ({ids}): remove all but one with 'docker network rm ID'",
            )


def check_config_from(item: Item, configs: t.Mapping[str, Definition], observed: t.Collection[str]) -> None:
    """``config_from`` has to name a configuration network that is there or declared."""
    if item.config_from is None or item.config_from in configs:
        return
    if item.config_from in observed:
        reason = "is no configuration network: it has to be made with config_only: true"
    else:
        reason = "does not exist: declare it as a network with config_only: true"
    raise InvalidValue(item.where("config_from"), item.config_from, reason)
