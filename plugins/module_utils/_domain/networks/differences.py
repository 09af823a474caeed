# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options in which a network differs from its item."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    HOST_ADDRESSES,
    MTU,
    MTU_DEFAULT,
    OWNER_LABEL,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import NETWORK, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    ENABLE_ICC,
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
    INHIBIT_IPV4,
    MASQUERADE,
    TRUSTED_HOST_INTERFACES,
    VXLAN_IDS,
    Block,
    Definition,
    IPAddress,
    Item,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import ENGINE_OPTIONS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import (
    canonical_option,
    option_of,
)

# The bridge driver's defaults: an item that sets them does not differ from a network without the option.
OPTION_DEFAULTS = {
    MASQUERADE: "true",
    ENABLE_ICC: "true",
    INHIBIT_IPV4: "false",
    GATEWAY_MODE_IPV4: "nat",
    GATEWAY_MODE_IPV6: "nat",
    MTU: str(MTU_DEFAULT),
}
# The values of them that an adopted network can keep.
KEPT = {
    MASQUERADE: ("true",),
    GATEWAY_MODE_IPV4: ("nat", "nat-unprotected"),
    GATEWAY_MODE_IPV6: ("nat", "nat-unprotected"),
}
# Options that the rules ignore if they are not declared, with what the rules set instead.
_OVERRULED = {**dict.fromkeys(HOST_ADDRESSES.values(), MASQUERADE), TRUSTED_HOST_INTERFACES: GATEWAY_MODE_IPV4}
_OWNER_PREFIX = OWNER_LABEL.rpartition(".")[0] + "."


@dataclasses.dataclass(frozen=True)
class OptionDifference:
    """One option of a network or an endpoint, observed and declared, as text; None means absent."""

    option: str
    observed: str | None
    declared: str | None

    def __str__(self) -> str:
        return f"{self.option} {_shown(self.observed)} -> {_shown(self.declared)}"

    def of(self, network: str) -> Difference:
        """The difference as the record that parts of a host return."""
        return Difference(NETWORK, network, self.option, self.declared, self.observed)


def _shown(value: str | None) -> str:
    return "none" if value is None else value or "''"


