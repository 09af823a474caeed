# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a network, one row each.

Parsing, comparison, the planned network, the request that creates it, the engine's answer and the description in a
diff follow from this table. A new option needs its row, its field in :class:`Item` and in :class:`Definition`, and its
documentation in the module; a new driver option with a short name needs its row and its documentation.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    MTU,
    MTU_MAX,
    MTU_MIN,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
    GATEWAY_MODES,
    MASQUERADE,
    SCOPES,
    Definition,
    Version,
)

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Definition)}


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of an item.

    ``api`` is the option's place in the engine's JSON of a network, in the request and in the answer alike.
    ``inherited``: a network with ``config_from`` has the value of its configuration network and cannot set another.
    ``needs_network``: a configuration network cannot have it. ``since`` is the first engine that takes another value
    than the default. ``driver_option`` is the driver option that this is a short name for.
    """

    name: str
    type: str = "str"  # as in the module's documentation
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    api: tuple[str, ...] = ()
    field: str = ""  # in Item and Definition; the name unless given
    inherited: bool = False
    needs_network: bool = False
    since: Version = ()
    driver_option: str = ""

    @property
    def key(self) -> str:
        """The name of the field in :class:`Item` and :class:`Definition`."""
        return self.field or self.name

    @property
    def default(self) -> t.Any:
        """The engine's default, for an option with a field in :class:`Definition`."""
        return _DEFAULTS[self.key]


# Names and meanings of community.docker.docker_network, then this collection's own.
TABLE = (
    Option("name", aliases=("network_name",)),
    Option("driver", api=("Driver",)),
    Option("driver_options", "dict", api=("Options",), inherited=True),
    Option("ipam_driver", api=("IPAM", "Driver"), inherited=True),
    Option("ipam_driver_options", "dict", api=("IPAM", "Options"), inherited=True),
    Option("ipam_config", "list", api=("IPAM", "Config"), field="blocks", inherited=True),
    Option("enable_ipv4", "bool", api=("EnableIPv4",), since=(28, 0)),
    Option("enable_ipv6", "bool", api=("EnableIPv6",), inherited=True),
    Option("internal", "bool", api=("Internal",), needs_network=True),
    Option("attachable", "bool", api=("Attachable",), needs_network=True),
    Option("ingress", "bool", api=("Ingress",), needs_network=True),
    Option("scope", choices=SCOPES, api=("Scope",), needs_network=True),
    Option("labels", "dict", api=("Labels",), inherited=True),
    Option("config_only", "bool", api=("ConfigOnly",)),
    Option("config_from", api=("ConfigFrom", "Network"), needs_network=True),
    Option("connected", "list", aliases=("containers",), needs_network=True),
    Option("appends", "bool", aliases=("incremental",)),
    Option("adopt", "bool"),
    Option("adopt_keeps", "list"),
    Option("mtu", "int", low=MTU_MIN, high=MTU_MAX, driver_option=MTU),
    Option("bridge_name", driver_option=BRIDGE_NAME),
    Option("masquerade", "bool", driver_option=MASQUERADE),
    Option("gateway_mode_ipv4", choices=GATEWAY_MODES, driver_option=GATEWAY_MODE_IPV4),
    Option("gateway_mode_ipv6", choices=GATEWAY_MODES, driver_option=GATEWAY_MODE_IPV6),
)
BLOCK_TABLE = (
    Option("subnet", api=("Subnet",)),
    Option("ip_range", aliases=("iprange",), api=("IPRange",)),
    Option("gateway", api=("Gateway",)),
    Option("aux_addresses", "dict", api=("AuxiliaryAddresses",), field="aux"),
)

BY_NAME = {option.name: option for option in TABLE}
# The options that the engine knows: each has a field in Item and in Definition.
ENGINE_OPTIONS = tuple(option for option in TABLE if option.api)
SHORT_OPTIONS = tuple(option for option in TABLE if option.driver_option)
DRIVER_OPTION_OF = {option.name: option.driver_option for option in SHORT_OPTIONS}
SHORT_NAME_OF = {long: short for short, long in DRIVER_OPTION_OF.items()}


def aliases(table: t.Iterable[Option]) -> dict[str, tuple[str, ...]]:
    """Each option's aliases by its name."""
    return {option.name: option.aliases for option in table}


def natural_scope(driver: str) -> str:
    """The engine's scope for a network of this driver."""
    return "swarm" if driver == "overlay" else "local"


def default_in(option: Option, definition: Definition) -> t.Any:
    """What the engine does if the request for this network leaves the option out."""
    return natural_scope(definition.driver) if option.name == "scope" else option.default
