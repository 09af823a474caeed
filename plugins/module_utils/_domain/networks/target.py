# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network that an item describes, and whether a network that exists is that network."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import OWNER_LABEL, OWNER_VALUE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import (
    differences,
    gives_configuration,
    pair_blocks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    ENABLE_IPV4,
    ENABLE_IPV6,
    VXLAN_IDS,
    Block,
    Definition,
    Item,
    ObservedNetwork,
    Pairs,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    ENGINE_OPTIONS,
    natural_scope,
)

# Driver options that engines add to those of the user.
_WRITTEN_BY_ENGINE = frozenset((ENABLE_IPV4, ENABLE_IPV6, VXLAN_IDS))


def without_engine_options(definition: Definition, item: Item | None) -> Definition:
    """The network without the driver options that the engine added; an option that the item declares stays."""
    declared = dict(item.driver_options or ()) if item is not None else {}
    added = _WRITTEN_BY_ENGINE - declared.keys()
    kept = tuple(pair for pair in definition.driver_options if pair[0] not in added)
    return dataclasses.replace(definition, driver_options=kept)


def target(
    item: Item, observed: ObservedNetwork | None, strict: bool, configs: t.Mapping[str, Definition]
) -> Definition:
    """Return the planned network: the item's options, for others what is observed, else the engine's defaults.

    ``configs`` are the planned configuration networks by name; a network with ``config_from`` takes their options.
    """
    have = Definition(item.name, driver=item.driver or "bridge")
    if observed is not None:
        have = without_engine_options(observed.definition, item)
    driver = "null" if item.config_only else item.driver or have.driver
    if not item.config_only and driver == "null":
        driver = "bridge"  # a configuration network becomes a real one
    same_kind = driver == have.driver
    kept_options: Pairs = have.driver_options if same_kind and item.config_from is None else ()
    values = {
        option.key: _given(getattr(item, option.key), getattr(have, option.key)) for option in ENGINE_OPTIONS
    }  # the options below do not follow this rule
    values.update(
        driver=driver,
        driver_options=pairs({**dict(kept_options), **dict(item.driver_options or ())}),
        blocks=_target_blocks(item, have, strict),
        scope=item.scope or (have.scope if observed is not None and same_kind else natural_scope(driver)),
        labels=_target_labels(item, have, strict and not item.adopt),
        config_from=item.config_from or ("" if gives_configuration(item) else have.config_from),
    )
    definition = Definition(name=item.name, **values)
    config = configs.get(definition.config_from)
    if config is None:
        return definition
    inherited = {option.key: getattr(config, option.key) for option in ENGINE_OPTIONS if option.inherited}
    return dataclasses.replace(definition, **inherited)


def _given(value: t.Any, kept: t.Any) -> t.Any:
    return kept if value is None else value


def _target_labels(item: Item, have: Definition, strict: bool) -> Pairs:
    kept = {} if strict else dict(have.labels)
    return pairs({**kept, **dict(item.labels or ()), OWNER_LABEL: OWNER_VALUE})


def _target_blocks(item: Item, have: Definition, strict: bool) -> tuple[Block, ...]:
    pairs_, left = pair_blocks(item.blocks or (), have.blocks)
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


def same_network(wanted: Definition, found: ObservedNetwork) -> bool:
    """Whether a network that another program created is the planned one; what the engine chose is not compared."""
    inherits = bool(wanted.config_from)
    given = {
        option.key: getattr(wanted, option.key)
        for option in ENGINE_OPTIONS
        if not (inherits and option.inherited) and getattr(wanted, option.key) != ""
    }
    return not differences(Item(path=wanted.name, name=wanted.name, **given), found, strict=False)
