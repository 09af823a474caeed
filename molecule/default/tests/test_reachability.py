# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes between containers, and what does not: busybox's ping and nc, from the containers themselves."""

from __future__ import annotations

import pytest

from .expected import FLEET

IMAGE = "fleetnet/workload:latest"
WORLD = "198.51.100.1"
# Seconds that busybox' nc and ping wait; what is denied is dropped, and has to be waited for.
PATIENCE = 2


def ping(host, source, address):
    return host.run("docker exec %s ping -c 1 -W %s %s", source, str(PATIENCE), address).rc == 0


def ask(host, source, address, port):
    """What a server answers, None where no connection comes about."""
    result = host.run("docker exec %s sh -c %s", source, f"nc -w {PATIENCE} {address} {port} </dev/null")
    return result.stdout if result.rc == 0 else None


@pytest.mark.parametrize("target", FLEET)
@pytest.mark.parametrize("network", ["web", "db"])
def test_containers_of_a_network_reach_each_other(host, addresses, network, target):
    assert ping(host, network, addresses[target, network])


@pytest.mark.parametrize("target", FLEET)
def test_what_is_declared_passes_with_its_source_address(host, me, addresses, target):
    """The server on 5432 answers with its connections as it sees them: local address, then the client's."""
    answer = ask(host, "web", addresses[target, "db"], 5432)
    assert answer is not None
    assert f"{addresses[me.name, 'web']}:" in answer


@pytest.mark.parametrize("target", FLEET)
def test_what_is_not_declared_does_not_pass(host, addresses, target):
    assert not ping(host, "web", addresses[target, "db"])
    assert not ping(host, "db", addresses[target, "web"])
    # there is a server on web's port 80, which web itself reaches
    assert ask(host, "web", addresses[target, "web"], 80) is not None
    assert ask(host, "db", addresses[target, "web"], 80) is None


@pytest.mark.parametrize("target", FLEET)
def test_docker0_and_undeclared_networks_stay_apart(host, addresses, target):
    """docker0's containers reach no declared network, here or on another host."""
    command = f"ping -c 1 -W {PATIENCE} {addresses[target, 'db']}"
    assert host.run("docker run --rm %s sh -c %s", IMAGE, command).rc != 0


def test_egress_is_masqueraded(host, me, underlay):
    """The world's page is the address that it is asked from."""
    page = host.check_output("docker exec web wget -q -T %s -O - http://%s/", str(PATIENCE), WORLD)
    assert page.strip() == underlay[me.name]


def connect(address, port):
    """A command that succeeds where a connection comes about; the world has Python and no busybox."""
    return f"python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), {PATIENCE})'"


def test_from_outside_only_published_ports_are_reached(host, me, underlay, addresses, world):
    """Even by somebody who has a route to the containers' addresses, which engines before 28 would let in."""
    host.check_output("docker run -d --rm --name published --network web -p 8080:80 %s httpd -f -p 80", IMAGE)
    try:
        address = underlay[me.name]
        assert world(f"ip route replace {me.block} via {address}")
        assert world(connect(address, 8080))
        assert not world(connect(addresses[me.name, "web"], 80))
        assert not world(f"ping -c 1 -W {PATIENCE} {addresses[me.name, 'web']}")
    finally:
        world(f"ip route del {me.block}")
        host.run("docker rm -f published")
