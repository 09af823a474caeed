# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reject a new subnet of docker0 that overlaps with addresses that the host uses.

dockerd compares with on-link routes only, and not at all if the subnet is configured: it takes the addresses of a LAN,
or the route to the administrator, silently.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

Subnet = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_HALF_OF_EVERYTHING = 1  # VPNs write a default route as two halves


class AddressesInUse(t.NamedTuple):
    """What docker0's subnet must not overlap with.

    ``links`` and ``routes`` as in ``observed.host``; ``networks`` are the engine's others: names and subnets;
    ``client`` is the source address of the administrator's SSH connection.
    """

    links: t.Sequence[t.Mapping[str, t.Any]] = ()
    routes: t.Sequence[t.Mapping[str, t.Any]] = ()
    networks: tuple[tuple[str, str], ...] = ()
    name_servers: tuple[str, ...] = ()
    client: str | None = None


def check_overlap(
    option: str, value: str, bridges: t.Collection[str], in_use: AddressesInUse, allowed: t.Sequence[str]
) -> None:
    """Raise InvalidValue for the first address or network in use that the network of ``value`` overlaps with.

    ``bridges`` are the names of docker0 and of its replacements: their own addresses and routes do not count.
    ``allowed`` are networks that it may overlap with.
    """
    subnet = ipaddress.ip_interface(value).network
    exempt = [ipaddress.ip_network(network) for network in allowed]
    for other, what in _networks(bridges, in_use):
        if _overlap(subnet, other) and not any(_inside(other, network) for network in exempt):
            raise InvalidValue(
                option,
                value,
                f"{subnet} overlaps with {what}. Choose another subnet, or add {other} to allow_overlap if nothing "
                f"there uses these addresses. Nothing was changed",
            )
    for address, what in _addresses(in_use):
        if address in subnet:
            reason = f"{subnet} contains {what}, which would become unreachable. Choose another subnet. "
            raise InvalidValue(option, value, f"{reason}Nothing was changed")


def check_network(network: str) -> None:
    """Raise InvalidValue if an item of ``allow_overlap`` is not a network."""
    try:
        ipaddress.ip_network(network)
    except ValueError as error:
        raise InvalidValue("allow_overlap", network, f"must be a network ({error})") from None


def _networks(bridges: t.Collection[str], in_use: AddressesInUse) -> t.Iterator[tuple[Subnet, str]]:
    for name, text in in_use.networks:
        yield ipaddress.ip_network(text), f"the Docker network {name} ({text})"
    for link in in_use.links:
        if link["name"] not in bridges:
            for text in link["addresses"]:
                address = ipaddress.ip_interface(text)
                if not address.is_link_local and not address.is_loopback:
                    yield address.network, f"the interface {link['name']} ({text})"
    for route in in_use.routes:
        network = ipaddress.ip_network(route["destination"])
        if route["device"] in bridges or network.prefixlen <= _HALF_OF_EVERYTHING:
            continue
        if network.is_link_local or network.is_multicast:
            continue
        if route["protocol"] == ROUTE_PROTOCOL:  # routes of this collection follow the plan, also if docker0 moves
            continue
        words = [f"the route to {network}"]
        words += [f"via {route['gateway']}"] if route["gateway"] else []
        words += [f"dev {route['device']}"] if route["device"] else []
        yield network, " ".join(words)


def _addresses(in_use: AddressesInUse) -> t.Iterator[tuple[t.Any, str]]:
    if in_use.client:
        yield (
            ipaddress.ip_address(in_use.client.split("%")[0]),
            f"{in_use.client}, the source of this SSH connection",
        )
    for server in in_use.name_servers:
        yield ipaddress.ip_address(server), f"the name server {server}"


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _inside(inner: Subnet, outer: t.Any) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)
