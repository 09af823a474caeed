# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends: the hosts that each one accepts, and its routes."""

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


def test_every_backend_can_be_declared_and_passed_to_the_module():
    assert OPTIONS["backend"]["choices"] == sorted(BACKENDS)
    for backend in BACKENDS:
        assert plan_of({**FLEET, "backend": backend}, hosts("a", "a")).fleet.backend == backend
    with pytest.raises(InvalidValue, match="host_gw"):
        plan_of({**FLEET, "backend": "no-such"}, hosts("a"))


def test_host_gw_rejects_hosts_on_two_segments_in_the_plan():
    with pytest.raises(InvalidValue, match="host h2: docker_fleet_link: 'b': host h1 is on 'a'"):
        plan_of(FLEET, hosts("a", "b"))
    assert plan_of({**FLEET, "backend": "none"}, hosts("a", "b"))


def test_host_gw_rejects_a_peer_on_another_segment_on_the_host():
    peers = [PEERS[0], {**PEERS[1], "link": "b"}]
    with pytest.raises(InvalidValue, match=r"peers\[1\].link: 'b': host h2 is not on the L2 segment of this host"):
        BACKENDS["host_gw"].routes(peers, "h1", ["192.0.2.1/24"])


def test_routes():
    found = {name: backend.routes(PEERS, "h1", ["192.0.2.1/24"]) for name, backend in BACKENDS.items()}
    assert [f"{route.block} via {route.gateway}" for route in found["host_gw"]] == ["10.64.32.0/20 via 192.0.2.2"]
    assert found["none"] == []


def test_host_gw_rejects_asymmetric_routes():
    links = ["192.0.2.1/24", "198.51.100.1/24"]
    peers = [PEERS[0], {**PEERS[1], "underlay_address": "198.51.100.2"}]
    with pytest.raises(InvalidValue, match=r"'198.51.100.2': host h2 is not in the subnet of this .*\(192.0.2.1\)"):
        BACKENDS["host_gw"].routes(peers, "h1", links)
    assert BACKENDS["host_gw"].routes(PEERS, "h1", links)
