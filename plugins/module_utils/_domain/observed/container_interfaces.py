# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces in containers' network namespaces, matched with the host's ends and with Docker's networks. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ContainerReport,
    EndpointReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import (
    Address,
    DefaultRoute,
    Link,
)


class Interface(t.TypedDict):
    """An interface in a container's namespace; ``peer`` and ``bridge`` are interfaces of the host."""

    name: str
    index: int
    mac: str | None
    mtu: int
    state: str
    addresses: list[str]
    network: str | None
    gateway: str | None
    gateway_v6: str | None
    peer: str | None
    bridge: str | None


class NamespaceInterfaces(t.NamedTuple):
    """What rtnetlink reports in a namespace."""

    links: t.Sequence[Link]
    addresses: t.Sequence[Address]
    default_routes: t.Sequence[DefaultRoute]


def interfaces(
    namespace: NamespaceInterfaces, endpoints: t.Sequence[EndpointReport], host_links: t.Mapping[int, Link]
) -> list[Interface]:
    """A container's interfaces in the order of their index.

    ``host_links`` are the host's by index; ``endpoints`` are the container's attachments.
    """
    found: list[Interface] = []
    for link in sorted(namespace.links, key=lambda each: each.number):
        own = [address.text for address in namespace.addresses if address.link == link.number]
        peer = _peer(link, host_links)
        bridge = host_links.get(peer.master) if peer is not None and peer.master is not None else None
        found.append(
            {
                "name": link.name,
                "index": link.number,
                "mac": link.mac if link.name != "lo" else None,
                "mtu": link.mtu,
                "state": link.state,
                "addresses": own,
                "network": _network(link, own, endpoints),
                "gateway": _gateway(namespace, link, ipv6=False),
                "gateway_v6": _gateway(namespace, link, ipv6=True),
                "peer": peer.name if peer else None,
                "bridge": bridge.name if bridge else None,
            }
        )
    return found


def _peer(link: Link, host_links: t.Mapping[int, Link]) -> Link | None:
    """The host's end of a veth pair; None if the other end is in a third namespace.

    An index is valid in one namespace only, so each end must name the other.
    """
    peer = host_links.get(link.peer) if link.kind == "veth" and link.peer is not None else None
    return peer if peer is not None and peer.kind == "veth" and peer.peer == link.number else None


def _network(link: Link, addresses: t.Sequence[str], endpoints: t.Sequence[EndpointReport]) -> str | None:
    """The Docker network of an interface: by its MAC address, else by one of its addresses."""
    for endpoint in endpoints:
        if endpoint["mac"] is not None and endpoint["mac"].lower() == link.mac:
            return endpoint["network"]
    for endpoint in endpoints:
        if endpoint["ipv4"] in addresses or endpoint["ipv6"] in addresses:
            return endpoint["network"]
    return None


def _gateway(namespace: NamespaceInterfaces, link: Link, ipv6: bool) -> str | None:
    routes = [
        route for route in namespace.default_routes if route.link == link.number and (":" in route.gateway) == ipv6
    ]
    return min(routes, key=lambda route: route.metric).gateway if routes else None


def endpoints_of(container: ContainerReport, by_name: t.Mapping[str, ContainerReport]) -> list[EndpointReport]:
    """The attachments of a container's namespace: its own, or those of the container whose namespace it shares."""
    mode = container["mode"]
    if mode.startswith("container:") and mode[len("container:") :] in by_name:
        return by_name[mode[len("container:") :]]["networks"]
    return container["networks"]
