# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between containers that passes or is dropped, by busybox's ping and nc in the containers."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from .expected import FLEET

IMAGE = "fleetnet/workload:latest"
WORLD = "198.51.100.1"


@pytest.mark.parametrize("target", FLEET)
@pytest.mark.parametrize("network", ["web", "db"])
def test_containers_of_a_network_reach_each_other(probes, container, network, target):
    assert probes.ping(network, container(network, target).address)


@pytest.mark.parametrize("target", FLEET)
def test_declared_traffic_passes_with_its_source_address(probes, container, target):
    """The server on 5432 answers with its connections as it sees them: local address, then the client's."""
    answer = probes.ask("web", container("db", target).address, 5432)
    assert answer is not None
    assert f"{container('web').address}:" in answer


@pytest.mark.parametrize("target", FLEET)
def test_undeclared_traffic_does_not_pass(probes, once, container, target):
    web, db = container("web", target).address, container("db", target).address
    assert not once.ping("web", db)
    assert not once.ping("db", web)
    # web has a server on port 80, which web reaches itself
    assert probes.ask("web", web, 80) is not None
    assert once.ask("db", web, 80) is None


def test_the_collections_own_probes_agree(observed_fleet, inventory):
    """On the engines that molecule/installed lacks, where the tests of the example send the same probes."""
    hosts = yaml.safe_load(pathlib.Path(inventory).read_text("utf-8"))["docker_fleet"]["hosts"]
    lacking = [name for name in FLEET if not hosts[name]["testbed_engine_version"].startswith(("20.10", "28.5"))]
    for name in lacking or FLEET:
        own = observed_fleet.host(name).container
        other = observed_fleet.host(next(each for each in FLEET if each != name)).container
        assert own("web").connects(other("db"), 5432)
        assert own("web").reaches(other("web"))
        assert not own("web").reaches(other("db"))
        assert not own("db").reaches(other("web"), 80)


@pytest.mark.parametrize("target", FLEET)
def test_docker0_and_declared_networks_are_isolated(host, me, container, target):
    """Containers on docker0 reach their gateway, but no declared network, on this host or on another one."""
    command = f"ping -c 1 -W 60 {me.docker0.split('/')[0]} && ! ping -c 1 -W 1 {container('db', target).address}"
    assert host.run("docker run --rm %s sh -c %s", IMAGE, command).rc == 0


def test_egress_is_masqueraded(probes, me, underlay):
    """The server in the world returns the client's address."""
    page = probes.fetch("web", f"http://{WORLD}/")
    assert page is not None
    assert page.strip() == underlay[me.name]


def test_from_outside_only_published_ports_are_reached(
    host, me, underlay, container, world, world_connects, world_is_denied, wait_for_server
):
    """Also from a client with a route to the containers' addresses, which engines before 28 would accept."""
    host.check_output("docker run -d --rm --name published --network web -p 8080:80 %s httpd -f -p 80", IMAGE)
    try:
        wait_for_server(host, "published", 80)
        web = container("web").address
        assert world(f"ip route replace {me.block} via {underlay[me.name]}")
        assert world_connects(underlay[me.name], 8080)
        assert world_is_denied(web, 80)
        assert not world(f"ping -c 1 -W 1 {web}")
    finally:
        world(f"ip route del {me.block}")
        host.run("docker rm -f published")
