"""Chooses the underlay's addresses so that they collide with nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from .errors import FleetError

#: Ranges to look in, in this order. The last is for testing networks (RFC 2544) and in use nowhere, so it is free
#: even where a VPN claims all private addresses.
RANGES = (IPv4Network("10.213.0.0/16"), IPv4Network("192.168.128.0/17"), IPv4Network("198.18.0.0/15"))

#: Where fleets have their containers; the underlay keeps clear of it.
CONTAINERS = IPv4Network("10.64.0.0/10")

PREFIX = 24
MACHINE, WORLD, FIRST_HOST = 1, 2, 11
MOST_HOSTS = 200


def choose(taken: Iterable[IPv4Network]) -> IPv4Network:
    """A subnet for one link that overlaps nothing that is taken."""
    busy = [CONTAINERS, *(network for network in taken if network.prefixlen > 0)]
    for candidate in _candidates():
        if not any(candidate.overlaps(network) for network in busy):
            return candidate
    raise FleetError("no address range is free for the underlay: remove a fleet, see `script/fleet status`")


def machine(subnet: IPv4Network) -> IPv4Address:
    """The address of this machine on a link."""
    return subnet[MACHINE]


def world(subnet: IPv4Network) -> IPv4Address:
    """The address of the world on a link, gateway of its hosts."""
    return subnet[WORLD]


def host(subnet: IPv4Network, number: int) -> IPv4Address:
    """The address of the host with this number: h1 is .11, wherever else hosts come or go."""
    return subnet[FIRST_HOST + number - 1]


def parse(texts: Iterable[str]) -> Iterator[IPv4Network]:
    """The IPv4 networks among these texts (addresses count as networks of one)."""
    for text in texts:
        try:
            yield IPv4Network(text, strict=False)
        except ValueError:
            continue


def _candidates() -> Iterator[IPv4Network]:
    for space in RANGES:
        yield from space.subnets(new_prefix=PREFIX)