def as_text(value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differences(item: Item, observed: ObservedNetwork, strict: bool) -> tuple[OptionDifference, ...]:
    """Compare option by option, without ``strict`` only the options that the item sets.

    With ``strict`` the network's additional labels, gateways, ranges, reserved addresses and address blocks are
    differences, too. The label of ownership is never one.

    A network without this label that the item adopts keeps more: what the item does not set, and :attr:`adopt_keeps`.
    Labels that other programs set stay on a network of an item with ``adopt``, since they find it by them.
    """
    have = observed.definition
    adopting = item.adopt and not have.labeled
    inherits = bool(have.config_from) and not gives_configuration(item)  # then the configuration network is compared
    found: list[OptionDifference] = []
    for option in ENGINE_OPTIONS:
        if option.name == "driver_options":
            kept = item.adopt_keeps if adopting else ()
            found.extend(_option_differences(item, observed, kept))
            found.extend(_kept_differences(item, observed, kept))
        elif option.name == "ipam_config":
            compared = observed.blocks_known and not inherits
            found.extend(_block_differences(item, have, strict and not adopting) if compared else ())
        elif option.name == "labels":
            found.extend(() if inherits else _label_differences(item, have, strict and not item.adopt))
        else:
            wanted = "null" if option.name == "driver" and item.config_only else getattr(item, option.key)
            value = getattr(have, option.key)
            if wanted is not None and value != wanted:
                found.append(OptionDifference(option.name, _text(value), _text(wanted)))
    return tuple(found)


def _text(value: t.Any) -> str | None:
    if isinstance(value, tuple):
        return str(dict(value))
    return None if value in (None, "") else as_text(value)


def _option_differences(item: Item, observed: ObservedNetwork, kept: t.Collection[str]) -> t.Iterator[OptionDifference]:
    have = dict(observed.definition.driver_options)
    if observed.bridge:
        have.setdefault(BRIDGE_NAME, observed.bridge)
    is_bridge = observed.definition.driver == "bridge"
    for key, wanted in item.driver_options or ():
        if key in kept:
            continue
        default = OPTION_DEFAULTS.get(key) if is_bridge else None
        current = canonical_option(key, have.get(key, default))
        expected = canonical_option(key, wanted)
        if current == expected or (key == VXLAN_IDS and f"{current},".startswith(f"{expected},")):
            continue  # the swarm adds the ids of further subnets
        yield OptionDifference(option_of(key), have.get(key), wanted)


def _kept_differences(item: Item, observed: ObservedNetwork, kept: t.Collection[str]) -> t.Iterator[OptionDifference]:
    """Driver options that an adopted network cannot keep: the rules of this collection would change its traffic."""
    have = dict(observed.definition.driver_options)
    for key in kept:
        allowed = KEPT.get(key)
        if allowed and canonical_option(key, have.get(key, OPTION_DEFAULTS[key])) not in allowed:
            yield OptionDifference(option_of(key), have.get(key), allowed[0])
    declared = dict(item.driver_options or ())
    for key, overrules in _OVERRULED.items():
        if overrules in kept and have.get(key) and key not in declared:
            yield OptionDifference(option_of(key), have[key], None)


def _label_differences(item: Item, have: Definition, strict: bool) -> t.Iterator[OptionDifference]:
    wanted, labels = dict(item.labels or ()), dict(have.labels)
    for key, value in sorted(wanted.items()):
        if labels.get(key) != value:
            yield OptionDifference(f"labels.{key}", labels.get(key), value)
    for key in sorted(labels.keys() - wanted.keys()) if strict else ():
        if not key.startswith(_OWNER_PREFIX):
            yield OptionDifference(f"labels.{key}", labels[key], None)


def pair_blocks(
    blocks: t.Iterable[Block], others: t.Iterable[Block]
) -> tuple[list[tuple[int, Block, Block | None]], list[Block]]:
    """Pair each block with the one of the others that has the same subnet, else with the next of its family.

    Return (index, block, its partner or None) for each block, and the remaining others.
    """
    left = list(others)
    partner: dict[int, Block] = {}
    wanted = list(enumerate(blocks))
    for index, block in wanted:
        for candidate in left:
            if candidate.subnet == block.subnet:
                partner[index] = candidate
                left.remove(candidate)
                break
    for index, block in wanted:
        if index not in partner:
            for candidate in left:
                if candidate.family == block.family:
                    partner[index] = candidate
                    left.remove(candidate)
                    break
    return [(index, block, partner.get(index)) for index, block in wanted], left


def _block_differences(item: Item, have: Definition, strict: bool) -> t.Iterator[OptionDifference]:
    pairs_, left = pair_blocks(item.blocks or (), have.blocks)
    for index, wanted, current in pairs_:
        name = f"ipam_config[{index}]"
        if current is None or current.subnet != wanted.subnet:
            yield OptionDifference(f"{name}.subnet", str(current.subnet) if current else None, str(wanted.subnet))
            continue
        if wanted.ip_range != current.ip_range and (wanted.ip_range is not None or strict):
            yield OptionDifference(f"{name}.ip_range", _opt(current.ip_range), _opt(wanted.ip_range))
        if wanted.gateway is not None:
            if wanted.gateway != current.gateway and not (
                current.gateway is None and wanted.gateway in default_gateways(current)
            ):
                yield OptionDifference(f"{name}.gateway", _opt(current.gateway), str(wanted.gateway))
        elif strict and current.gateway is not None and current.gateway not in default_gateways(wanted):
            yield OptionDifference(f"{name}.gateway", str(current.gateway), None)
        if wanted.aux is not None or strict:
            before, after = dict(current.aux or ()), dict(wanted.aux or ())
            for host in sorted(before.keys() | after.keys()):
                if before.get(host) != after.get(host):
                    yield OptionDifference(
                        f"{name}.aux_addresses.{host}", _opt(before.get(host)), _opt(after.get(host))
                    )
    if strict:
        # The engine chooses the block of a family that the item has no block of, so one block of it is as declared.
        families = {block.family for block in item.blocks or ()}
        chosen: set[int] = set()
        for block in left:
            if block.family in families or block.family in chosen:
                yield OptionDifference(f"ipam_config[{block.subnet}]", str(block.subnet), None)
            chosen.add(block.family)


def _opt(value: object) -> str | None:
    return None if value is None else str(value)


def default_gateways(block: Block) -> tuple[IPAddress, ...]:
    """Return the possible gateways of a block without one, the most likely first.

    Engines use the first address of the range, or the second.
    """
    if block.ip_range is None or block.ip_range[0] == block.subnet[0]:
        return (block.subnet[1],)
    return (block.ip_range[0], block.ip_range[1], block.subnet[1])


def gives_configuration(item: Item) -> bool:
    """Whether the item sets an option that a network with ``config_from`` inherits."""
    return any(getattr(item, option.key) for option in ENGINE_OPTIONS if option.inherited)
