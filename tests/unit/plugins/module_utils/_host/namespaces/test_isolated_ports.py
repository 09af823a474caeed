# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames within a bridge against the table of bridges, with the ports that the kernel reports."""

from __future__ import annotations

import secrets
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.bridge_table import bridge_table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import elements_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import BRIDGE_TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import endpoint_elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import BridgePort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import table_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.ports import read_ports

from . import packets
from .bridges import VERSIONS, Host, address, seen

GATEWAYS = {4: "10.64.1.1", 6: "fd00:64:0:1::1"}
# Not that of web2: the bridge would then send its frames to web1.
OTHER_MAC = bytes.fromhex("020000000099")
NETWORK = {
    "Id": "web", "Name": "web", "Driver": "bridge", "Internal": False,
    "Options": {"com.docker.network.bridge.name": "fn-web"},
}  # fmt: skip

Frame = t.Callable[[Host, bytes], bytes]


def rules(host: Host, known: t.Sequence[str] = ("web1",)) -> str:
    """The table of bridges, with the elements for containers that are known."""
    with host.namespaces["host"].entered():
        ports = read_ports()
    containers = [
        {"NetworkSettings": {"Networks": {"web": {
            "NetworkID": "web", "MacAddress": host.mac(name).hex(":"),
            "IPAddress": address(name, 4), "GlobalIPv6Address": address(name, 6),
        }}}}
        for name in known
    ]  # fmt: skip
    elements = endpoint_elements(containers, [NETWORK], ports)
    text = bridge_table()
    return text + elements_text(BRIDGE_TABLE, table_blocks(text)[BRIDGE_TABLE], elements)


def arrives(host: Host, frame: Frame, sender: str = "web1", target: str = "web2", limit: float = 5) -> bool:
    """Whether a frame that leaves the sender arrives at the target."""
    mark = secrets.token_hex(8).encode()
    with host.raw(target, "eth0") as arriving, host.raw(sender, "eth0") as outgoing:
        outgoing.send(frame(host, mark))
        return seen(arriving, mark, limit)


def packet(build: t.Callable[[bytes], bytes], mac: bytes | None = None) -> Frame:
    return lambda host, mark: packets.frame(mac or host.mac("web1"), host.mac("web2"), build(mark))


def from_address(source: str, port: int = 4000, mac: bytes | None = None) -> Frame:
    version = 6 if ":" in source else 4
    return packet(lambda mark: packets.udp(source, address("web2", version), port, 5432, mark), mac)


def claims(claimed: str) -> Frame:
    """A claim that web1 has an address."""
    if ":" in claimed:
        ends = address("web1", 6), address("web2", 6)
        return packet(lambda mark: packets.neighbor_advertisement(*ends, claimed, mark))
    target = address("web2", 4)
    return lambda host, mark: packets.arp_reply(host.mac("web1"), claimed, host.mac("web2"), target) + mark


def router(kind: tuple[int, int]) -> Frame:
    return packet(lambda mark: packets.icmp(address("web1", 6), address("web2", 6), kind, 0, mark))


FORGED = {
    "address of the gateway": (from_address(GATEWAYS[4]), "forged source"),
    "IPv6 address of the gateway": (from_address(GATEWAYS[6]), "forged source"),
    "address of a neighbor": (from_address(address("unused", 4)), "forged source"),
    "MAC address": (from_address(address("web1", 4), mac=OTHER_MAC), "forged MAC address"),
    "MAC address, IPv6": (from_address(address("web1", 6), mac=OTHER_MAC), "forged MAC address"),
    "ARP": (claims(GATEWAYS[4]), "forged source"),
    "neighbor advertisement": (claims(GATEWAYS[6]), "forged neighbor"),
    "DHCP answer": (from_address(address("web1", 4), port=67), "DHCP answer"),
    "DHCPv6 answer": (from_address(address("web1", 6), port=547), "DHCP answer"),
    "router advertisement": (router(packets.ROUTER_ADVERTISEMENT), "router"),
    "redirect": (router(packets.REDIRECT[6]), "router"),
}


@pytest.mark.parametrize("what", FORGED)
def test_it_is_dropped(host: Host, what: str) -> None:
    frame, comment = FORGED[what]
    host.load("")
    assert arrives(host, frame)
    host.load(rules(host))
    assert not arrives(host, frame, limit=0.05)
    assert host.rules_that_dropped() == {comment}


@VERSIONS
def test_its_own_addresses_pass(host: Host, version: int) -> None:
    host.load(rules(host))
    for frame in (from_address(address("web1", version)), claims(address("web1", version))):
        assert arrives(host, frame)
    assert host.rules_that_dropped() == set()


def test_link_local_addresses_pass(host: Host) -> None:
    host.load(rules(host))
    own = host.link_local("web1")
    assert arrives(host, from_address(own))
    assert arrives(host, claims(own))
    assert host.rules_that_dropped() == set()


@VERSIONS
@pytest.mark.parametrize("known", [("web1",), ("web1", "web2")], ids=len)
def test_containers_resolve_neighbors_and_answer(host: Host, version: int, known: tuple[str, ...]) -> None:
    host.load(rules(host, known))
    for name in ("web1", "web2"):
        host.ip(name, "neigh flush dev eth0")
    host.assert_answers("web1", address("web2", version))
    host.assert_answers("web2", address("web1", version))
    assert host.rules_that_dropped() == set()


def test_an_unknown_port_is_not_filtered(host: Host) -> None:
    host.load(rules(host))
    frame: Frame = lambda host, mark: packets.frame(  # noqa: E731
        host.mac("web2"), host.mac("web1"), packets.udp(GATEWAYS[4], address("web1", 4), 4000, 5432, mark)
    )
    assert arrives(host, frame, sender="web2", target="web1")


def test_ports_are_those_of_the_kernel(host: Host) -> None:
    with host.namespaces["host"].entered():
        ports = read_ports()
    assert BridgePort("v-web1", "fn-web", host.mac("web1").hex(":")) in ports
    assert BridgePort("v-db1", "fn-db", host.mac("db1").hex(":")) in ports
    assert {port.bridge for port in ports} == {"fn-web", "fn-db", "fn-lab", "fn-inner", "br-0123456789ab"}
