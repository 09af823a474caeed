# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy lines that name the host's port of a published port."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import (
    HostPort,
    find_host_ports,
)

from ..planning import plan_of

HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}


def container(name, address, *published, protocol="tcp"):
    """``published`` are (host port, container port)."""
    return {
        "name": name,
        "networks": [{"network": "web", "ipv4": f"{address}/24", "ipv6": None}],
        "ports": [
            {"host_address": host, "host_port": host_port, "port": port, "protocol": protocol}
            for host in ("0.0.0.0", "::")
            for host_port, port in published
        ],
    }


SHOP = container("shop", "10.64.1.2", (9000, 80))


def found(policy, *containers, **others):
    declared = {"supernet": "10.64.0.0/12", "networks": ["web", "db"], "policy": policy}
    reports = {"h1": {"containers": containers}, **{host: {"containers": each} for host, each in others.items()}}
    return find_host_ports(plan_of(declared, HOSTS).policy, reports)


def test_a_line_with_the_port_of_the_host_is_named_with_the_port_of_the_container():
    line = {"from": "world", "to": "web", "ports": 9000}
    shops = [container("shop", "10.64.17.2", (9000, 80))]
    host_ports = found([line], SHOP, h2=shops)
    assert host_ports == [
        HostPort("docker_fleet_policy[0]: world -> web: tcp/9000", 9000, 80, ("shop on h1", "shop on h2"))
    ]
    assert [HostPort.from_data(json.loads(json.dumps(each.to_data()))) for each in host_ports] == host_ports
    assert text.host_port(host_ports[0]) == (
        "docker_fleet_policy[0]: world -> web: tcp/9000: port 80 of shop on h1, shop on h2 is published as port "
        "9000 of the host. A policy line names the container's port. Write 80."
    )


@pytest.mark.parametrize(
    ("policy", "container"),
    [
        ([{"from": "db", "to": "web", "ports": 80}], SHOP),
        ([{"from": "db", "to": "web", "ports": [80, 9000]}], SHOP),
        ([{"from": "db", "to": "web", "ports": 9000}, {"from": "any", "to": "web", "ports": 80}], SHOP),
        ([{"from": "db", "to": "web", "ports": 9000, "protocol": "udp"}], SHOP),
        ([{"from": "db", "to": "web"}], SHOP),
        ([{"from": "web", "to": "db", "ports": 9000}], SHOP),
        ([{"from": "db", "to": "web", "ports": 9000}], container("shop", "10.64.1.2", (9000, 80), (9001, 9000))),
        ([{"from": "db", "to": "web", "ports": 9000}], container("shop", "10.64.1.2", (9000, 9000))),
        ([{"from": "db", "to": "web", "ports": 9000}], container("shop", "172.18.0.2", (9000, 80))),
        ([{"from": "db", "to": "web", "ports": 9000}], {"name": "shop", "networks": SHOP["networks"]}),
    ],
    ids=[
        "the container's port", "both", "both, in two lines", "another protocol", "all ports", "another network",
        "also a container's port", "the same port", "not a declared network", "not gathered",
    ],
)  # fmt: skip
def test_a_line_that_is_right_is_not_named(policy, container):
    assert found(policy, container) == []


def test_docker0_is_a_network_of_the_policy():
    docker0 = {
        **container("shop", "10.64.0.2", (9000, 80)),
        "networks": [{"network": "bridge", "ipv4": "10.64.0.2/24"}],
    }
    (host_port,) = found([{"from": "web", "to": "docker0", "ports": [8000, 9000]}], docker0)
    assert (host_port.host_port, host_port.port) == (9000, 80)


def test_of_many_containers_the_first_are_named():
    containers = [container(f"c{number}", f"10.64.1.{number + 2}", (9000, 80)) for number in range(7)]
    (host_port,) = found([{"from": "db", "to": "web", "ports": 9000}], *containers)
    assert "c0 on h1, c1 on h1, c2 on h1, c3 on h1, c4 on h1 and 2 more is published" in text.host_port(host_port)
