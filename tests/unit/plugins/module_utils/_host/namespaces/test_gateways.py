# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets from containers of another host to addresses of the host in its networks, against the compiled rules.

To the other host, such an address is one of the network, and the policy allows flows to it.
"""

from __future__ import annotations

import ipaddress
import socket

import pytest

from . import packets
from .bridges import BRIDGES, VERSIONS, Host, Packet, Trip, address, assert_dropped, datagram, rules

DROPPED = frozenset(("other host -> gateway",))


def gateway(network: str, version: int) -> str:
    """The host's address in the network of a container."""
    return f"{address(network, version)[:-1]}1"


def to(target: str, source: str, version: int, port: int = 22) -> Packet:
    return between((address(source, version), target), (4000, port))


def between(ends: tuple[str, str], ports: tuple[int, int]) -> Packet:
    return lambda mark: packets.udp(*ends, *ports, mark)


@VERSIONS
@pytest.mark.parametrize("network", ["web1", "db1", "lab1", "inner1"])
@pytest.mark.parametrize(("sender", "port"), [("peer_db", 22), ("peer_web", 22), ("peer_web", 5432)])
def test_containers_of_another_host_reach_no_gateway(
    host: Host, version: int, network: str, sender: str, port: int
) -> None:
    """Neither by the network itself, which spans hosts, nor by the port of a line from web to db."""
    packet = to(gateway(network, version), sender, version, port)
    assert_dropped(host, sender, packet, f"host{version}", DROPPED)


@VERSIONS
def test_containers_of_another_host_reach_no_special_address_of_a_network(host: Host, version: int) -> None:
    """The broadcast address of IPv4, and the anycast address of routers of IPv6, which the host accepts as its own."""
    network = ipaddress.ip_network(f"{address('db1', version)}/{24 if version == 4 else 64}", strict=False)
    special = network.broadcast_address if version == 4 else network.network_address
    assert_dropped(host, "peer_db", to(str(special), "peer_db", version), f"host{version}", DROPPED)


@VERSIONS
def test_a_connection_of_another_hosts_container_to_a_gateway_is_not_accepted(host: Host, version: int) -> None:
    family, everywhere = (socket.AF_INET, "0.0.0.0") if version == 4 else (socket.AF_INET6, "::")
    with host.namespaces["host"].entered():
        server = socket.create_server((everywhere, 0), family=family)
    with server:
        for text, connects in (("", True), (rules(), False)):
            host.load(text)
            with host.namespaces["outside"].entered():
                client = socket.socket(family, socket.SOCK_STREAM)
            with client:
                client.bind((address("peer_db", version), 0))
                client.settimeout(5 if connects else 0.2)
                found = client.connect_ex((gateway("db1", version), server.getsockname()[1]))
                assert (found == 0) is connects
    assert host.rules_that_dropped() == DROPPED


# --- what must pass ---------------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("sender", ["web1", "lab1", "inner1", "other1"])
def test_containers_reach_gateways_of_their_own_host(ruled: Host, version: int, sender: str) -> None:
    for network in dict.fromkeys((sender, "lab1")):
        packet = to(gateway(network, version), sender, version, 53)
        assert ruled.send(sender, packet, f"host{version}") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_an_undeclared_network_in_the_hosts_block_reaches_gateways_of_its_host(ruled: Host, version: int) -> None:
    """The engine takes subnets of undeclared networks from its pools, which are in the block of the host."""
    own, its_gateway = (("10.64.14.2", "10.64.14.1"), ("fd00:64:0:e::2", "fd00:64:0:e::1"))[version == 6]
    length, nodad = ((24, ""), (64, " nodad"))[version == 6]
    ruled.ip("host", f"addr add {its_gateway}/{length} dev {BRIDGES['other1']}{nodad}")
    try:
        for target in (its_gateway, gateway("lab1", version)):
            packet = between((own, target), (4000, 53))
            assert ruled.send("other1", packet, f"host{version}") == Trip(left=True, arrived=True)
        assert not ruled.rules_that_dropped()
    finally:
        ruled.ip("host", f"addr del {its_gateway}/{length} dev {BRIDGES['other1']}")


@VERSIONS
@pytest.mark.parametrize("sender", ["peer", "world"])
def test_hosts_and_the_outside_reach_gateways(ruled: Host, version: int, sender: str) -> None:
    """The policy is not about them."""
    packet = to(gateway("db1", version), sender, version)
    assert ruled.send(sender, packet, f"host{version}") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_replies_to_a_gateway_pass(ruled: Host, version: int) -> None:
    """The host may use its address in a network as the source of a flow to a container of another host."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with ruled.namespaces["host"].entered():
        client = socket.socket(family, socket.SOCK_DGRAM)
    with client:
        client.bind((gateway("lab1", version), 4100))
        client.sendto(b"a flow of the host", (address("peer_web", version), 53))
        reply = between((address("peer_web", version), gateway("lab1", version)), (53, 4100))
        assert ruled.send("peer_web", reply, f"host{version}") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_containers_of_another_host_reach_the_hosts_own_address(ruled: Host, version: int) -> None:
    packet = datagram(version, "peer_web", "host", (4000, 53))
    assert ruled.send("peer_web", packet, f"host{version}") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()
