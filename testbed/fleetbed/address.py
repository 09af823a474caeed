"""Choose subnets for the underlay that do not overlap with any other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from .errors import FleetError

#: Ranges to choose from, in this order. The last one is reserved for benchmarks (RFC 2544). It is free even if a VPN
#: uses all private addresses.
RANGES = (IPv4Network("10.213.0.0/16"), IPv4Network("192.168.128.0/17"), IPv4Network("198.18.0.0/15"))

#: The range for containers of fleets. The underlay does not use it.
CONTAINERS = IPv4Network("10.64.0.0/10")

PREFIX = 24
MACHINE, WORLD, FIRST_HOST = 1, 2, 11
MAX_HOSTS = 200


def choose(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return a subnet for one segment that does not overlap with `taken`. Raises FleetError if no subnet is free."""
    busy = [CONTAINERS, *(network for network in taken if network.prefixlen > 0)]
    for candidate in _candidates():
        if not any(candidate.overlaps(network) for network in busy):
            return candidate
    raise FleetError("no free address range found for the underlay. Remove a fleet, see `script/fleet status`")


def machine(subnet: IPv4Network) -> IPv4Address:
    """Return the address of this machine in a segment."""
    return subnet[MACHINE]


def world(subnet: IPv4Network) -> IPv4Address:
    """Return the address of the world in a segment: the gateway of its hosts."""
    return subnet[WORLD]


def host(subnet: IPv4Network, number: int) -> IPv4Address:
    """Return the address of the host with this number: h1 is .11, independent of other hosts."""
    return subnet[FIRST_HOST + number - 1]


def parse(texts: Iterable[str]) -> Iterator[IPv4Network]:
    """Yield the valid IPv4 networks among these texts. An address is a network of prefix length 32."""
    for text in texts:
        try:
            yield IPv4Network(text, strict=False)
        except ValueError:
            continue


def _candidates() -> Iterator[IPv4Network]:
    for space in RANGES:
        yield from space.subnets(new_prefix=PREFIX)
