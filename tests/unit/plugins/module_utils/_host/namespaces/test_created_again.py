# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An adopted network that another program created again, against the compiled rules, in the kernel.

Its bridge is none of those that the rules name. The reconciler finds it by the name of the network.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import elements_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import Json, all_elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import table_blocks

from . import packets
from .bridges import ADDRESSES, FLEET, FORGED, Host, Packet, Trip, address, compiled, datagram

IPV6 = pytest.mark.parametrize("ipv6", [True, False], ids=["dual stack", "no IPv6"])


def lab_again(ipv6: bool = True, containers: t.Sequence[Json] = (), **lab: t.Any) -> tuple[str, str]:
    """The rules of a host whose network lab has the bridge fn-lab, and not the declared one.

    Before the engine answers, and after that.
    """
    declared = {"name": "lab", "adopt": True, "bridge_name": "br-before", **lab}
    networks = [declared if each == "lab" else each for each in t.cast("list[t.Any]", FLEET["networks"])]
    fleet = FLEET if ipv6 else {"supernet": FLEET["supernet"]}
    text = compiled({**fleet, "networks": networks, "remote_api": {"from": "world"}})[1]
    assert "fn-lab" not in text
    blocks = table_blocks(text)
    found = {
        "Id": "2" * 64, "Name": "lab", "Driver": "bridge", "Internal": bool(lab.get("internal")),
        "Options": {"com.docker.network.bridge.name": "fn-lab"},
    }  # fmt: skip
    elements = all_elements(containers, [found], [], blocks)
    return text, text + "".join(elements_text(table, block, elements) for table, block in blocks.items())


def assert_drops(host: Host, texts: tuple[str, str], packet: Packet, target: str, by: str) -> None:
    """With the bridge, a packet of lab1 is dropped. Without it, it passes."""
    for text, arrives in zip(texts, (True, False), strict=True):
        host.load(text)
        limit = 5 if arrives else 0.05
        trip = host.send("lab1", packet, target, limit=limit)
        assert (trip, host.rules_that_dropped()) == (Trip(left=True, arrived=arrives), set() if arrives else {by})


def link_locals(host: Host) -> tuple[str, str]:
    return host.link_local("lab1"), host.link_local("host", "fn-lab")


@IPV6
def test_it_reaches_its_host_as_lines_allow(host: Host, ipv6: bool) -> None:
    ends = link_locals(host)
    by = "not declared: lab -> host" if ipv6 else "no IPv6"
    texts = lab_again(ipv6, egress="policy")
    assert_drops(host, texts, lambda mark: packets.udp(*ends, 4000, 53, mark), "host6", by)


@IPV6
def test_it_sends_its_host_no_errors_about_flows_of_others(host: Host, ipv6: bool) -> None:
    ends = link_locals(host)

    def error(mark: bytes) -> bytes:
        return packets.error(*ends, datagram(6, "host", "world", (4002, 53))(mark))

    assert_drops(host, lab_again(ipv6), error, "host6-icmp", "error about a flow of others")


def test_it_sends_its_host_errors_about_its_own_flows(host: Host) -> None:
    """Also if it is internal, and the rules do not know its addresses."""
    for internal in (False, True):
        for version in (4, 6):
            for text in lab_again(internal=internal):
                host.load(text)
                assert host.send_itself(version, "lab1", (4003, 53)).arrived

                def error(mark: bytes, version: int = version) -> bytes:
                    about = packets.udp(address("host", version), address("lab1", version), 4003, 53, mark)
                    return packets.error(address("lab1", version), address("host", version), about)

                trip = host.send("lab1", error, f"host{version}-icmp")
                assert (internal, version, trip) == (internal, version, Trip(left=True, arrived=True))


@IPV6
def test_it_does_not_reach_the_remote_api_of_its_host(host: Host, ipv6: bool) -> None:
    ends = link_locals(host)
    for text, dropped in zip(lab_again(ipv6), (set(), {"containers -> remote API"}), strict=True):
        host.load(text)
        host.send("lab1", lambda mark: packets.tcp(*ends, 4000, 2376, mark), "host6", limit=0.05)
        assert host.rules_that_dropped() == dropped


def test_it_is_bound_to_its_addresses(host: Host) -> None:
    """Also if the name of its bridge does not begin as those of Docker."""
    for version in (4, 6):
        packet, receiver = datagram(version, "anywhere", "host"), f"host{version}"
        assert_drops(host, lab_again(), packet, receiver, *FORGED)


PORTS = [{"IP": ip, "PublicPort": 8080, "PrivatePort": 80, "Type": "udp"} for ip in ("0.0.0.0", "::")]


def publishing(network_id: str, name: str) -> Json:
    ends = {name: {"NetworkID": network_id, "MacAddress": "02:42:0a:40:02:02"}}
    return {"NetworkSettings": {"Networks": ends}, "Ports": PORTS}


@IPV6
@pytest.mark.parametrize("local", [False, True], ids=["", "local"])
def test_its_published_ports_are_open_to_itself_and_not_to_other_networks(host: Host, ipv6: bool, local: bool) -> None:
    """By link-local addresses, and by its own."""
    _before, text = lab_again(ipv6, [publishing("2" * 64, "lab")], local=local)
    host.load(text)
    target = host.link_local("host", "fn-lab")
    for source in (host.link_local("lab1"), *([ADDRESSES["lab1"][1]] if ipv6 else [])):
        trip = host.send("lab1", lambda mark, source=source: packets.udp(source, target, 4000, 8080, mark), "host6")
        assert (source, trip) == (source, Trip(left=True, arrived=True))
    assert host.send("lab1", datagram(4, "lab1", "host", (4000, 8080)), "host4").arrived
    assert not host.rules_that_dropped()
    ends = host.link_local("web1"), host.link_local("host", "fn-web")
    trip = host.send("web1", lambda mark: packets.udp(*ends, 4000, 8080, mark), "host6", limit=0.05)
    assert (trip.arrived, host.rules_that_dropped()) == (False, {"not declared: -> lab"})


@IPV6
def test_published_ports_of_others_are_not_open_to_it_by_link_local_addresses(host: Host, ipv6: bool) -> None:
    ends = link_locals(host)
    texts = []
    for text in lab_again(ipv6):
        blocks = table_blocks(text)
        web = {"Id": "1" * 64, "Name": "web", "Driver": "bridge", "Internal": False,
               "Options": {"com.docker.network.bridge.name": "fn-web"}}  # fmt: skip
        elements = all_elements([publishing("1" * 64, "web")], [web], [], blocks)
        maps = {key: found for key, found in elements.items() if "published" in key[1]}
        texts.append(text + "".join(elements_text(table, block, maps) for table, block in blocks.items()))
    packet: Packet = lambda mark: packets.udp(*ends, 4000, 8080, mark)  # noqa: E731
    assert_drops(host, (texts[0], texts[1]), packet, "host6", "not declared: -> web")
