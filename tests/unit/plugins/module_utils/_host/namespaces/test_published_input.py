# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to published ports that the host itself accepts, as it does for docker-proxy."""

from __future__ import annotations

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
