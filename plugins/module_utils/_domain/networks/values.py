# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which values a network can have. The declaration and the module ``networks`` share these checks.

A check returns the reason why an engine or a kernel rejects the value, or None. The reader of the value raises the
error, since only it knows the path and the form in which the user wrote the value.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    BRIDGE_PREFIX,
    HOST_ADDRESSES,
    MTU,
    MTU_MAX,
    MTU_MIN,
    MTU_MIN_V6,
    OWNER_LABEL,
    OWNER_VALUE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import (
    bridge_name_problem,
    interface_name_problem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    FLAG_OPTIONS,
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
    GATEWAY_MODES,
    PREDEFINED,
    VXLAN_IDS,
    Block,
    IPNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    DRIVER_OPTION_OF,
    SHORT_NAME_OF,
)

# Driver options with fixed values.
_CHOICES = {
    GATEWAY_MODE_IPV4: GATEWAY_MODES,
    GATEWAY_MODE_IPV6: GATEWAY_MODES,
    "macvlan_mode": ("bridge", "private", "vepa", "passthru"),
    "ipvlan_mode": ("l2", "l3", "l3s"),
    "ipvlan_flag": ("bridge", "private", "vepa"),
}
# Driver options that are addresses of the host, with their IP version.
_HOST_ADDRESS = {BRIDGE_PREFIX + "host_binding_ipv4": 4, **{key: version for version, key in HOST_ADDRESSES.items()}}
_VXLAN_ID_MAX = (1 << 24) - 1

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")  # moby, daemon/names
# Networks of others may have options with other digits, or any number of them.
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_FULL_ID = re.compile(r"[0-9a-f]{64}\Z")

_UNUSABLE = tuple(
    (ipaddress.ip_network(block), what)
    for block, what in (
        ("0.0.0.0/8", "addresses of 'this network'"),
        ("127.0.0.0/8", "loopback addresses"),
        ("224.0.0.0/4", "multicast addresses"),
        ("255.255.255.255/32", "the limited broadcast address"),
        ("::/127", "the unspecified and the loopback address"),
        ("::ffff:0:0/96", "IPv4-mapped addresses"),
        ("fe80::/10", "link-local addresses"),
        ("ff00::/8", "multicast addresses"),
    )
)


def name_problem(name: str) -> str | None:
    """Why the engine rejects the name of a network, or why no task can use it."""
    if name in PREDEFINED:
        return "is the name of one of the engine's own networks. Choose another name."
    if _FULL_ID.match(name):
        return "has the form of a network's id. Use the network's name, or choose another one."
    if not _NAME.match(name):
        return "must start with a letter or digit and contain only letters, digits, '_', '.' and '-'."
    return None


def driver_problem(driver: str) -> str | None:
    if driver in ("host", "null", "none"):
        return "is a driver with only one network, the engine's own. Choose another driver."
    return None


def unusable_space(block: IPNetwork) -> str | None:
    """Addresses of a block that cannot be given to containers."""
    return next(
        (what for unusable, what in _UNUSABLE if unusable.version == block.version and unusable.overlaps(block)), None
    )


def subnet_problem(subnet: IPNetwork) -> str | None:
    """Why a network cannot have this subnet."""
    what = unusable_space(subnet)
    if what is not None:
        return f"contains {what}. Use a private subnet, for example 10.64.1.0/24 or fd00:64::/64."
    if subnet.num_addresses < 4:
        return "has no room for a gateway and a container. Use a shorter prefix length."
    return None


class BlockProblem(t.NamedTuple):
    """``option`` is ``subnet``, ``ip_range``, ``gateway`` or ``aux_addresses.NAME``."""

    option: str
    reason: str


def block_problem(block: Block) -> BlockProblem | None:
    """Why a network cannot have this address block."""
    subnet = block.subnet
    problem = subnet_problem(subnet)
    if problem is not None:
        return BlockProblem("subnet", problem)
    inside = block.ip_range
    if inside is not None and (inside.version != subnet.version or not inside.subnet_of(subnet)):  # type: ignore[arg-type]
        return BlockProblem("ip_range", f"is not in the subnet {subnet}. Use a part of it.")
    reserved: dict[object, str] = {}
    gateway = [] if block.gateway is None else [("gateway", block.gateway)]
    for option, address in [*gateway, *((f"aux_addresses.{name}", value) for name, value in block.aux or ())]:
        if address not in subnet:
            return BlockProblem(option, f"is not in the subnet {subnet}. Use an address of it.")
        if address == subnet.network_address:
            return BlockProblem(option, f"is the first address of the subnet {subnet}. No interface can have it.")
        if subnet.version == 4 and address == subnet.broadcast_address:
            return BlockProblem(option, f"is the broadcast address of the subnet {subnet}. No interface can have it.")
        other = reserved.setdefault(address, option)
        if other != option:
            return BlockProblem(option, f"is the same address as {other}. Remove one of them.")
    return None


