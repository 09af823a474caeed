# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drift: in which options a network differs from its declaration, and what it is to become."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    BRIDGE_NAME,
    FLAG_OPTIONS,
    MTU,
    MTU_DEFAULT,
    OWNER_LABEL,
    OWNER_VALUE,
    SHORT_NAME_OF,
    Block,
    Definition,
    IPAddress,
    Item,
    ObservedNetwork,
    Pairs,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.wire import natural_scope

_BRIDGE = "com.docker.network.bridge."
# What the bridge driver does where an option is not given: saying so is no difference.
_OPTION_DEFAULTS = {
    _BRIDGE + "enable_ip_masquerade": "true",
    _BRIDGE + "enable_icc": "true",
    _BRIDGE + "inhibit_ipv4": "false",
    _BRIDGE + "gateway_mode_ipv4": "nat",
    _BRIDGE + "gateway_mode_ipv6": "nat",
    MTU: str(MTU_DEFAULT),
}
# Plain fields of Item and Definition, compared where the item gives them.
_PLAIN = ("driver", "ipam_driver", "enable_ipv4", "enable_ipv6", "internal", "attachable", "ingress", "scope")
_OWNER_PREFIX = OWNER_LABEL.rpartition(".")[0] + "."


@dataclasses.dataclass(frozen=True)
class Difference:
    """One option: what the network has and what the item asks for, as text; None is "not there"."""

    option: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.option} {_shown(self.before)} -> {_shown(self.after)}"


def _shown(value: str | None) -> str:
    return "none" if value is None else value or "''"


def option_name(key: str) -> str:
    """A driver option as the user writes it: ``mtu`` for ``com.docker.network.driver.mtu``."""
    return SHORT_NAME_OF.get(key, f"driver_options.{key}")


