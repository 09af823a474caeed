# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to published ports that the host itself accepts, as it does for docker-proxy."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import elements_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import all_elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import table_blocks

from . import packets
from .bridges import BRIDGES, FLEET, VERSIONS, Host, Trip, address, compiled, rules

CONTAINER_PORTS = {8432: 5432, 8433: 5433}
CONTAINERS: list[dict[str, t.Any]] = [
    {
        "NetworkSettings": {"Networks": {"db": {"NetworkID": "db", "MacAddress": "02:42:0a:40:02:02"}}},
        "Ports": [
            {"IP": ip, "PublicPort": public, "PrivatePort": private, "Type": "udp"}
            for ip in ("0.0.0.0", "::")
            for public, private in CONTAINER_PORTS.items()
        ],
    }
]
NETWORKS = [
    {
        "Id": "db", "Name": "db", "Driver": "bridge", "Internal": False,
        "Options": {"com.docker.network.bridge.name": "fn-db"},
    }
]  # fmt: skip
# sender -> the published ports of db that it may reach
ALLOWED = {
    "web1": [8432],
    "peer_web": [8432],
    "lab1": [],
    "peer_db": [8432, 8433],
    "world": [8432, 8433],
    "peer": [],
    # to the policy, it is the world
    "other1": [],
}


def published(text: str, version: int) -> str:
    """These rules, with the published ports in their maps."""
    blocks, table = table_blocks(text), TABLES[version]
    return text + elements_text(table, blocks[table], all_elements(CONTAINERS, NETWORKS, [], blocks))


@VERSIONS
@pytest.mark.parametrize("port", CONTAINER_PORTS)
@pytest.mark.parametrize("sender", ALLOWED)
def test_the_source_is_judged_as_that_of_a_forwarded_packet(host: Host, version: int, sender: str, port: int) -> None:
    host.load(published(rules(), version))
    ends = address(sender, version), address("host", version)
    allowed = port in ALLOWED[sender]
    limit = 5 if allowed else 0.05
    trip = host.send(sender, lambda mark: packets.udp(*ends, 4000, port, mark), f"host{version}", limit=limit)
    assert trip == Trip(left=True, arrived=allowed)
    if not allowed:
        assert len(host.rules_that_dropped() & {"not declared: -> db", "not declared: world -> db"}) == 1


# A line from web to one of db's ports, and one from the world to another, which limits db's ingress.
TO_DB = [{"from": "web", "to": "db", "protocol": "udp", "ports": 5432}]
FROM_WORLD = [*TO_DB, {"from": "world", "to": "db", "protocol": "udp", "ports": 5433}]


@pytest.mark.parametrize("ipv6", [True, False], ids=["dual stack", "no IPv6"])
@pytest.mark.parametrize("policy", [TO_DB, FROM_WORLD], ids=["not limited", "a line allows the world"])
@pytest.mark.parametrize("target", ["fe80", "underlay"])
@pytest.mark.parametrize("sender", ["lab1", "web1", "inner1"])
def test_a_container_is_not_the_world_because_of_its_link_local_address(
    host: Host, sender: str, target: str, policy: list[dict[str, t.Any]], ipv6: bool
) -> None:
    """Neither at a link-local address of the host nor at another one, and also from internal networks."""
    ends = host.link_local(sender), host.link_local("host", BRIDGES[sender]) if target == "fe80" else address("host", 6)
    text = published(rules(ipv6=ipv6, policy=policy), 6)
    for loaded, arrives in (("", True), (text, False)):
        host.load(loaded)
        limit = 5 if arrives else 0.05
        trip = host.send(sender, lambda mark: packets.udp(*ends, 4000, 8433, mark), "host6", limit=limit)
        assert trip == Trip(left=True, arrived=arrives)
    assert host.rules_that_dropped() == {"not declared: -> db"}


@pytest.mark.parametrize("policy", [TO_DB, FROM_WORLD], ids=["not limited", "a line allows the world"])
def test_link_local_addresses_of_the_network_itself_and_of_the_underlay_pass(
    host: Host, policy: list[dict[str, t.Any]]
) -> None:
    """Containers of the same network are its bridge's. A machine on the segment of the host is the world."""
    host.load(published(rules(policy=policy, networks=["web", "db"]), 6))
    for sender, place in (("db1", ("host", "fn-db")), ("world", ("host", "eth0"))):
        source = host.link_local("outside" if sender == "world" else sender)
        ends = source, host.link_local(*place)
        trip = host.send(sender, lambda mark, ends=ends: packets.udp(*ends, 4000, 8433, mark), "host6")
        assert (sender, trip) == (sender, Trip(left=True, arrived=True))
    assert not host.rules_that_dropped()


