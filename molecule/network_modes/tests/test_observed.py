# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""network_info returns what the hosts' own tools report: interfaces, namespaces, published ports."""

from __future__ import annotations

import pytest

from .test_ports import docker_port


def test_network_info_returns_the_interfaces_of_ip(links, inode, container):
    here = links()
    for name in ("con1", "con2", "con3", "con5", "con12"):
        seen, reported = links(name), container(name).entry["interfaces"]
        assert [link["name"] for link in reported] == list(seen)
        for link in reported:
            real = seen[link["name"]]
            assert link["index"] == real["ifindex"]
            assert link["mtu"] == real["mtu"]
            assert link["mac"] == (None if link["name"] == "lo" else real["address"])
            assert link["addresses"] == [f"{each['local']}/{each['prefixlen']}" for each in real["addr_info"]]
            peer = next((each for each in here.values() if each["ifindex"] == real.get("link_index")), None)
            assert link["peer"] == (peer["ifname"] if peer else None)
            assert link["bridge"] == (peer["master"] if peer else None)
        assert f"net:[{container(name).entry['namespace']}]" == inode(name)
    assert container("con1").entry["shares_namespace_with"] == ["con3"]
    assert container("con3").entry["shares_namespace_with"] == ["con1"]
    assert container("con7").entry["shares_namespace_with"] == []
    assert container("con4").entry["interfaces"] == []
    assert container("con1").interface("eth0")["gateway"] == container("con1").endpoint("bridge")["gateway"]
    assert container("con12").interface("eth0")["gateway_v6"] == "fd00:67:8::1"


@pytest.mark.parametrize("name", ["con1", "con2", "con3", "con4", "con8", "con9", "con10", "con11", "con12"])
def test_network_info_returns_the_ports_of_docker_port(host, container, nat_rules, name):
    reported = container(name).entry["ports"]
    assert {
        (entry["port"], entry["protocol"], entry["host_address"], entry["host_port"]) for entry in reported
    } == docker_port(host, name)
    for entry in reported:
        version = 6 if ":" in entry["host_address"] else 4
        assert entry["nat_rules"] == nat_rules(entry["host_port"], entry["protocol"], version)
        assert "docker-proxy" in host.file(f"/proc/{entry['proxy_pid']}/cmdline").content_string
