# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv6 packets of containers in a fleet without IPv6, against the compiled rules, in the kernel.

A container can give itself any address, and the host may forward.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    CLOSED_OUT,
    LIMITED,
    elements_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import all_elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import table_blocks

from . import packets
from .bridges import FLEET, FORGED, UNDECLARED, Host, Trip, address, assert_dropped, compiled, datagram, rules

NO_IPV6 = frozenset(("no IPv6",))
SENDERS = pytest.mark.parametrize("sender", ["db1", "lab1", "inner1"])


@pytest.fixture(params=[False, True], ids=["", "br_netfilter"])
def without_ipv6(bed: Host, request: pytest.FixtureRequest) -> Host:
    """The host with the rules of a fleet without IPv6."""
    bed.bridge_nf(on=request.param)
    bed.load(rules(ipv6=False))
    return bed


@SENDERS
@pytest.mark.parametrize("source", ["anywhere", "world", "web1", "peer_web"])
@pytest.mark.parametrize("target", ["host", "world", "peer", "other1"])
def test_a_forged_source_is_dropped(host: Host, sender: str, source: str, target: str) -> None:
    packet = datagram(6, source, target)
    assert_dropped(host, sender, packet, "host6" if target == "host" else target, FORGED, ipv6=False)


@SENDERS
@pytest.mark.parametrize("target", ["world", "peer", "peer_web", "other1", "web1"])
def test_nothing_is_forwarded_from_a_declared_network(host: Host, sender: str, target: str) -> None:
    """Also with a source that the host routes to the bridge."""
    assert_dropped(host, sender, datagram(6, sender, target), target, NO_IPV6, ipv6=False)


@SENDERS
def test_a_container_sends_no_router_advertisement(host: Host, sender: str) -> None:
    source = host.link_local(sender)

    def packet(mark: bytes) -> bytes:
        return packets.icmp(source, "ff02::1", packets.ROUTER_ADVERTISEMENT, 0, b"\0" * 8 + mark)

    assert_dropped(host, sender, packet, "host6-icmp", {"router advertisement"}, ipv6=False)


@SENDERS
@pytest.mark.parametrize("kinds", [packets.UNREACHABLE, packets.TOO_BIG], ids=["unreachable", "too-big"])
def test_an_error_from_a_link_local_address_does_not_reach_the_host(
    host: Host, sender: str, kinds: t.Mapping[int, tuple[int, int]]
) -> None:
    source = host.link_local(sender)

    def packet(mark: bytes) -> bytes:
        return packets.error(source, address("host", 6), datagram(6, "host", "world", (4002, 53))(mark), kinds)

    assert_dropped(host, sender, packet, "host6-icmp", {"error about a flow of others"}, ipv6=False)


# --- what must pass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["world", "peer", "host"])
def test_networks_that_are_not_declared_may_have_ipv6(without_ipv6: Host, target: str) -> None:
    receiver = "host6" if target == "host" else target
    assert without_ipv6.send("other1", datagram(6, "other1", target), receiver) == Trip(left=True, arrived=True)
    assert not without_ipv6.rules_that_dropped()


@pytest.mark.parametrize("target", ["other1", "host"])
def test_the_outside_is_not_concerned(without_ipv6: Host, target: str) -> None:
    receiver = "host6" if target == "host" else target
    assert without_ipv6.send("world", datagram(6, "world", target), receiver) == Trip(left=True, arrived=True)
    assert not without_ipv6.rules_that_dropped()


@pytest.mark.parametrize("link_local", [True, False], ids=["link-local", "global"])
def test_frames_within_a_bridge_pass(without_ipv6: Host, link_local: bool) -> None:
    ends = [without_ipv6.link_local(each) if link_local else address(each, 6) for each in ("web1", "web2")]

    def packet(mark: bytes) -> bytes:
        return packets.udp(*ends, 4000, 53, mark)

    assert without_ipv6.send("web1", packet, "web2", to=without_ipv6.mac("web2")) == Trip(left=True, arrived=True)
    assert not without_ipv6.rules_that_dropped()


@pytest.mark.parametrize("target", ["web1", "lab1", "inner1", "other1"])
def test_the_host_reaches_its_containers(without_ipv6: Host, target: str) -> None:
    without_ipv6.ip("host", "neigh flush all")
    without_ipv6.assert_answers("host", address(target, 6))
    assert not without_ipv6.rules_that_dropped()


def test_ipv4_is_filtered_as_declared(without_ipv6: Host) -> None:
    assert without_ipv6.send("lab1", datagram(4, "lab1", "world"), "world") == Trip(left=True, arrived=True)
    assert without_ipv6.send("lab1", datagram(4, "lab1", "db1"), "db1", limit=0.05) == Trip(left=True, arrived=False)
    assert without_ipv6.rules_that_dropped() == {"not declared"}


@pytest.mark.parametrize(("target", "name"), [("world", CLOSED_OUT), ("db1", CLOSED_OUT), ("host", LIMITED)])
@pytest.mark.parametrize("ours", [False, True], ids=["", "created by this collection in between"])
def test_an_adopted_network_that_others_create_again_has_no_ipv6_either(
    bed: Host, target: str, name: str, ours: bool
) -> None:
    """It has another bridge then, which the reconciler finds."""
    networks = [{**each, "adopt": True} if isinstance(each, dict) and each["name"] == "db" else each
                for each in t.cast("list[t.Any]", FLEET["networks"])]  # fmt: skip
    fleet = {"supernet": FLEET["supernet"], "networks": networks}
    text = compiled(fleet, adopted=[] if ours else ["db"])[1]
    block = table_blocks(text)["ip6 fleetnet"]
    elements = all_elements([], [{"Id": UNDECLARED[3:], "Name": "db", "Driver": "bridge", "Internal": False}], [],
                            {"ip6 fleetnet": block})  # fmt: skip
    assert elements["ip6", name] == {f'"{UNDECLARED}"'}
    packet, receiver = datagram(6, "other1", target), "host6" if target == "host" else target
    bed.load(text)
    assert bed.send("other1", packet, receiver).arrived
    bed.load(text + elements_text("ip6 fleetnet", block, elements))
    assert bed.send("other1", packet, receiver, limit=0.05) == Trip(left=True, arrived=False)
    assert bed.rules_that_dropped() == NO_IPV6


@pytest.mark.parametrize("br_netfilter", [False, True])
def test_frames_within_the_bridge_of_an_adopted_network_pass(bed: Host, br_netfilter: bool) -> None:
    text = compiled({"supernet": FLEET["supernet"], "networks": [{"name": "db", "adopt": True}]})[1]
    block = table_blocks(text)["ip6 fleetnet"]
    elements = all_elements([], [{"Id": UNDECLARED[3:], "Name": "db", "Driver": "bridge", "Internal": False}], [],
                            {"ip6 fleetnet": block})  # fmt: skip
    bed.bridge_nf(on=br_netfilter)
    bed.load(text + elements_text("ip6 fleetnet", block, elements))
    packet, to = datagram(6, "other1", "other2"), bed.mac("other2")
    assert bed.send("other1", packet, "other2", to=to) == Trip(left=True, arrived=True)