@VERSIONS
@pytest.mark.parametrize("bridge", ["fn-db", None], ids=["as adopted", "created again"])
def test_ports_of_an_adopted_network_are_judged_by_the_bridge_that_it_has(
    host: Host, version: int, bridge: str | None
) -> None:
    networks = ["web", {"name": "db", "adopt": True}, *t.cast("list[t.Any]", FLEET["networks"])[2:]]
    options = {"com.docker.network.bridge.name": bridge} if bridge else {}
    now = [{**NETWORKS[0], "Id": "0" * 64, "Options": options}]
    ends = {"db": {**CONTAINERS[0]["NetworkSettings"]["Networks"]["db"], "NetworkID": "0" * 64}}
    containers = [{**CONTAINERS[0], "NetworkSettings": {"Networks": ends}}]
    text = compiled({**FLEET, "networks": networks}, adopted=["db"])[1]
    blocks, table = table_blocks(text), TABLES[version]
    host.load(text + elements_text(table, blocks[table], all_elements(containers, now, [], blocks)))
    for sender, arrives in (("lab1", False), ("web1", True)):
        ends_of = address(sender, version), address("host", version)
        limit = 5 if arrives else 0.05
        trip = host.send(
            sender, lambda mark, ends=ends_of: packets.udp(*ends, 4000, 8432, mark), f"host{version}", limit=limit
        )
        assert (sender, trip) == (sender, Trip(left=True, arrived=arrives))
    assert host.rules_that_dropped() == {"not declared: -> db"}


@VERSIONS
def test_other_ports_of_the_host_are_not_affected(host: Host, version: int) -> None:
    host.load(published(rules(), version))
    ends = address("lab1", version), address("host", version)
    trip = host.send("lab1", lambda mark: packets.udp(*ends, 4000, 8434, mark), f"host{version}")
    assert trip == Trip(left=True, arrived=True)


def attached(*names: str, **web: int) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """A container on these networks, and the networks."""
    ends = {name: {"NetworkID": name, "MacAddress": "02:42:0a:40:02:02"} for name in names}
    ends["web"].update(web)
    networks = [
        {**NETWORKS[0], "Id": name, "Name": name, "Options": {"com.docker.network.bridge.name": f"fn-{name}"}}
        for name in names
    ]
    return [{**CONTAINERS[0], "NetworkSettings": {"Networks": ends}}], networks


# The networks db and web, of which db is limited, or both are.
ONE = [{"from": "198.51.100.1", "to": "db"}, {"from": "2001:db8::1", "to": "db"}]
BOTH = [*ONE, {"from": ["198.51.100.1", "198.18.0.2", "2001:db8::1", "fd00::2"], "to": "web"}]


@VERSIONS
@pytest.mark.parametrize(
    ("policy", "web", "allowed"),
    [
        # web is open to what is not a container
        (ONE, {}, ["peer_db", "world"]),
        (ONE, {"GwPriority": 1}, ["web1", "peer_web", "world", "peer", "other1"]),
        (BOTH, {}, ["world"]),
        (BOTH, {"GwPriority": 1}, ["web1", "peer_web", "world", "peer"]),
    ],
    ids=["one is limited", "and the other has priority", "both are limited", "and one has priority"],
)
def test_each_limited_network_to_which_the_engine_may_forward_a_port_applies(
    host: Host, version: int, policy: list[dict[str, t.Any]], web: dict[str, int], allowed: list[str]
) -> None:
    text = rules(policy=policy)
    blocks, table = table_blocks(text), TABLES[version]
    elements = all_elements(*attached("db", "web", **web), [], blocks)
    host.load(text + elements_text(table, blocks[table], elements))
    for sender in ALLOWED:
        ends = address(sender, version), address("host", version)
        limit = 5 if sender in allowed else 0.05
        trip = host.send(
            sender, lambda mark, ends=ends: packets.udp(*ends, 4000, 8433, mark), f"host{version}", limit=limit
        )
        assert (sender, trip) == (sender, Trip(left=True, arrived=sender in allowed))
