# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ICMP errors about flows of others against the compiled rules, in the kernel.

Their own source is valid. Connection tracking calls them related to the flow that they contain a packet of.
"""

from __future__ import annotations

import typing as t

import pytest

from . import packets
from .bridges import VERSIONS, Host, Packet, Trip, address, assert_dropped, datagram, open_flow


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
HOST_TO_LAB = ("host", "lab1", (4002, 53))


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


@VERSIONS
def test_an_error_about_a_flow_of_others_does_not_reach_the_host(host: Host, version: int) -> None:
    """db1 is of a network without a line to the host."""

    def flow_of_the_host() -> None:
        assert host.send_itself(version, "lab1", (4002, 53)).arrived
        assert host.send("lab1", datagram(version, "lab1", "host", (53, 4002)), f"host{version}").arrived

    packet = error_about(version, "db1", "host", HOST_TO_LAB)
    target = f"host{version}-icmp"
    assert_dropped(host, "db1", packet, target, {"not declared: db -> host"}, before=flow_of_the_host)


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
