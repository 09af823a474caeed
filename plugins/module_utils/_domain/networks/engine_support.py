# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine supports, by its version and by what it reports."""

from __future__ import annotations

import dataclasses

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
    Definition,
    Item,
    Version,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    ENGINE_OPTIONS,
    SHORT_NAME_OF,
)

# The first engine with each gateway mode. Before 27 every network behaves like nat-unprotected of 28.
_MODE_SINCE = {"nat": (27, 0), "routed": (27, 0), "nat-unprotected": (28, 0), "isolated": (28, 0)}
_IMPLICIT_MODE = {"nat": (27, 0), "nat-unprotected": (28, 0)}


_BUILT_IN = ("bridge", "macvlan", "ipvlan")


@dataclasses.dataclass(frozen=True)
class EngineFacts:
    """What the engine reports about itself beyond its version."""

    drivers: frozenset[str] = frozenset()
    swarm_manager: bool = False
    ipv6_pools: bool = False


def needs_facts(item: Item) -> bool:
    """Whether :func:`check_engine` needs the engine's facts for this item."""
    unusual = item.driver is not None and item.driver not in _BUILT_IN
    return bool(unusual or item.scope in ("swarm", "global") or item.ingress or _wants_ipv6_pool(item))


def _wants_ipv6_pool(item: Item) -> bool:
    return bool(item.enable_ipv6) and not any(block.family == 6 for block in item.blocks or ())


def check_engine(item: Item, wanted: Definition, version: Version, facts: EngineFacts) -> None:
    """Raise InvalidValue for what the engine would reject, so that check mode fails as the run would."""
    if item.driver is not None and wanted.driver not in facts.drivers | {*_BUILT_IN, "null"}:
        known = ", ".join(sorted(facts.drivers))
        raise InvalidValue(item.where("driver"), item.driver, f"is not a driver of this engine. Use one of {known}.")
    for name, requested in (
        ("driver", item.driver == "overlay"),
        ("scope", item.scope == "swarm" or (item.scope == "global" and version < (26,))),
        ("ingress", item.ingress),
    ):
        if requested and not facts.swarm_manager:
            value = getattr(wanted, name)
            raise InvalidValue(
                item.where(name), value, "requires a swarm manager, and this host is not one. Remove it."
            )
    pool_needed = wanted.enable_ipv6 and not any(block.family == 6 for block in wanted.blocks)
    if pool_needed and not wanted.config_only and version < (27,) and not facts.ipv6_pools:
        raise InvalidValue(
            item.where("enable_ipv6"),
            True,
            f"engine {_text(version)} has no IPv6 address pool. Add an IPv6 subnet to ipam_config.",
        )


def for_engine(item: Item, version: Version) -> Item:
    """Return the item without options that are this engine's behavior anyway. Raises Unsupported for newer options."""
    for option in ENGINE_OPTIONS:
        value = getattr(item, option.key)
        if version < option.since and value not in (None, option.default):
            needed = _text(option.since)
            raise Unsupported(
                f"{item.where(option.name)}: {value!r}: requires engine {needed} or newer, and this is "
                f"{_text(version)}. Remove it."
            )
    options = dict(item.driver_options or ())
    for key in (GATEWAY_MODE_IPV4, GATEWAY_MODE_IPV6):
        short = SHORT_NAME_OF[key]
        mode = options.get(key)
        if mode is None or mode not in _MODE_SINCE or version >= _MODE_SINCE[mode]:
            continue
        if mode not in _IMPLICIT_MODE:
            needed = _text(_MODE_SINCE[mode])
            raise Unsupported(
                f"{item.where(short)}: {mode!r}: requires engine {needed} or newer, and this is {_text(version)}. "
                "Choose another mode or remove it."
            )
        del options[key]
    if item.driver_options is None:
        return item
    return dataclasses.replace(item, driver_options=pairs(options))


def _text(version: Version) -> str:
    return ".".join(str(part) for part in version)
