# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of each host: docker0, networks, forwarding, rules, routes."""

from __future__ import annotations

import ipaddress
import json

import pytest

from .expected import NETWORKS, SUPERNET


def test_docker0(host, me, docker_network):
    assert me.docker0.split("/")[0] in host.interface("docker0").addresses
    link = json.loads(host.check_output("ip -json -4 address show dev docker0"))[0]
    assert [address["prefixlen"] for address in link["addr_info"]] == [24]
    network = docker_network("bridge")
    assert network.subnet == f"10.64.{me.octet}.0/24"
    assert network.options["com.docker.network.driver.mtu"] == "1450"
    assert network.options["com.docker.network.bridge.enable_icc"] == "false"


def test_a_container_on_docker0_has_its_address_and_mtu(host, me):
    shown = host.check_output("docker run --rm fleetnet/workload:latest sh -c %s", "ip addr show eth0; ip route")
    assert f"inet 10.64.{me.octet}." in shown
    assert "mtu 1450" in shown
    assert f"default via {me.docker0.split('/')[0]} dev eth0" in shown


def test_undeclared_networks_come_from_the_hosts_own_pool(host, me):
    host.check_output("docker network create undeclared")
    try:
        network = json.loads(host.check_output("docker network inspect undeclared"))[0]
        subnet = ipaddress.ip_network(network["IPAM"]["Config"][0]["Subnet"])
        assert subnet.prefixlen == 24
        assert subnet.subnet_of(ipaddress.ip_network(f"10.64.{me.octet + 8}.0/21"))
    finally:
        host.check_output("docker network rm undeclared")


def test_pools_that_the_engine_no_longer_reports_after_a_reload(host, me):
    """Engine 28.5 then reports "invalid Prefix"."""
    host.check_output("systemctl reload docker")
    pools = {"default_address_pools": [{"base": f"10.64.{me.octet + 8}.0/21", "size": 24}]}
    result = host.ansible("fleetnet.docker.default_bridge", json.dumps(pools), check=True)
    assert result["changed"] is False, result


@pytest.mark.parametrize("name", NETWORKS)
def test_network(host, me, docker_network, name):
    network = docker_network(name)
    assert (network.subnet, network.gateway) == (me.subnet(name), me.gateway(name))
    assert network.managed
    assert network.bridge == f"fn-{name}"
    assert network.has(name)
    assert me.gateway(name) in host.interface(f"fn-{name}").addresses


def test_forwarding(host, firewall_backend):
    assert host.sysctl("net.ipv4.ip_forward") == 1
    assert host.file("/etc/fleetnet/sysctl.conf").contains("^net.ipv4.ip_forward = 1$")
    # With the nftables backend, dockerd requires it at its start. Otherwise it would open the chain FORWARD.
    early = host.file("/etc/sysctl.d/60-fleetnet.conf")
    assert early.exists == (firewall_backend == "nftables")
    assert not early.exists or early.contains("^net.ipv4.ip_forward = 1$")


def test_rules(host, firewall_backend):
    table = host.check_output("nft list table ip fleetnet")
    assert "type filter hook forward priority filter - 2" in table
    assert "0.0.1.0 . 0.0.2.0 . tcp . 5432" in table
    if firewall_backend == "iptables":
        assert host.check_output("iptables -S DOCKER-USER 1") == "-A DOCKER-USER -j FLEETNET-FORWARD"
    else:
        # The engine accepts declared traffic itself, and has no chain for rules of others.
        assert host.check_output("iptables -S") == "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT"
        rules = host.check_output("nft list chain ip docker-bridges filter-forward-in__fn-web")
        assert 'accept comment "UNPROTECTED"' in rules


def test_routes(host, others, underlay):
    routes = host.check_output("ip route show proto 213").splitlines()
    assert sorted(route.split(" dev ")[0] for route in routes) == sorted(
        f"{block} via {underlay[other.name]}" for other in others for block in (other.block, other.kept)
    )


@pytest.mark.parametrize("part", ["firewall", "routes"])
def test_the_configuration_is_persistent(host, part):
    assert host.run("/etc/fleetnet/apply-%s --check", part).stdout == ""
    for unit in (f"fleetnet-{part}.service", "fleetnet-reconciler.service"):
        assert host.service(unit).is_enabled
        assert host.service(unit).is_running


def test_a_rule_that_another_program_adds_while_the_table_is_loaded_is_a_difference(host):
    script = "/etc/fleetnet/apply-firewall"
    rule = "nft insert rule ip fleetnet forward counter comment intruder"
    # with an owner, another program can add none
    host.check_output("systemctl stop fleetnet-reconciler.service")
    host.check_output(f"sed 's|each_table apply_table|{rule} \\&\\& &|' {script} | sh")
    assert "intruder" in host.check_output("nft list chain ip fleetnet forward")
    assert "table\tip fleetnet\tcontent" in host.run(f"{script} --check").stdout
    host.check_output("systemctl start fleetnet-reconciler.service")
    assert host.run(f"{script} --check").stdout == ""
    assert host.run(rule).rc != 0


def test_only_root_can_write_the_files(host):
    for path in ("/etc/fleetnet", "/etc/fleetnet/apply-firewall", "/etc/fleetnet/firewall.nft", "/etc/fleetnet/routes"):
        file = host.file(path)
        assert file.user == "root"
        assert not file.mode & 0o022, f"{path} can be written by others than root"
    assert host.file("/var/lib/fleetnet").mode == 0o700
    assert SUPERNET in host.file("/etc/fleetnet/firewall.nft").content_string
