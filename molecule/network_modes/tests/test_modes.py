# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each network mode of a container: namespace, interfaces, addresses, names."""

from __future__ import annotations

import ipaddress

import pytest

DOCKER0 = {"h1": "10.64.0.0/24", "h2": "10.64.16.0/24", "h3": "10.64.32.0/24"}
# Container -> its bridge, for containers with a namespace of their own.
BRIDGES = {"con1": "docker0", "con5": "fn-web", "con7": "docker0", "con12": None}


def test_every_mode_is_reported(container):
    modes = {name: container(name).mode for name in ("con1", "con2", "con3", "con4", "con5", "con12")}
    assert modes == {
        "con1": "bridge",
        "con2": "none",
        "con3": "container:con1",
        "con4": "host",
        "con5": "user-defined",
        "con12": "user-defined",
    }


@pytest.mark.parametrize("name", ["con1", "con7", "con8"])
def test_the_default_bridge_assigns_addresses_of_docker0s_subnet_with_docker0_as_gateway(
    host, container, docker_network, name
):
    docker0 = docker_network("bridge")
    assert docker0.subnet == DOCKER0[host.backend.get_hostname()]
    assert docker0.gateway in host.interface("docker0").addresses
    assert ipaddress.ip_address(container(name).address) in ipaddress.ip_network(docker0.subnet)
    assert container(name).endpoint("bridge")["gateway"] == docker0.gateway
    assert f"default via {docker0.gateway} dev eth0" in host.check_output("docker exec %s ip route", name)
    assert docker0.has(name)


def test_no_two_containers_have_the_same_address(container):
    found = [container(name).address for name in ("con1", "con5", "con6", "con7", "con8", "con9", "con10", "con12")]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", BRIDGES)
def test_a_veth_pair_connects_the_container_to_its_bridge(host, links, container, docker_network, name):
    """Each end has the index of the other one."""
    inside = links(name)["eth0"]
    [outside] = [link for link in links().values() if link["ifindex"] == inside["link_index"]]
    assert outside["link_index"] == inside["ifindex"]
    assert [link["linkinfo"]["info_kind"] for link in (inside, outside)] == ["veth", "veth"]
    assert outside["master"] == (BRIDGES[name] or docker_network("dual").bridge)
    assert outside["address"] != inside["address"] == container(name).endpoint(container(name).networks[0])["mac"]
    # the container itself reports the same
    assert host.check_output("docker exec %s cat /sys/class/net/eth0/iflink", name) == str(outside["ifindex"])


def test_mode_none_has_only_the_loopback_interface(links, container, host):
    assert list(links("con2")) == ["lo"]
    assert container("con2").networks == []
    assert host.check_output("docker exec con2 ip route") == ""
    assert not container("con2").reaches("con1")


def test_mode_container_shares_the_namespace_of_another_container(host, links, container, inode):
    assert inode("con3") == inode("con1")
    assert links("con3") == links("con1")
    assert container("con3").address == container("con1").address
    # they share the loopback interface, and a port in use by one is not free for the other
    assert host.check_output("docker exec con1 nc 127.0.0.1 81 </dev/null") == "con3"
    assert host.run("docker exec con3 nc -l -p 80").rc != 0


def test_mode_host_uses_the_hosts_namespace(links, container, inode, docker_network):
    assert inode("con4") == inode()
    assert inode("con4") != inode("con1")
    assert set(links("con4")) == set(links())
    assert container("con4").networks == []
    assert docker_network("host").containers == []


def test_every_other_container_has_its_own_namespace(inode):
    names = ("con1", "con2", "con5", "con6", "con7", "con8")
    assert len({inode(name) for name in names} | {inode()}) == len(names) + 1


@pytest.mark.parametrize("name", ["con5", "www"])
def test_a_user_defined_network_resolves_names_and_aliases(host, container, docker_network, name):
    web = docker_network("web")
    assert web.has("con5")
    assert web.has("con6")
    assert "www" in container("con5").endpoint("web")["aliases"]
    assert container("con6").resolves(name) == [container("con5").address]
    output = host.check_output("docker exec con6 ping -c 1 -W 60 %s", name)
    assert f"({container('con5').address})" in output
    assert host.check_output("docker exec con6 nc %s 80 </dev/null", name) == "con5"


def test_the_default_bridge_does_not_resolve_names(host, container):
    assert container("con7").connects("con1", 80)
    assert container("con7").resolves("con1") == []
    # one second instead of five per name server, because the name servers of the test bed's hosts do not answer
    resolving = "docker exec --env 'RES_OPTIONS=timeout:1 attempts:1' con7"
    result = host.run(f"{resolving} sh -c 'ping -c 1 -W 1 con1 || ping -c 1 -W 1 www'")
    assert result.rc != 0
    assert result.stderr.split("\n")[:2] == ["ping: bad address 'con1'", "ping: bad address 'www'"]


def test_a_user_defined_network_and_the_default_bridge_are_isolated(container):
    """Both have a server, which containers on the same network reach."""
    assert not container("con6").reaches("con1", 80)
    assert not container("con1").reaches("con5", 80)
