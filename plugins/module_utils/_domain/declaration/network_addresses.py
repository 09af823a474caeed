# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse a declared network's subnets, and the addresses within them."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    block_size,
    format_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields

# The prefix length of a network's slot in an IPv6 block; address autoconfiguration requires it.
LENGTH_V6 = 64
# Drivers that put containers on the host's own segment: several hosts can have the LAN's subnet.
ON_THE_LAN = ("ipvlan", "macvlan")


def parse_subnets(fields: Fields, key: str) -> tuple[Prefix, ...]:
    """Parse pinned subnets, IPv4 first; empty if the network has a slot in each host's block."""
    subnets = fields.prefixes(key)
    if len({subnet.version for subnet in subnets}) < len(subnets):
        raise fields.fail(key, "contains two subnets of one IP version. Set at most one of each.")
    return tuple(sorted(subnets))


def parse_host_subnets(fields: Fields, driver: str, versions: t.Collection[int]) -> dict[str, tuple[Prefix, ...]]:
    """Parse the subnets that the network has on single hosts, by host. ``versions`` are those of the supernets."""
    by_host = fields.mapping("subnets")
    if not by_host:
        return {}
    if fields.host:
        raise fields.fail("subnets", "requires a network of the whole fleet. Set subnet for a network of one host.")
    if fields.has("subnet"):
        raise fields.fail("subnets", "contradicts subnet. Remove one of them.")
    if driver != "bridge":
        raise fields.fail("subnets", f"requires driver bridge, and the driver is {driver}. Set subnet.")
    inner = Fields(by_host, fields.at("subnets"), list(by_host))
    found = {}
    for host in sorted(by_host):
        found[host] = parse_subnets(inner, host)
        if not found[host]:
            raise inner.fail(host, "must be an address block or a list of them. Without one, leave the host out.")
        for subnet in found[host]:
            if subnet.version not in versions:
                raise inner.refuse(host, str(subnet), f"requires an IPv{subnet.version} supernet. Leave it out.")
    return found


def parse_places(fields: Fields, key: str, value: t.Any, subnets: tuple[Prefix, ...], length: int) -> dict[int, int]:
    """Parse addresses in the subnet: one number for both IP versions, or addresses of pinned subnets.

    Return offsets in the subnet by IP version.
    """
    places: dict[int, int] = {}
    if value is None:
        return places
    if isinstance(value, int) and not isinstance(value, bool):
        # The IPv4 subnet is the smaller one.
        size = block_size(4, length)
        if not (1 <= value <= size - 2 or 1 - size <= value <= -2):
            raise fields.refuse(
                key, value, f"must be from 1 to {size - 2} in a subnet of /{length}, or from -2 down to {1 - size}."
            )
        return {4: value, 6: value}
    what = "gateway" if key == "gateway" else "address"
    for text in value if isinstance(value, (list, tuple)) else [value]:
        version, address = fields.parse_address(key, text)
        if not subnets:
            raise fields.refuse(
                key,
                text,
                f"cannot be an address: the network has another subnet on each host. Set the {what}'s number in the "
                "subnet (1, or -2 for the last but one), or pin the network's subnet.",
            )
        subnet = next((pinned for pinned in subnets if pinned.version == version), None)
        if subnet is None:
            raise fields.refuse(key, text, f"is not in the subnet {subnets[0]}. Use an address of it.")
        if version in places:
            raise fields.refuse(key, text, f"is the second IPv{version} address. Set at most one.")
        places[version] = address - subnet.address
    return places


def parse_ranges(
    fields: Fields, driver: str, subnets: tuple[Prefix, ...], length: int, versions: t.Sequence[int]
) -> tuple[dict[int, Prefix], dict[str, dict[int, Prefix]]]:
    """Parse the ranges that containers get addresses from: those of all hosts, and those by host."""
    value = fields.raw("ip_range")
    if not isinstance(value, t.Mapping):
        return _parse_range(fields, "ip_range", subnets, length, versions), {}
    if driver not in ON_THE_LAN:
        raise fields.fail(
            "ip_range", f"is by host, which requires driver {' or '.join(ON_THE_LAN)}. Set one range for all hosts."
        )
    by_host = fields.mapping("ip_range")
    inner = Fields(by_host, fields.at("ip_range"), list(by_host), fields.host)
    return {}, {host: _parse_range(inner, host, subnets, length, versions) for host in sorted(by_host)}


def _parse_range(
    fields: Fields, key: str, subnets: tuple[Prefix, ...], length: int, versions: t.Sequence[int]
) -> dict[int, Prefix]:
    """Parse a range of each IP version; return them relative to the subnet's first address."""
    ranges: dict[int, Prefix] = {}
    for block in fields.prefixes(key):
        version = block.version
        if version in ranges:
            raise fields.refuse(key, str(block), f"is the second IPv{version} range. Set at most one.")
        if subnets:
            subnet = next((pinned for pinned in subnets if pinned.contains(block)), None)
            if subnet is None:
                names = " or ".join(str(pinned) for pinned in subnets)
                raise fields.refuse(key, str(block), f"is not in the subnet {names}. Use a part of it.")
            ranges[version] = Prefix(version, block.address - subnet.address, block.length)
            continue
        if version not in versions:
            raise fields.refuse(key, str(block), f"requires an IPv{version} supernet. Leave it out.")
        whole = Prefix(version, 0, length if version == 4 else LENGTH_V6)
        if not whole.contains(block):
            half = f"{format_address(version, whole.size // 2)}/{whole.length + 1}"
            raise fields.refuse(
                key,
                str(block),
                f"is not in the subnet: the network has another subnet of /{whole.length} on each host. Count the "
                f"range from the subnet's first address ({half} is the upper half), or pin the network's subnet.",
            )
        ranges[version] = block
    return ranges
