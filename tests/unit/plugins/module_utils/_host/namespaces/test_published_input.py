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
from .bridges import VERSIONS, Host, Trip, address, rules

CONTAINER_PORTS = {8432: 5432, 8433: 5433}
CONTAINERS = [
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


@VERSIONS
@pytest.mark.parametrize("port", CONTAINER_PORTS)
@pytest.mark.parametrize("sender", ALLOWED)
def test_the_source_is_judged_as_that_of_a_forwarded_packet(host: Host, version: int, sender: str, port: int) -> None:
    text = rules()
    blocks = table_blocks(text)
    elements = all_elements(CONTAINERS, NETWORKS, [], blocks)
    table = TABLES[version]
    host.load(text + elements_text(table, blocks[table], elements))
    ends = address(sender, version), address("host", version)
    allowed = port in ALLOWED[sender]
    limit = 5 if allowed else 0.05
    trip = host.send(sender, lambda mark: packets.udp(*ends, 4000, port, mark), f"host{version}", limit=limit)
    assert trip == Trip(left=True, arrived=allowed)
    if not allowed:
        assert len(host.rules_that_dropped() & {"not declared: -> db", "not declared: world -> db"}) == 1


@VERSIONS
def test_other_ports_of_the_host_are_not_affected(host: Host, version: int) -> None:
    text = rules()
    blocks, table = table_blocks(text), TABLES[version]
    host.load(text + elements_text(table, blocks[table], all_elements(CONTAINERS, NETWORKS, [], blocks)))
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