def mtu_problem(mtu: int, has_ipv6: bool) -> str | None:
    if has_ipv6 and mtu < MTU_MIN_V6:
        return f"is too small for a network with IPv6. Use {MTU_MIN_V6} or more."
    return None


def canonical_option(key: str, value: str | None) -> str | None:
    """The value of a driver option in one spelling: the engine reads booleans as Go does."""
    if value is None:
        return None
    if key in FLAG_OPTIONS:
        lowered = value.lower()
        return "true" if lowered in ("1", "t", "true") else "false" if lowered in ("0", "f", "false") else value
    if key == VXLAN_IDS:
        return ",".join(str(int(each)) if _NUMBER.match(each) else each for each in value.split(","))
    return str(int(value)) if key == MTU and _NUMBER.match(value) else value


def driver_option_problem(key: str, value: str, driver: str | None) -> str | None:
    """Why a network of this driver (None: not known) cannot have this driver option.

    Some engines reject such a value only when they create the network, others ignore it.
    """
    if key.startswith(BRIDGE_PREFIX) and driver not in (None, "bridge"):
        return f"is an option of the bridge driver, and the driver is {driver}. Remove one of them."
    if key == BRIDGE_NAME:
        return bridge_name_problem(value) if value.strip() else "must not be empty. Set it or leave it out."
    if key == MTU and not (re.match(r"[0-9]{1,5}\Z", value) and MTU_MIN <= int(value) <= MTU_MAX):
        return f"must be a whole number from {MTU_MIN} to {MTU_MAX}."
    if key in FLAG_OPTIONS and canonical_option(key, value) not in ("true", "false"):
        return "must be true or false."
    if key in _CHOICES and value not in _CHOICES[key]:
        return f"must be one of {', '.join(_CHOICES[key])}."
    if key in _HOST_ADDRESS and not _is_address(value, _HOST_ADDRESS[key]):
        return f"must be an IPv{_HOST_ADDRESS[key]} address of the host."
    if key == VXLAN_IDS:
        return _vxlan_ids_problem(value)
    if key == "parent":
        return interface_name_problem(value)
    return None


def _is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _vxlan_ids_problem(value: str) -> str | None:
    ids = value.split(",")
    if not all(re.match(r"[0-9]{1,8}\Z", each) and 1 <= int(each) <= _VXLAN_ID_MAX for each in ids):
        return f"must be whole numbers from 1 to {_VXLAN_ID_MAX}, separated by commas."
    if len({int(each) for each in ids}) < len(ids):
        return "contains an id twice. Use another id for each subnet."
    return None


def option_of(key: str, short: t.Container[str] = SHORT_NAME_OF.values()) -> str:
    """A driver option as in an item: ``mtu`` for ``com.docker.network.driver.mtu``, if ``mtu`` is in ``short``."""
    name = SHORT_NAME_OF.get(key, "")
    return name if name and name in short else f"driver_options.{key}"


class Contradiction(t.NamedTuple):
    """A short option and the driver option that contradicts it."""

    option: str
    reason: str


def contradiction(given: t.Mapping[str, str], short: t.Mapping[str, str]) -> Contradiction | None:
    """The first short option (``mtu``) with another value than the driver option that it stands for."""
    for option, value in short.items():
        key = DRIVER_OPTION_OF[option]
        if key in given and canonical_option(key, given[key]) != canonical_option(key, value):
            reason = f"contradicts driver_options.{key}, which is {given[key]!r}. Remove one of them."
            return Contradiction(option, reason)
    return None


def label_problem(key: str, value: str) -> str | None:
    if key == OWNER_LABEL and value != OWNER_VALUE:
        return f"is the label that marks this collection's networks, and its value is {OWNER_VALUE!r}. Leave it out."
    return None
