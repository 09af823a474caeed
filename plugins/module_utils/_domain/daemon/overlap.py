# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether docker0's new subnet collides with something that the host has, knows or is reached by.

dockerd itself looks at on-link routes only, and not at all at a subnet that it is told: it takes the addresses of a
LAN, or the route back to the administrator, without a word.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.names import ROUTE_PROTOCOL

Json = t.Dict[str, t.Any]
Subnet = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_HALF_OF_EVERYTHING = 1  # VPNs write a default route as two halves


class Surroundings(t.NamedTuple):
    """What a subnet may collide with. ``links`` and ``routes`` as in ``observed.Link`` and ``observed.Route``;
    ``networks`` are the engine's others, by name;
    ``client`` is where the administrator's SSH connection comes from.
    """

    links: t.Sequence[t.Mapping[str, t.Any]] = ()
    routes: t.Sequence[t.Mapping[str, t.Any]] = ()
    networks: tuple[tuple[str, str], ...] = ()
    name_servers: tuple[str, ...] = ()
    client: str | None = None


def check_overlap(
    option: str, value: str, bridges: t.Collection[str], around: Surroundings, allowed: t.Sequence[str]
) -> None:
    """Raise FleetnetError for the first thing around that the network of ``value`` collides with.

    ``bridges`` are the names of docker0 and of what stands for it: what is their own does not count. ``allowed`` are
    networks that the user knows to have room for docker0's.
    """
    subnet = ipaddress.ip_interface(value).network
    exempt = [ipaddress.ip_network(network) for network in allowed]
    for other, what in _occupied(bridges, around):
        if _overlap(subnet, other) and not any(_same_or_inside(other, network) for network in exempt):
            raise FleetnetError(
                f"{option}: {value!r}: {subnet} overlaps with {what}; take another subnet, or name {other} in "
                f"allow_overlap if nothing there uses these addresses; nothing was changed"
            )
    for address, what in _used(around):
        if address in subnet:
            raise FleetnetError(
                f"{option}: {value!r}: {subnet} holds {what}, which would be out of reach then; nothing was changed"
            )


def _occupied(bridges: t.Collection[str], around: Surroundings) -> t.Iterator[tuple[Subnet, str]]:
    for name, text in around.networks:
        yield ipaddress.ip_network(text), f"the Docker network {name} ({text})"
    for link in around.links:
        if link["name"] not in bridges:
            for text in link["addresses"]:
                address = ipaddress.ip_interface(text)
                if not address.is_link_local and not address.is_loopback:
                    yield address.network, f"the link {link['name']} ({text})"
    for route in around.routes:
        network = ipaddress.ip_network(route["destination"])
        # Routes of this collection follow the plan, also when docker0 moves.
        if (
            route["device"] in bridges
            or route["protocol"] == ROUTE_PROTOCOL
            or network.prefixlen <= _HALF_OF_EVERYTHING
        ):
            continue
        if network.is_link_local or network.is_multicast:
            continue
        words = [f"the route to {network}"]
        words += [f"via {route['gateway']}"] if route["gateway"] else []
        words += [f"dev {route['device']}"] if route["device"] else []
        yield network, " ".join(words)


def _used(around: Surroundings) -> t.Iterator[tuple[t.Any, str]]:
    if around.client:
        yield (
            ipaddress.ip_address(around.client.split("%")[0]),
            f"{around.client}, where this SSH connection comes from",
        )
    for server in around.name_servers:
        yield ipaddress.ip_address(server), f"the name server {server}"


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _same_or_inside(inner: Subnet, outer: t.Any) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)