def as_text(value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differences(item: Item, observed: ObservedNetwork, strict: bool) -> tuple[Difference, ...]:
    """Option by option. Without ``strict`` only what the item gives is compared.

    With ``strict`` fewer labels, gateways, ranges, reserved addresses or address blocks than the network has count
    too. Our ownership label never counts: a network that lacks only that fits.
    """
    have = observed.definition
    found: list[Difference] = []

    def compare(option: str, before: t.Any, after: t.Any) -> None:
        if before != after:
            texts = [None if value in (None, "") else as_text(value) for value in (before, after)]
            found.append(Difference(option, texts[0], texts[1]))

    wanted_driver = "null" if item.config_only else item.driver
    for option in _PLAIN:
        wanted = wanted_driver if option == "driver" else getattr(item, option)
        if wanted is not None:
            compare(option, getattr(have, option), wanted)
    if item.config_only is not None:
        compare("config_only", have.config_only, item.config_only)
    if item.config_from is not None:
        compare("config_from", have.config_from, item.config_from)
    if item.ipam_driver_options is not None and item.ipam_driver_options != have.ipam_driver_options:
        compare("ipam_driver_options", dict(have.ipam_driver_options), dict(item.ipam_driver_options))
    found.extend(_option_differences(item, observed))
    if not have.config_from or gives_configuration(item):  # else they are compared on the configuration network
        found.extend(_block_differences(item, have, strict))
        found.extend(_label_differences(item, have, strict))
    return tuple(found)


def _option_differences(item: Item, observed: ObservedNetwork) -> t.Iterator[Difference]:
    have = dict(observed.definition.driver_options)
    if observed.bridge:
        have.setdefault(BRIDGE_NAME, observed.bridge)
    is_bridge = observed.definition.driver == "bridge"
    for key, wanted in item.driver_options or ():
        default = _OPTION_DEFAULTS.get(key) if is_bridge else None
        if _canonical(key, have.get(key, default)) != _canonical(key, wanted):
            yield Difference(option_name(key), have.get(key), wanted)


def _canonical(key: str, value: str | None) -> str | None:
    """Boolean options in one spelling; the engine reads them as Go does."""
    if key in FLAG_OPTIONS and value is not None:
        lowered = value.lower()
        return "true" if lowered in ("1", "t", "true") else "false" if lowered in ("0", "f", "false") else value
    return value


def _label_differences(item: Item, have: Definition, strict: bool) -> t.Iterator[Difference]:
    wanted, labels = dict(item.labels or ()), dict(have.labels)
    for key, value in sorted(wanted.items()):
        if labels.get(key) != value:
            yield Difference(f"labels.{key}", labels.get(key), value)
    for key in sorted(labels.keys() - wanted.keys()) if strict else ():
        if not key.startswith(_OWNER_PREFIX):
            yield Difference(f"labels.{key}", labels[key], None)


def pair_blocks(item: Item, have: Definition) -> tuple[list[tuple[int, Block, Block | None]], list[Block]]:
    """Which block of the network each block of the item means: the one with its subnet, else the next of its family.

    Returns (index, block of the item, block of the network or None) for each block of the item, and the network's
    blocks that are left over.
    """
    left = list(have.blocks)
    partner: dict[int, Block] = {}
    wanted = list(enumerate(item.blocks or ()))
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


def _block_differences(item: Item, have: Definition, strict: bool) -> t.Iterator[Difference]:
    pairs_, left = pair_blocks(item, have)
    for index, wanted, current in pairs_:
        name = f"ipam_config[{index}]"
        if current is None or current.subnet != wanted.subnet:
            yield Difference(f"{name}.subnet", str(current.subnet) if current else None, str(wanted.subnet))
            continue
        if wanted.ip_range != current.ip_range and (wanted.ip_range is not None or strict):
            yield Difference(f"{name}.ip_range", _opt(current.ip_range), _opt(wanted.ip_range))
        if wanted.gateway is not None:
            if wanted.gateway != current.gateway and not (
                current.gateway is None and wanted.gateway in default_gateways(current)
            ):
                yield Difference(f"{name}.gateway", _opt(current.gateway), str(wanted.gateway))
        elif strict and current.gateway is not None and current.gateway not in default_gateways(wanted):
            yield Difference(f"{name}.gateway", str(current.gateway), None)
        if wanted.aux is not None or strict:
            before, after = dict(current.aux or ()), dict(wanted.aux or ())
            for host in sorted(before.keys() | after.keys()):
                if before.get(host) != after.get(host):
                    yield Difference(f"{name}.aux_addresses.{host}", _opt(before.get(host)), _opt(after.get(host)))
    if strict:
        # A family without a block in the item is the engine's to choose, so one block of it is as declared.
        families = {block.family for block in item.blocks or ()}
        chosen: set[int] = set()
        for block in left:
            if block.family in families or block.family in chosen:
                yield Difference(f"ipam_config[{block.subnet}]", str(block.subnet), None)
            chosen.add(block.family)


def _opt(value: object) -> str | None:
    return None if value is None else str(value)


def default_gateways(block: Block) -> tuple[IPAddress, ...]:
    """What may be the gateway where none is given, the likeliest first.

    Engines take the first address of the range, which for a range within the subnet may be its very first.
    """
    if block.ip_range is None or block.ip_range[0] == block.subnet[0]:
        return (block.subnet[1],)
    return (block.ip_range[0], block.ip_range[1], block.subnet[1])


def target(
    item: Item, observed: ObservedNetwork | None, strict: bool, configs: t.Mapping[str, Definition]
) -> Definition:
    """What the network is to be: the item, and for what it omits what is there, else the engine's defaults.

    ``configs`` are the configuration networks by name, as they will be; a network made from one takes its options.
    """
    have = observed.definition if observed is not None else Definition(item.name, driver=item.driver or "bridge")
    driver = "null" if item.config_only else item.driver or have.driver
    if not item.config_only and driver == "null":
        driver = "bridge"  # a configuration network becomes a real one
    same_kind = driver == have.driver
    kept_options: Pairs = have.driver_options if same_kind and item.config_from is None else ()
    definition = Definition(
        name=item.name,
        driver=driver,
        driver_options=pairs({**dict(kept_options), **dict(item.driver_options or ())}),
        ipam_driver=item.ipam_driver or have.ipam_driver,
        ipam_driver_options=_given(item.ipam_driver_options, have.ipam_driver_options),
        blocks=_target_blocks(item, have, strict),
        enable_ipv4=_given(item.enable_ipv4, have.enable_ipv4),
        enable_ipv6=_given(item.enable_ipv6, have.enable_ipv6),
        internal=_given(item.internal, have.internal),
        attachable=_given(item.attachable, have.attachable),
        ingress=_given(item.ingress, have.ingress),
        scope=item.scope or (have.scope if observed is not None and same_kind else natural_scope(driver)),
        labels=_target_labels(item, have, strict),
        config_only=_given(item.config_only, have.config_only),
        config_from=item.config_from or ("" if gives_configuration(item) else have.config_from),
    )
    config = configs.get(definition.config_from)
    if config is None:
        return definition
    inherited = ("driver_options", "ipam_driver", "ipam_driver_options", "blocks", "enable_ipv6", "labels")
    return dataclasses.replace(definition, **{name: getattr(config, name) for name in inherited})


def gives_configuration(item: Item) -> bool:
    """Whether the item gives something that a network with ``config_from`` can only take from there."""
    ipam = (item.ipam_driver, item.ipam_driver_options, item.blocks, item.enable_ipv6)
    return any((*ipam, item.driver_options, item.labels))


def _given(value: t.Any, kept: t.Any) -> t.Any:
    return kept if value is None else value


def _target_labels(item: Item, have: Definition, strict: bool) -> Pairs:
    kept = {} if strict else dict(have.labels)
    return pairs({**kept, **dict(item.labels or ()), OWNER_LABEL: OWNER_VALUE})


def _target_blocks(item: Item, have: Definition, strict: bool) -> tuple[Block, ...]:
    pairs_, left = pair_blocks(item, have)
    blocks: list[Block] = []
    for _index, wanted, current in pairs_:
        if current is not None and current.subnet == wanted.subnet and not strict:
            wanted = dataclasses.replace(
                wanted,
                ip_range=_given(wanted.ip_range, current.ip_range),
                gateway=_given(wanted.gateway, current.gateway),
                aux=_given(wanted.aux, current.aux),
            )
        blocks.append(wanted)
    families = {block.family for block in item.blocks or ()}
    wants = {4: item.enable_ipv4 is not False, 6: _given(item.enable_ipv6, have.enable_ipv6)}
    chosen: set[int] = set()
    for block in left:
        keep = block.family not in families and block.family not in chosen if strict else True
        if keep and wants[block.family]:
            blocks.append(block)
        chosen.add(block.family)
    return tuple(blocks)
