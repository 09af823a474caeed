# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are those of containers, as a host of the fleet can say of its own ones only."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_subnets import (
    ContainerSubnet,
    SubnetIndex,
    find_container_subnets,
)

from ..planning import plan_of

HOSTS = {
    f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"fd00::{number}"} for number in (1, 2)
}
PLAN = plan_of(
    {
        "supernet": "10.64.0.0/12",
        "supernet_v6": "fd00:64::/40",
        "networks": [
            "web",
            {"name": "old", "subnet": "172.30.0.0/24", "ip_range": "172.30.0.128/25", "hosts": "h1"},
            {
                "name": "lan",
                "driver": "macvlan",
                "driver_options": {"parent": "eth0"},
                "subnet": "192.0.2.0/24",
                "ip_range": {"h1": "192.0.2.64/28", "h2": "192.0.2.80/28"},
            },
        ],
    },
    HOSTS,
)
SLICES = slices(PLAN)
REPORTS = {
    "h1": {
        "networks": [
            {"name": "compose", "driver": "bridge", "managed": False, "internal": False,
             "subnets": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1"}]},
            {"name": "web", "driver": "bridge", "managed": True, "internal": False,
             "subnets": [{"subnet": "0.0.0.0/0", "gateway": None}]},
        ]
    }
}  # fmt: skip
FOUND = find_container_subnets(SLICES, REPORTS)


@pytest.mark.parametrize(
    ("address", "at_h1", "at_h2"),
    [
        ("10.64.1.2", True, True),
        ("10.64.17.77", True, True),
        ("fd00:64:0:101::7", True, True),
        ("172.30.0.2", True, True),
        # a rule may rewrite a source to the address of a gateway or a host
        ("10.64.0.1", False, False),
        ("10.64.1.1", False, False),
        ("fd00:64:0:1::1", False, False),
        ("fd00:64::1", False, False),
        ("172.30.0.1", False, False),
        ("192.0.2.1", False, False),
        ("198.51.100.1", False, False),
        # the policy's rules make these the sources of what containers send to other hosts
        ("10.64.0.0", False, False),
        ("10.64.17.0", False, False),
        ("fd00:64:0:101::", False, False),
        ("172.30.0.0", False, False),
        # on the LAN, only ranges of the fleet
        ("192.0.2.66", True, True),
        ("192.0.2.100", False, False),
        # undeclared: what h1 reports counts at h1
        ("172.18.0.2", True, False),
        ("172.18.0.1", False, False),
    ],
)
def test_addresses_of_containers(address, at_h1, at_h2):
    index = SubnetIndex(FOUND)
    assert (index.is_container(address, "h1"), index.is_container(address, "h2")) == (at_h1, at_h2)


def test_the_source_that_other_hosts_see_is_that_of_no_container():
    index = SubnetIndex(FOUND)
    for address in ("10.64.1.2", "10.64.0.7", "10.64.17.2", "172.30.0.9", "fd00:64:0:101::7"):
        assert index.is_container(address, "h2")
        assert not index.is_container(PLAN.policy.source_to_hosts(address), "h2")


def test_reports_add_only_undeclared_subnets():
    declared = find_container_subnets(SLICES, {})
    assert [each for each in FOUND if each not in declared] == [ContainerSubnet("h1", "172.18.0.0/16", ("172.18.0.1",))]
    assert {each.host for each in declared} == {None}


def test_data_is_kept():
    assert [ContainerSubnet.from_data(json.loads(json.dumps(each.to_data()))) for each in FOUND] == FOUND
