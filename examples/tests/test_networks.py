# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest --hosts=ansible://docker_fleet --ansible-inventory=inventory/hosts.yml tests"""

from __future__ import annotations

import ipaddress


def test_networks_are_as_declared(docker_network):
    for name in ("web", "db"):
        network = docker_network(name)
        assert network.managed
        assert network.bridge == f"fn-{name}"
        assert ipaddress.ip_network(network.subnet).subnet_of(ipaddress.ip_network("10.64.0.0/12"))
        assert network.has(name)


def test_web_reaches_only_the_database_port(container):
    assert container("web").connects("db", 5432)
    assert not container("web").reaches("db")
    assert not container("db").reaches("web", 80)
    assert container("web").resolves("web") == [container("web").address_on("web")]


def test_policy_across_hosts(container, observed_fleet):
    for host in observed_fleet.names:
        assert container("web").reaches(container("web", host))
        assert container("web").connects(container("db", host), 5432)
        assert not container("db").reaches(container("web", host), 80)


def test_forwarding_is_enabled(network_info):
    assert network_info()["forwarding"]["ipv4"]
