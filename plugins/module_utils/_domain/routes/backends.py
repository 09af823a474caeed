# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port for backends: how a host reaches the blocks of the others. Pure.

A backend is two functions. ``check`` looks at the declaration, before any host is contacted, and ``ways`` at one host's
peers and link addresses; both raise InvalidValue where the backend cannot do it. A new backend is one more entry of
:data:`BACKENDS`, and its name in the declaration.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Fleet, Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import (
    Route,
    check_on_link,
    parse_peers,
)

Peers = t.Sequence[t.Mapping[str, t.Any]]


class Backend(t.NamedTuple):
    """How hosts reach each other's containers.

    ``check(fleet, hosts)``; ``ways(peers, host, link_addresses)`` are the routes that the host shall have: ``peers`` as
    the plan tells them, ``host`` the name of its own entry, addresses with their prefix length (``192.0.2.1/24``).
    """

    check: t.Callable[[Fleet, t.Sequence[Host]], None]
    ways: t.Callable[[Peers, str, t.Iterable[str]], list[Route]]


def _check_host_gw(fleet: Fleet, hosts: t.Sequence[Host]) -> None:
    """All hosts on one link, and an address there for each IP version of the fleet."""
    if len(hosts) == 1:
        return
    versions = {scheme.supernet.version for scheme in fleet.schemes}
    for host in hosts:
        if host.link != hosts[0].link:
            raise InvalidValue(
                PREFIX + "link",
                host.link,
                f"backend host_gw needs all hosts on one link, and host {hosts[0].name} is on {hosts[0].link!r}: a "
                "host can be a gateway only for its direct neighbours. Give both the same link if they share a "
                "segment, or plan them as two fleets",
                host.name,
            )
        if 6 in versions and host.underlay_v6 is None:
            raise InvalidValue(
                PREFIX + "underlay_address_v6",
                None,
                "is missing; backend host_gw reaches a host's IPv6 block by way of its IPv6 address on the link",
                host.name,
            )
        if 4 in versions and ":" in host.underlay:
            raise InvalidValue(
                PREFIX + "underlay_address",
                host.underlay,
                "is an IPv6 address, and backend host_gw reaches a host's IPv4 block by way of its IPv4 address; set "
                f"that one here, and this one as {PREFIX}underlay_address_v6",
                host.name,
            )


def _host_gw(peers: Peers, host: str, link_addresses: t.Iterable[str]) -> list[Route]:
    """A route a block, by way of the peer's underlay address."""
    own = next((peer for peer in peers if peer["host"] == host), None)
    for number, peer in enumerate(peers):
        if own is not None and peer["link"] != own["link"]:
            raise InvalidValue(
                f"peers[{number}].link",
                peer["link"],
                f"host {peer['host']} is on another link than this host ({own['link']!r}), and backend host_gw reaches "
                "direct neighbours only; until there is a backend that tunnels, plan them as two fleets, or set the "
                "same link if they do share a segment",
            )
    ways = parse_peers(peers, host)
    addresses = list(link_addresses)
    check_on_link(ways, addresses)
    if own is not None:
        _check_symmetric(ways, own, {Prefix.holding(text) for text in addresses})
    return ways


def _check_symmetric(ways: t.Sequence[Route], own: t.Mapping[str, t.Any], subnets: t.Collection[Prefix]) -> None:
    """Packets to a peer have to leave by the link that the peer answers to, or strict reverse path filters, which are
    many distributions' default, drop them."""
    for version, suffix in ((4, ""), (6, "_v6")):
        address = own.get(f"underlay_address{suffix}")
        if not address or parse_address(address)[0] != version:
            continue
        mine = [subnet for subnet in subnets if subnet.version == version and subnet.has(parse_address(address)[1])]
        if not mine:  # the peers know this host by an address that is translated on the way
            continue
        for way in ways:
            gateway = parse_address(way.gateway)
            if gateway[0] == version and not any(subnet.has(gateway[1]) for subnet in mine):
                raise InvalidValue(
                    "peers",
                    way.gateway,
                    f"host {way.host} is reached by another link than the one that it reaches this host by "
                    f"({address}); packets would come back another way than they went, which reverse path filters "
                    f"drop. Give both an underlay address{suffix.replace('_', ' ')} of one subnet",
                )


BACKENDS: t.Mapping[str, Backend] = {
    "host_gw": Backend(_check_host_gw, _host_gw),
    # routing is somebody else's business
    "none": Backend(lambda _fleet, _hosts: None, lambda _peers, _host, _addresses: []),
}
