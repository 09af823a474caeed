# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver options of declared networks: those that the plan sets, and those that the collection's rules apply.

Every other option is passed to the engine as declared.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import HOST_ADDRESSES, OWN_ADDRESS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    ENABLE_ICC,
    ENABLE_IPV4,
    ENABLE_IPV6,
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
    INHIBIT_IPV4,
    MASQUERADE,
    TRUSTED_HOST_INTERFACES,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import canonical_option


class _Fixed(t.NamedTuple):
    """The value that the plan requires (None: the option cannot be declared), and the reason."""

    value: str | None
    reason: str


_VERSIONS = _Fixed(None, "the IP versions of a declared network follow from its subnets. Remove the option.")
_MODE = _Fixed(
    "nat-unprotected",
    "the collection sets 'nat-unprotected', since the engine drops packets from other hosts in other modes. Its own "
    "rules limit outside addresses to published ports. Remove the option. For packets to the outside with the "
    f"containers' own addresses, set {MASQUERADE} to false.",
)
_OF_ALL: dict[str, _Fixed] = {ENABLE_IPV4: _VERSIONS, ENABLE_IPV6: _VERSIONS}
_OF_BRIDGES: dict[str, _Fixed] = {
    INHIBIT_IPV4: _Fixed(
        "false",
        "the host routes to a declared network by the address of its bridge, and the collection's rules drop packets "
        "from a bridge without one. Remove the option.",
    ),
}
_OF_ROUTED: dict[str, _Fixed] = {
    ENABLE_ICC: _Fixed(
        "true",
        "the engine separates containers on the same host only, and the collection's rules allow all flows within a "
        "network of the fleet. Remove the option, and declare a network for each group of containers: flows between "
        "networks are denied unless a policy line allows them.",
    ),
    GATEWAY_MODE_IPV4: _MODE,
    GATEWAY_MODE_IPV6: _MODE,
    MASQUERADE: _Fixed(
        "false",
        "the collection's rules masquerade packets to the outside. The engine's rule would also masquerade packets to "
        "other hosts of the fleet. Remove the option.",
    ),
    TRUSTED_HOST_INTERFACES: _Fixed(
        None,
        "the collection's rules decide which outside addresses reach a declared network. Remove the option, and add a "
        "policy line from these addresses.",
    ),
}
# For a network of one host.
_ICC_V6 = _Fixed(
    "true",
    "engines before 27 separate containers in IPv4 only, and the network has an IPv6 subnet. Remove this subnet, or "
    "declare a network for each group of containers.",
)


def _fixed_options(driver: str, internal: bool) -> dict[str, _Fixed]:
    if driver != "bridge":
        return _OF_ALL
    return {**_OF_ALL, **_OF_BRIDGES} if internal else {**_OF_ALL, **_OF_BRIDGES, **_OF_ROUTED}


def check_driver_options(fields: Fields, driver: str, internal: bool, versions: t.Collection[int]) -> None:
    """Raise InvalidValue for a driver option that the plan or the collection's rules overrule.

    ``versions`` are the IP versions of the network.
    """
    fixed = dict(_fixed_options(driver, internal))
    if ENABLE_ICC in fixed and fields.host:  # the collection's rules do not allow flows within it, only the engine's do
        del fixed[ENABLE_ICC]
        if 6 in versions:
            fixed[ENABLE_ICC] = _ICC_V6
    for key, value in fields.pairs("driver_options") or ():
        if key in fixed and canonical_option(key, value) != fixed[key].value:
            raise fields.refuse(f"driver_options.{key}", value, f"cannot be set: {fixed[key].reason}")


def pinned_options(defaults: t.Mapping[str, t.Any], internal: bool) -> dict[str, str]:
    """The driver options of a bridge network whose value is another one by the engine's ``default_network_opts``."""
    pinned = {}
    for key, fixed in _fixed_options("bridge", internal).items():
        if (
            fixed.value in ("true", "false")
            and key != MASQUERADE
            and key in defaults
            and canonical_option(key, str(defaults[key])) != fixed.value
        ):
            pinned[key] = fixed.value
    return pinned


def adopted_options(internal: bool) -> dict[str, str]:
    """The driver options that a bridge network must have to be adopted, unless the declaration has others."""
    fixed = _fixed_options("bridge", internal)
    return {key: each.value for key, each in fixed.items() if each.value in ("true", "false") and key != MASQUERADE}


def egress_source(options: t.Mapping[str, str], version: int) -> str | None:
    """The source address of a routed network's packets to the outside, by its valid driver options.

    None for the address of the outgoing interface, :data:`OWN_ADDRESS` for the container's own.
    """
    if MASQUERADE in options:  # the only valid value is false
        return OWN_ADDRESS
    return options.get(HOST_ADDRESSES[version])
