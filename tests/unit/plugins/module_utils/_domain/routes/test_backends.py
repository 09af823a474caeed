# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port for backends: whom each reaches, whom it refuses, and that nobody names a backend that there is not."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.backends import BACKENDS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.host_routes import OPTIONS

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "networks": ["web"]}
PEERS = [
    {
        "host": f"h{number}",
        "underlay_address": f"192.0.2.{number}",
        "link": "a",
        "blocks": [f"10.64.{16 * number}.0/20"],
    }
    for number in (1, 2)
]


def hosts(*links):
    return {f"h{n}": {"ansible_host": f"192.0.2.{n}", "link": link} for n, link in enumerate(links, 1)}


def test_every_backend_can_be_declared_and_given_to_the_module():
    assert OPTIONS["backend"]["choices"] == sorted(BACKENDS)
    for backend in BACKENDS:
        assert plan_of({**FLEET, "backend": backend}, hosts("a", "a")).fleet.backend == backend
    with pytest.raises(InvalidValue, match="host_gw"):
        plan_of({**FLEET, "backend": "no-such"}, hosts("a"))


def test_host_gw_refuses_hosts_on_two_links_before_any_is_contacted():
    with pytest.raises(InvalidValue, match="host h2: docker_fleet_link: 'b': backend host_gw needs all hosts on one"):
        plan_of(FLEET, hosts("a", "b"))
    assert plan_of({**FLEET, "backend": "none"}, hosts("a", "b"))


def test_host_gw_refuses_a_peer_on_another_link_on_the_host_as_well():
    peers = [PEERS[0], {**PEERS[1], "link": "b"}]
    with pytest.raises(InvalidValue, match=r"peers\[1\].link: 'b': host h2 is on another link .* backend that tunnels"):
        BACKENDS["host_gw"].ways(peers, "h1", ["192.0.2.1/24"])


def test_ways():
    found = {name: backend.ways(PEERS, "h1", ["192.0.2.1/24"]) for name, backend in BACKENDS.items()}
    assert [f"{way.block} via {way.gateway}" for way in found["host_gw"]] == ["10.64.32.0/20 via 192.0.2.2"]
    assert found["none"] == []


def test_host_gw_refuses_a_way_that_packets_come_back_another_way_from():
    links = ["192.0.2.1/24", "198.51.100.1/24"]
    peers = [PEERS[0], {**PEERS[1], "underlay_address": "198.51.100.2"}]
    with pytest.raises(InvalidValue, match=r"'198.51.100.2': host h2 is reached by another link .*\(192.0.2.1\)"):
        BACKENDS["host_gw"].ways(peers, "h1", links)
    assert BACKENDS["host_gw"].ways(PEERS, "h1", links)
