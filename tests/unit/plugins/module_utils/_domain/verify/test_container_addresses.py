# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's address identifies it, on the hosts that know that no other one can have it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_addresses import (
    ContainerAddress,
    find_container_addresses,
)

from ..planning import plan_of

HOSTS = {
    f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"fd00::{number}"} for number in (1, 2)
}
PLAN = plan_of(
    {
        "supernet": "10.64.0.0/12",
        "supernet_v6": "fd00:64::/40",
        "networks": ["web", {"name": "old", "subnet": "172.30.0.0/24", "hosts": "h1"}],
    },
    HOSTS,
)


def find(ipv4, ipv6=None, by=None):
    """The addresses of a container on h1."""
    attached = {"network": "web", "ipv4": ipv4, "ipv6": ipv6}
    reports = {"h1": {"containers": [{"name": "shop", "networks": [attached, {"network": "bridge"}]}]}}
    return find_container_addresses(PLAN.policy, slices(PLAN) if by is None else by, reports)


def test_each_address_of_a_container_is_its_own():
    found = find("10.64.1.2/24", "fd00:64:0:1::2/64")
    assert found == [
        ContainerAddress("h1", "shop", "10.64.1.2", fleetwide=True),
        ContainerAddress("h1", "shop", "fd00:64:0:1::2", fleetwide=True),
    ]
    assert [ContainerAddress.from_data(json.loads(json.dumps(each.to_data()))) for each in found] == found


@pytest.mark.parametrize(
    ("address", "fleetwide"),
    [
        ("172.30.0.2", True),  # pinned
        ("172.18.0.2", False),
        ("10.64.17.2", False),  # of h2's block
        ("192.0.2.2", False),  # h2 itself
    ],
)
def test_a_host_claims_only_its_own_subnets(address, fleetwide):
    assert find(address) == [ContainerAddress("h1", "shop", address, fleetwide)]


@pytest.mark.parametrize("gateway", ["10.64.1.1", "172.30.0.1", "10.64.0.1", "fd00:64:0:1::1", "fd00:64::1"])
def test_no_container_has_the_address_of_a_gateway(gateway):
    assert find(gateway) == []


def test_without_a_slice_the_policy_decides():
    for address, fleetwide in (("10.64.17.2", True), ("172.18.0.2", False)):
        assert find(address, by={}) == [ContainerAddress("h1", "shop", address, fleetwide)]
