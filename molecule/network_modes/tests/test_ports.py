# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports: which container answers, and the NAT rule of each."""

from __future__ import annotations

import re

import pytest

from .conftest import pid

EVERYWHERE = "0.0.0.0"
# published with -p and a number: the host's port and the container that answers
FIXED = {8081: "con1", 8083: "con3", 8085: "con5", 8092: "con12"}
# published without a number, with -p and -P: container and its port
CHOSEN = [("con8", 80), ("con9", 80)]
# Answers one datagram with its name, then exits.
UDP_SERVER = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', {port})); s.settimeout(120); "
    "data, who = s.recvfrom(100); s.sendto(b'{name}', who)"
)


def docker_port(host, name):
    """The output of ``docker port``: (container's port, protocol, host's address, host's port)."""
    lines = host.check_output("docker port %s", name).splitlines()
    found = set()
    for line in lines:
        port, protocol, address, host_port = re.fullmatch(r"(\d+)/(\w+) -> (.+):(\d+)", line).groups()
        found.add((int(port), protocol, address.strip("[]"), int(host_port)))
    return found


def published(host, name, port, protocol="tcp"):
    """The host's port on all its IPv4 addresses."""
    [found] = {
        number
        for its, kind, address, number in docker_port(host, name)
        if (its, kind, address) == (port, protocol, EVERYWHERE)
    }
    return found


@pytest.mark.parametrize("port", FIXED)
def test_a_fixed_port(ports, port):
    assert ports.here(port) == FIXED[port]
    assert ports.here(port, address="127.0.0.1") == FIXED[port]
    assert ports.neighbour(port) == FIXED[port]
    assert ports.world(port, FIXED[port])


def test_a_container_in_another_ones_namespace_uses_that_ones_published_ports(host, container, nat_to):
    assert docker_port(host, "con3") == set()
    assert nat_to(8083) == f"{container('con1').address}:81"


@pytest.fixture
def nat_to(nat_rules):
    """``nat_to(8081)``: the destination of the only NAT rule of a port."""

    def destination(port, protocol="tcp"):
        [rule] = nat_rules(port, protocol)
        return re.search(r"(?:--to-destination|dnat to) (\S+)", rule)[1]

    return destination


@pytest.mark.parametrize("name", ["con1", "con5", "con8", "con9", "con10", "con11", "con12"])
def test_one_nat_rule_forwards_each_published_port_to_the_container(host, container, nat_to, name):
    bindings = {entry for entry in docker_port(host, name) if ":" not in entry[2]}
    assert bindings
    for port, protocol, _address, host_port in bindings:
        assert nat_to(host_port, protocol) == f"{container(name).address}:{port}"


@pytest.mark.parametrize(("name", "port"), CHOSEN)
def test_a_port_selected_by_docker(host, ports, name, port):
    chosen = published(host, name, port)
    low, high = host.file("/proc/sys/net/ipv4/ip_local_port_range").content_string.split()
    assert int(low) <= chosen <= int(high)
    assert ports.here(chosen) == name
    assert ports.neighbour(chosen) == name
    assert ports.world(chosen, name)


def test_publish_all_publishes_exactly_the_exposed_ports(host):
    assert {(port, protocol) for port, protocol, _address, _number in docker_port(host, "con9")} == {
        (80, "tcp"),
        (90, "tcp"),
    }


def test_a_port_bound_to_the_loopback_address_answers_the_host_only(host, ports):
    assert docker_port(host, "con10") == {(80, "tcp", "127.0.0.1", 8090)}
    assert ports.here(8090, address="127.0.0.1") == "con10"
    assert ports.here(8090) is None
    assert ports.neighbour(8090) is None
    assert ports.closed_to_the_world(8090)


def test_udp(host, ports, nat_rules, wait_for_server):
    """busybox has no UDP server, so one is started in the container's namespace for each query."""
    for query in (ports.here, ports.neighbour, lambda *port: "con11" if ports.world(port[0], "con11", "udp") else None):
        server = UDP_SERVER.format(port=53, name="con11")
        host.check_output(
            "nsenter --net=/proc/%s/ns/net setsid --fork python3 -c %s </dev/null >/dev/null 2>&1",
            pid(host, "con11"),
            server,
        )
        wait_for_server(host, "con11", 53, "udp")
        assert query(8091, "udp") == "con11"
    assert nat_rules(8091, "tcp") == []


def test_published_ports_are_reached_over_ipv6(host, ports, nat_rules):
    """By a NAT rule if the engine filters IPv6; otherwise, and for IPv4 containers, by the proxy."""
    for port in (8092, 8081):
        assert ports.here(port, address="::1") == FIXED[port]
        assert ports.here(port, address=ports.address_v6) == FIXED[port]
        assert ports.neighbour(port, address=ports.address_v6) == FIXED[port]
    filters = int(host.check_output("docker version --format '{{.Server.Version}}'").split(".")[0]) >= 27
    assert len(nat_rules(8092, version=6)) == (1 if filters else 0)
    assert nat_rules(8081, version=6) == []


def test_an_unpublished_port_is_closed(ports):
    assert ports.closed_to_the_world(80)
    assert ports.here(80) is None


def test_a_host_mode_containers_port_needs_no_publishing(host, ports, nat_rules):
    assert docker_port(host, "con4") == set()
    assert nat_rules(8084) == []
    assert ports.here(8084) == "con4"
    assert ports.world(8084, "con4")


def test_the_rule_is_removed_with_the_container(host, ports, nat_rules, network_info, container, wait_for_server):
    host.check_output("docker run -d --name passing -p 8099:80 fleetnet/workload:latest nc -ll -p 80 -e echo passing")
    try:
        wait_for_server(host, "passing", 80)
        network_info.forget()
        assert ports.here(8099) == "passing"
        assert len(nat_rules(8099)) == 1
        assert container("passing").is_running
    finally:
        host.check_output("docker rm --force passing")
    network_info.forget()
    assert nat_rules(8099) == []
    assert ports.here(8099) is None
    assert ports.closed_to_the_world(8099)
    assert not container("passing").is_running


def test_a_restarted_container_answers_on_its_new_port(host, ports, network_info, container, wait_for_server):
    """Docker may select another port after a restart; the old one no longer leads to the container."""
    before = published(host, "con8", 80)
    # another container takes the port, so Docker must select a new one
    host.check_output("docker stop --time 0 con8")
    host.check_output(
        "docker run -d --name taker -p %s:80 fleetnet/workload:latest nc -ll -p 80 -e echo taker", str(before)
    )
    try:
        host.check_output("docker start con8")
        for name in ("taker", "con8"):
            wait_for_server(host, name, 80)
        after = published(host, "con8", 80)
        assert after != before
        assert ports.here(after) == "con8"
        assert ports.world(after, "con8")
        assert ports.here(before) == "taker"
        network_info.forget()
        reported = {entry["host_port"] for entry in container("con8").published(80)}
        assert after in reported
        assert before not in reported
    finally:
        host.run("docker rm --force taker")
