# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends: how a host reaches the blocks of the other hosts. Pure.

A backend is two functions. ``check`` validates all hosts on the controller. ``routes`` returns the routes of one host,
from its peers and interface addresses. Both raise InvalidValue for what the backend does not support. A new backend is
an entry of :data:`BACKENDS`.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import (
    Route,
    check_on_link,
    parse_peers,
)

Peers = t.Sequence[t.Mapping[str, t.Any]]


class Underlay(t.NamedTuple):
    """A host's name, its L2 segment, and its addresses there; ``address_v6`` is None without an IPv6 address."""

    host: str
    link: str
    address: str
    address_v6: str | None = None


class Backend(t.NamedTuple):
    """How hosts reach each other's containers.

    ``check(hosts, versions)`` takes the fleet's IP versions. ``routes(peers, host, link_addresses)`` returns the routes
    of a host: ``peers`` as the plan returns them, ``host`` the name of its own entry, addresses with their prefix
    length (``192.0.2.1/24``).
    """

    check: t.Callable[[t.Sequence[Underlay], t.Collection[int]], None]
    routes: t.Callable[[Peers, str, t.Iterable[str]], list[Route]]


def _check_host_gw(hosts: t.Sequence[Underlay], versions: t.Collection[int]) -> None:
    """All hosts must be on one L2 segment, with an address there for each IP version of the fleet."""
    if len(hosts) == 1:
        return
    for host in hosts:
        if host.link != hosts[0].link:
            raise InvalidValue(
                PREFIX + "link",
                host.link,
                f"host {hosts[0].host} is on {hosts[0].link!r}. Backend host_gw requires all hosts on one L2 segment. "
                "If the hosts share a segment, set the same value for both; otherwise plan them as two fleets",
                host.host,
            )
        if 6 in versions and host.address_v6 is None:
            raise InvalidValue(
                PREFIX + "underlay_address_v6",
                None,
                "is missing. Backend host_gw requires an IPv6 address of each host. Set it",
                host.host,
            )
        if 4 in versions and ":" in host.address:
            raise InvalidValue(
                PREFIX + "underlay_address",
                host.address,
                "is an IPv6 address. Backend host_gw requires an IPv4 address of each host. Set it here, and move this "
                f"one to {PREFIX}underlay_address_v6",
                host.host,
            )


def _host_gw(peers: Peers, host: str, link_addresses: t.Iterable[str]) -> list[Route]:
    """One route per block, through the peer's underlay address."""
    own = next((peer for peer in peers if peer["host"] == host), None)
    for number, peer in enumerate(peers):
        if own is not None and peer["link"] != own["link"]:
            raise InvalidValue(
                f"peers[{number}].link",
                peer["link"],
                f"host {peer['host']} is not on the L2 segment of this host ({own['link']!r}). Backend host_gw "
                "requires all hosts on one L2 segment. If the hosts share a segment, set the same value for both; "
                "otherwise plan them as two fleets",
            )
    routes = parse_peers(peers, host)
    addresses = list(link_addresses)
    check_on_link(routes, addresses)
    if own is not None:
        _check_symmetric(routes, own, {Prefix.holding(text) for text in addresses})
    return routes


def _check_symmetric(routes: t.Sequence[Route], own: t.Mapping[str, t.Any], subnets: t.Collection[Prefix]) -> None:
    """Raise InvalidValue if packets to a peer leave by another interface than its packets arrive on.

    Strict reverse path filters, the default of many distributions, would drop them.
    """
    for version, suffix in ((4, ""), (6, "_v6")):
        address = own.get(f"underlay_address{suffix}")
        if not address or parse_address(address)[0] != version:
            continue
        mine = [subnet for subnet in subnets if subnet.version == version and subnet.has(parse_address(address)[1])]
        if not mine:  # the address is translated between the hosts
            continue
        for route in routes:
            gateway = parse_address(route.gateway)
            if gateway[0] == version and not any(subnet.has(gateway[1]) for subnet in mine):
                raise InvalidValue(
                    "peers",
                    route.gateway,
                    f"host {route.host} is not in the subnet of this host's underlay address ({address}). Its packets "
                    "would arrive on another interface than the replies leave by, and reverse path filters would drop "
                    f"them. Set an underlay address{suffix.replace('_', ' ')} of one subnet for both",
                )


BACKENDS: t.Mapping[str, Backend] = {
    "host_gw": Backend(_check_host_gw, _host_gw),
    # something outside of this collection routes
    "none": Backend(lambda _hosts, _versions: None, lambda _peers, _host, _addresses: []),
}
