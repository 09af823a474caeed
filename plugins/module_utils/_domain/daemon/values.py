# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of single keys of daemon.json: whether dockerd can work with one, and whether two mean the same.

dockerd --validate exists from 23.0 on and accepts values that stop the daemon at its start, such as a bip that is a
network address. Therefore these checks run for every engine.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU_MAX, MTU_MIN, MTU_MIN_V6
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import Json
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

Check = t.Callable[[str, t.Any, Json], None]  # option, value, the merged daemon.json; raises InvalidValue
Normalize = t.Callable[[t.Any], t.Any]

_Interface = t.Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
_Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_ADDRESS_FORM = {4: "10.64.0.1/24", 6: "fd00:64::1/64"}
_NUMBER = r"(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})"
_MARK = re.compile(rf"{_NUMBER}(/{_NUMBER})?\Z")


def anything(_option: str, _value: t.Any, _config: Json) -> None:
    """For keys whose values only dockerd checks."""


def bridge_address(family: int) -> Check:
    """An address of the bridge with its prefix length."""

    def check(option: str, value: t.Any, _config: Json) -> None:
        if value:
            _bridge_address(option, value, family)

    return check


def fixed_range(family: int) -> Check:
    """A network that containers get addresses from, for IPv4 inside bip's network."""

    def check(option: str, value: t.Any, config: Json) -> None:
        if not value:
            return
        network = t.cast(
            _Network, _parse(option, value, ipaddress.ip_network, "must be a network, as in 10.64.0.128/25")
        )
        if network.version != family:
            raise InvalidValue(option, value, f"must be an IPv{family} network")
        if family == 4 and config.get("bip"):
            outer = _bridge_address("bip", config["bip"], 4).network
            if not network.subnet_of(t.cast(t.Any, outer)):
                reason = f"is not inside docker0's network {outer}, which bip declares. Change or unset {option}"
                raise InvalidValue(option, value, reason)
        if family == 6 and network.prefixlen > 126:
            raise InvalidValue(option, value, "leaves no address for a container. Use a larger network")

    return check


def gateway(family: int) -> Check:
    """An address, inside the network of bip or bip6 if that is given."""
    bridge = "bip" if family == 4 else "bip6"

    def check(option: str, value: t.Any, config: Json) -> None:
        if not value:
            return
        address(option, value, config)
        if config.get(bridge):
            network = _bridge_address(bridge, config[bridge], family).network
            if ipaddress.ip_address(value) not in network:
                raise InvalidValue(option, value, f"is not inside docker0's network {network}. Use an address of it")

    return check


def address(option: str, value: t.Any, _config: Json) -> None:
    _parse(option, value, ipaddress.ip_address, "must be an IP address")


def addresses(option: str, value: t.Any, _config: Json) -> None:
    for at, item in enumerate(value or []):
        _parse(f"{option}[{at}]", item, ipaddress.ip_address, "must be an IP address")


def mtu(option: str, value: t.Any, config: Json) -> None:
    smallest = MTU_MIN_V6 if config.get("ipv6") else MTU_MIN
    if value and not (isinstance(value, int) and smallest <= value <= MTU_MAX):
        raise InvalidValue(option, value, f"must be between {smallest} and {MTU_MAX} bytes")


def firewall_mark(option: str, value: t.Any, _config: Json) -> None:
    if value and not (isinstance(value, str) and _MARK.match(value)):
        raise InvalidValue(option, value, "must be MARK or MARK/MASK, as in 0x10/0xf0")


def address_pools(option: str, value: t.Any, _config: Json) -> None:
    pools: list[_Network] = []
    for at, pool in enumerate(value or []):
        base, size = pool.get("base"), pool.get("size")
        where = f"{option}[{at}]"
        network = _parse(where + ".base", base, ipaddress.ip_network, "must be a network, as in 10.64.8.0/21")
        if not isinstance(size, int) or not network.prefixlen <= size <= network.max_prefixlen:
            reason = f"must be a prefix length between the base's {network.prefixlen} and {network.max_prefixlen}"
            raise InvalidValue(where + ".size", size, reason)
        for other in pools:
            if network.version == other.version and network.overlaps(other):
                raise InvalidValue(where + ".base", base, f"overlaps with the pool {other}. Use another block")
        pools.append(network)


def as_it_is(value: t.Any) -> t.Any:
    """The normal form of numbers, booleans and mappings."""
    return value


def as_text(value: t.Any) -> t.Any:
    """The normal form of texts: dockerd treats an empty one as missing."""
    return None if value == "" else value


def as_address(value: t.Any) -> t.Any:
    """The normal form of addresses and networks."""
    if not isinstance(value, str) or not value:
        return as_text(value)
    try:
        return str(ipaddress.ip_interface(value)) if "/" in value else str(ipaddress.ip_address(value))
    except ValueError:
        return value


def as_list(value: t.Any) -> t.Any:
    """The normal form of lists: dockerd treats a missing one as empty."""
    return list(value or [])


def as_pools(value: t.Any) -> t.Any:
    """The normal form of address pools."""
    return [[str(ipaddress.ip_network(pool["base"])), pool["size"]] for pool in value or []]


def _bridge_address(option: str, value: t.Any, family: int) -> _Interface:
    form = f"must be docker0's IPv{family} address with its prefix length, as in {_ADDRESS_FORM[family]}"
    parsed = _parse(option, value, ipaddress.ip_interface, form)
    if parsed.version != family or "/" not in value:
        raise InvalidValue(option, value, form)
    network = parsed.network
    if parsed.ip == network.network_address or (family == 4 and parsed.ip == network.broadcast_address):
        first = next(iter(network.hosts()))
        raise InvalidValue(option, value, f"is not an address of a host in {network}. Use {first}")
    if family == 4 and network.prefixlen > 30:
        raise InvalidValue(option, value, "leaves no address for a container. Use a larger network")
    return t.cast(_Interface, parsed)


def _parse(option: str, value: object, parser: t.Callable[[t.Any], t.Any], reason: str) -> t.Any:
    if not isinstance(value, str):  # the ipaddress module accepts numbers
        raise InvalidValue(option, value, reason)
    try:
        return parser(value)
    except ValueError as error:
        detail = f" ({error})" if "host bits" in str(error) else ""
        raise InvalidValue(option, value, reason + detail) from None
