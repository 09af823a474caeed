# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ICMP errors about flows of others against the compiled rules, in the kernel.

Their own source is valid. Connection tracking calls them related to the flow that they contain a packet of.
"""

from __future__ import annotations

import functools
import socket
import typing as t

import pytest

from . import packets
from .bridges import VERSIONS, Host, Packet, Trip, address, assert_dropped, datagram, open_flow, rules


def error_about(
    version: int,
    source: str,
    target: str,
    about: tuple[str, str, tuple[int, int]],
    kinds: t.Mapping[int, tuple[int, int]] = packets.UNREACHABLE,
) -> Packet:
    """``about`` are source, target and ports of the contained datagram, which ``target`` has sent."""
    ends = address(source, version), address(target, version)
    return lambda mark: packets.error(*ends, datagram(version, *about)(mark), kinds)


WEB_TO_DB = ("web1", "db1", (4000, 5432))
DB_TO_WEB = ("db1", "web1", (5432, 4000))
WORLD_TO_WEB = ("world", "web1", (53, 4001))
OF_OTHERS = frozenset(("error about a flow of others",))


def open_flow_to_world(host: Host, version: int) -> None:
    assert host.send("web1", datagram(version, "web1", "world", (4001, 53)), "world").arrived
    assert host.send("world", datagram(version, "world", "host", (53, 4001)), "web1").arrived


@VERSIONS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
@pytest.mark.parametrize(
    ("sender", "target", "about", "by"),
    [
        ("lab1", "web1", WEB_TO_DB, {"not declared"}),
        ("lab1", "db1", DB_TO_WEB, {"not declared"}),
        ("other1", "web1", WEB_TO_DB, {"not published"}),
    ],
)
def test_an_error_about_a_flow_of_others_is_dropped(
    host: Host,
    version: int,
    sender: str,
    target: str,
    about: tuple[str, str, tuple[int, int]],
    by: set[str],
    kinds: t.Mapping[int, tuple[int, int]],
) -> None:
    packet = error_about(version, sender, target, about, kinds)
    assert_dropped(host, sender, packet, target, by, before=lambda: open_flow(host, version))


@VERSIONS
def test_an_error_carries_nothing_of_a_limited_network_to_the_world(host: Host, version: int) -> None:
    packet = error_about(version, "db1", "world", WORLD_TO_WEB)
    drops = {"not declared: db -> world"}
    assert_dropped(host, "db1", packet, "world", drops, before=lambda: open_flow_to_world(host, version))


def open_flow_of_the_host(host: Host, version: int, target: str) -> None:
    """The host sends to ``target``, which answers."""
    assert host.send_itself(version, target, (4002, 53)).arrived
    assert host.send(target, datagram(version, target, "host", (53, 4002)), f"host{version}").arrived


@VERSIONS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
@pytest.mark.parametrize(
    ("sender", "about"),
    # a network without a line to the host, one that no line limits, and an internal one
    [("db1", "lab1"), ("db1", "world"), ("lab1", "world"), ("lab1", "web1"), ("inner1", "world"), ("inner1", "web1")],
)
def test_an_error_about_a_flow_of_others_does_not_reach_the_host(
    host: Host, version: int, sender: str, about: str, kinds: t.Mapping[int, tuple[int, int]]
) -> None:
    packet = error_about(version, sender, "host", ("host", about, (4002, 53)), kinds)
    before = functools.partial(open_flow_of_the_host, host, version, about)
    assert_dropped(host, sender, packet, f"host{version}-icmp", OF_OTHERS, before)


@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
@pytest.mark.parametrize("sender", ["db1", "lab1", "inner1"])
@pytest.mark.parametrize("about", ["world", "web1"])
def test_an_error_from_a_link_local_address_does_not_reach_the_host(
    host: Host, sender: str, about: str, kinds: t.Mapping[int, tuple[int, int]]
) -> None:
    source = host.link_local(sender)

    def packet(mark: bytes) -> bytes:
        return packets.error(source, address("host", 6), datagram(6, "host", about, (4002, 53))(mark), kinds)

    before = functools.partial(open_flow_of_the_host, host, 6, about)
    assert_dropped(host, sender, packet, "host6-icmp", OF_OTHERS, before)


@VERSIONS
@pytest.mark.parametrize("sender", ["db1", "lab1", "inner1"])
def test_no_container_lowers_the_mtu_of_a_path_of_the_host(host: Host, version: int, sender: str) -> None:
    """Also if connection tracking does not know the flow of the socket."""
    sources = [address(sender, version), *([host.link_local(sender)] if version == 6 else [])]
    with host.namespaces["host"].entered():
        connected = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        connected.bind((address("host", version), 4003))
        connected.connect((address("world", version), 53))
    with connected:
        for source in sources:

            def packet(mark: bytes, source: str = source) -> bytes:
                about = datagram(version, "host", "world", (4003, 53))(mark)
                return packets.error(source, address("host", version), about, packets.TOO_BIG)

            for text, lowered in (("", True), (rules(), False)):
                host.load(text)
                host.forget_paths(version)
                assert host.send(sender, packet, f"host{version}-icmp", limit=5 if lowered else 0.05).arrived is lowered
                assert ("mtu 1300" in host.route(address("world", version))) is lowered
            assert host.rules_that_dropped() == OF_OTHERS
            host.forget_paths(version)


def test_a_redirect_is_no_error(host: Host) -> None:
    packet = error_about(4, "peer", "web1", ("web1", "peer_web", (4000, 80)), packets.REDIRECT)

    def flow_to_the_peer() -> None:
        assert host.send("web1", datagram(4, "web1", "peer_web", (4000, 80)), "peer_web").arrived

    assert_dropped(host, "peer", packet, "web1", {"not published"}, before=flow_to_the_peer)


@VERSIONS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
@pytest.mark.parametrize(("sender", "target", "about"), [("db1", "web1", WEB_TO_DB), ("web1", "db1", DB_TO_WEB)])
def test_the_ends_of_a_flow_send_errors(
    ruled: Host,
    version: int,
    sender: str,
    target: str,
    about: tuple[str, str, tuple[int, int]],
    kinds: t.Mapping[int, tuple[int, int]],
) -> None:
    open_flow(ruled, version)
    packet = error_about(version, sender, target, about, kinds)
    assert ruled.send(sender, packet, target) == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_routers_outside_send_errors(ruled: Host, version: int) -> None:
    """Path MTU discovery works to peers, and to the world, where the source is masqueraded."""
    assert ruled.send("web1", datagram(version, "web1", "peer_web", (4000, 80)), "peer_web").arrived
    packet = error_about(version, "peer", "web1", ("web1", "peer_web", (4000, 80)), packets.TOO_BIG)
    assert ruled.send("peer", packet, "web1") == Trip(left=True, arrived=True)
    open_flow_to_world(ruled, version)
    packet = error_about(version, "peer", "host", ("host", "world", (4001, 53)), packets.TOO_BIG)
    assert ruled.send("peer", packet, "web1") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_a_container_sends_errors_to_the_world_about_its_own_flows(ruled: Host, version: int) -> None:
    open_flow_to_world(ruled, version)
    assert ruled.send("web1", error_about(version, "web1", "world", WORLD_TO_WEB), "world") == Trip(True, True)
    assert not ruled.rules_that_dropped()


@VERSIONS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
@pytest.mark.parametrize("target", ["web1", "db1", "lab1", "inner1", "other1", "peer_web", "world"])
def test_the_host_receives_errors_about_its_own_flows_from_their_ends(
    ruled: Host, version: int, target: str, kinds: t.Mapping[int, tuple[int, int]]
) -> None:
    open_flow_of_the_host(ruled, version, target)
    packet = error_about(version, target, "host", ("host", target, (4002, 53)), kinds)
    assert ruled.send(target, packet, f"host{version}-icmp") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
def test_the_host_receives_errors_from_routers_outside(
    ruled: Host, version: int, kinds: t.Mapping[int, tuple[int, int]]
) -> None:
    open_flow_of_the_host(ruled, version, "world")
    packet = error_about(version, "peer", "host", ("host", "world", (4002, 53)), kinds)
    assert ruled.send("peer", packet, f"host{version}-icmp") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_the_host_receives_errors_about_flows_that_a_container_has_opened(ruled: Host, version: int) -> None:
    """For example about the answer of a name server, which comes too late."""
    assert ruled.send("lab1", datagram(version, "lab1", "host", (4004, 53)), f"host{version}").arrived
    packet = error_about(version, "lab1", "host", ("host", "lab1", (53, 4004)))
    assert ruled.send("lab1", packet, f"host{version}-icmp") == Trip(left=True, arrived=True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_routers_behind_a_container_send_errors(ruled: Host, version: int) -> None:
    """The host has a route through a container, whose network routers are in."""
    block, router, end = (
        ("192.168.7.0/24", "192.168.7.1", "192.168.7.5"), ("fd00:7::/64", "fd00:7::1", "fd00:7::5")
    )[version == 6]  # fmt: skip
    ruled.ip("host", f"route add {block} via {address('lab1', version)}")
    ruled.ip("lab1", f"route add blackhole {block}")
    try:
        flow = address("host", version), end, 4005, 53
        with ruled.namespaces["host"].entered():
            sender = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with sender:
            sender.bind(flow[::2])
            sender.sendto(b"a flow of the host", flow[1::2])

            def packet(mark: bytes) -> bytes:
                return packets.error(router, flow[0], packets.udp(*flow, mark), packets.TOO_BIG)

            assert ruled.send("lab1", packet, f"host{version}-icmp") == Trip(left=True, arrived=True)
        assert not ruled.rules_that_dropped()
    finally:
        ruled.ip("host", f"route del {block}")
        ruled.ip("lab1", f"route del {block}")
        ruled.forget_paths(version)
