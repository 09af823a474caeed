# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces in containers' namespaces, matched with Docker's networks and with the host's ends."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.container_interfaces import (
    NamespaceInterfaces,
    endpoints_of,
    interfaces,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import (
    Address,
    DefaultRoute,
    Link,
)

INSIDE = NamespaceInterfaces(
    links=[
        Link(5, "eth1", "02:00:00:00:00:05", 1500, "up", 12, "veth"),
        Link(1, "lo", "00:00:00:00:00:00", 65536, "unknown", None),
        Link(4, "eth0", "02:00:00:00:00:04", 1450, "up", 11, "veth"),
        Link(6, "macvlan", "02:00:00:00:00:06", 1420, "up", 12, "macvlan"),
        Link(7, "inner", "02:00:00:00:00:07", 1500, "up", 11, "veth"),
    ],
    addresses=[
        Address(1, "127.0.0.1/8"), Address(4, "10.64.1.2/24"), Address(4, "fd00::2/64"), Address(5, "10.64.2.2/24"),
    ],
    default_routes=[
        DefaultRoute(5, "10.64.2.1", 100), DefaultRoute(4, "10.64.1.9", 50), DefaultRoute(4, "10.64.1.1", 0),
        DefaultRoute(4, "fd00::1", 1024),
    ],
)  # fmt: skip
HOST = {
    3: Link(3, "fn-web", "02:00:00:00:00:ff", 1500, "up", None, "bridge"),
    11: Link(11, "veth11", "02:00:00:00:01:11", 1500, "up", 4, "veth", 3),
    12: Link(12, "veth12", "02:00:00:00:01:12", 1500, "up", 5, "veth"),
}


def endpoint(network, mac=None, ipv4=None):
    return {"network": network, "mac": mac, "ipv4": ipv4, "ipv6": None}


def test_interfaces_have_their_network_gateways_and_host_ends():
    # Some engines do not report the MAC address on a network that the container joined later.
    attached = [endpoint("web", "02:00:00:00:00:04"), endpoint("db", None, "10.64.2.2/24")]
    lo, eth0, eth1, *others = interfaces(INSIDE, attached, HOST)
    assert (lo["name"], lo["mac"], lo["addresses"], lo["network"], lo["peer"]) == (
        "lo",
        None,
        ["127.0.0.1/8"],
        None,
        None,
    )
    assert eth0 == {
        "name": "eth0", "index": 4, "mac": "02:00:00:00:00:04", "mtu": 1450, "state": "up",
        "addresses": ["10.64.1.2/24", "fd00::2/64"], "network": "web", "gateway": "10.64.1.1", "gateway_v6": "fd00::1",
        "peer": "veth11", "bridge": "fn-web",
    }  # fmt: skip
    assert (eth1["network"], eth1["gateway"], eth1["peer"], eth1["bridge"]) == ("db", "10.64.2.1", "veth12", None)
    # Interfaces of the host that merely share the index of a peer do not match.
    assert [(other["network"], other["peer"], other["bridge"]) for other in others] == [(None, None, None)] * 2


def test_a_shared_namespace_has_its_owners_attachments():
    web = {"name": "web", "mode": "user-defined", "networks": [endpoint("web")]}
    side = {"name": "side", "mode": "container:web", "networks": []}
    by_name = {"web": web, "side": side}
    assert endpoints_of(side, by_name) == endpoints_of(web, by_name) == [endpoint("web")]
    assert endpoints_of({**side, "mode": "container:4711"}, by_name) == []
