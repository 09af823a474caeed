# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports at addresses that are not declared are named."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import (
    UnprobedAddress,
    find_unprobed_addresses,
)

from .probes import POLICY

DECLARED = {"h1": ["192.0.2.1", "198.51.100.1"]}
LINKS = (
    {"name": "lo", "addresses": ["127.0.0.1/8", "::1/128"]},
    {"name": "eth0", "addresses": ["192.0.2.1/24", "192.0.2.7/24", "fd5a:1::1/64", "fe80::1/64"]},
    {"name": "eth1", "addresses": ["203.0.113.1/24"]},
)


def find(*host_addresses, links=LINKS, address="10.64.1.2/24"):
    attached = {"network": "web", "ipv4": address, "ipv6": None}
    ports = [
        {"port": 80, "protocol": "tcp", "host_address": each, "host_port": 8080, "nat_rules": [], "proxy_pid": 7}
        for each in host_addresses
    ]
    report = {"containers": [{"name": "shop", "networks": [attached], "ports": ports}], "networks": [], "links": links}
    reports = {"h1": report}
    return find_unprobed_addresses(reports, DECLARED, find_endpoints(POLICY, reports, 3, DECLARED))


@pytest.mark.parametrize(
    ("host_addresses", "expected"),
    [
        (["0.0.0.0"], ["192.0.2.7"]),
        (["::"], ["fd5a:1::1"]),
        (["0.0.0.0", "::"], ["192.0.2.7", "fd5a:1::1"]),
        (["192.0.2.1"], []),
        (["192.0.2.7"], ["192.0.2.7"]),
        (["127.0.0.1"], []),
        ([], []),
    ],
    ids=str,
)
def test_addresses_of_the_underlay_interface(host_addresses, expected):
    found = find(*host_addresses)
    assert found == [("h1", address, ("shop",)) for address in expected]
    assert [UnprobedAddress.from_data(json.loads(json.dumps(each.to_data()))) for each in found] == found


def test_without_interfaces_nothing_is_known():
    assert find("0.0.0.0", links=[]) == []


def test_containers_on_networks_of_no_declaration_are_not_named():
    assert find("0.0.0.0", address="203.0.113.9/24") == []


def test_they_are_listed_as_not_proven():
    (found,) = find("::")
    coverage = measure(POLICY, [], [], (), [found])
    assert coverage.to_data()["addresses"] == [found.to_data()]
    assert coverage_lines(coverage)[-1] == f"  {text.unprobed_address(found)}"
    assert "docker_fleet_other_addresses" in text.unprobed_address(found)
