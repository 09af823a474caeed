# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy answers: every kind of end against every other."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

from ..planning import plan_of

FLEET = {
    "supernet": "10.64.0.0/12",
    "networks": [
        "web",
        {"name": "db", "egress": "policy"},
        {"name": "cache", "open": True},
        {"name": "lab", "local": True},
        "mail",
    ],
    "policy": [
        {"from": "web", "to": "db", "ports": "5432-5433"},
        {"from": "world", "to": "web", "ports": 80},
        {"from": "192.0.2.0/24", "to": "web", "ports": 22},
        {"from": "web", "to": "198.51.100.7", "protocol": "udp", "ports": 53},
        {"from": "web", "to": "host", "protocol": "icmp"},
        {"from": "host", "to": "cache", "ports": 6379},
        {"from": "mail", "to": ["world", "198.18.0.2"], "ports": 25},
        {"from": "mail", "to": "world", "ports": 22},
        {"from": "world", "to": "mail", "ports": 25},
    ],
}
LINE = "docker_fleet_policy"
CASES = [
    # between networks
    ("web", "db", "tcp", 5433, f"{LINE}[0]"),
    ("web", "db", "tcp", 5434, None),
    ("web", "db", "udp", 5432, None),
    ("web", "db", "icmp", None, None),
    ("db", "web", "tcp", 5432, None),
    ("web", "web", "tcp", 9, "web is one network on all hosts"),
    ("lab", "lab", "tcp", 9, None),
    ("docker0", "docker0", "tcp", 9, None),
    ("lab", "cache", "tcp", 9, "docker_fleet_networks[2].open"),
    ("docker0", "cache", "tcp", 9, None),
    ("cache", "lab", "tcp", 9, None),
    ("web", None, "tcp", 9, None),
    # from outside
    ("world", "web", "tcp", 80, f"{LINE}[1]"),
    ("world", "web", "tcp", 22, None),
    ("192.0.2.9", "web", "tcp", 80, f"{LINE}[1]"),
    ("192.0.2.9", "web", "tcp", 22, f"{LINE}[2]"),
    ("192.0.3.9", "web", "tcp", 22, None),
    ("world", "db", "tcp", 80, "Docker's default: published ports"),
    # to outside
    ("web", "198.51.100.7", "udp", 53, f"{LINE}[3]"),
    ("web", "198.51.100.7", "tcp", 53, None),
    ("web", "world", "udp", 53, None),
    ("db", "world", "tcp", 443, None),
    ("db", "host", "tcp", 443, None),
    ("cache", "world", "tcp", 443, "Docker's default: to the world"),
    ("docker0", "192.0.2.1", "tcp", 443, "Docker's default: to the world"),
    # the metadata service of clouds
    ("cache", "169.254.169.254", "tcp", 80, "Docker's default: to the world"),
    ("docker0", "169.254.169.254", "tcp", 80, "Docker's default: to the world"),
    ("web", "169.254.169.254", "tcp", 80, None),
    ("db", "169.254.169.254", "tcp", 80, None),
    # the host
    ("web", "host", "icmp", None, f"{LINE}[4]"),
    ("web", "host", "tcp", 22, None),
    ("lab", "host", "tcp", 22, "Docker's default: containers reach their own host"),
    ("host", "cache", "tcp", 6379, f"{LINE}[5]"),
    ("host", "cache", "tcp", 6380, None),
    ("host", "web", "tcp", 80, "Docker's default: a host reaches its own containers"),
    # other hosts: as a target, the world does not include them
    ("mail", "198.51.100.1", "tcp", 22, f"{LINE}[7]"),
    ("mail", "198.18.0.1", "tcp", 22, None),
    ("mail", "198.18.0.2", "tcp", 22, None),
    ("mail", "198.18.0.1", "tcp", 25, None),
    ("mail", "198.18.0.2", "tcp", 25, f"{LINE}[6]"),
    ("mail", "host", "tcp", 22, "Docker's default: containers reach their own host"),
    ("cache", "198.18.0.2", "tcp", 22, "Docker's default: to the world"),
    ("198.18.0.1", "mail", "tcp", 25, f"{LINE}[8]"),
    # neither end is ours to judge
    ("host", "world", "tcp", 80, None),
]


@pytest.fixture(scope="module")
def policy():
    hosts = {f"h{number}": {"ansible_host": f"198.18.0.{number}"} for number in (1, 2)}
    return Policy.from_data(plan_of(FLEET, hosts).policy.to_data())


@pytest.mark.parametrize(("source", "target", "protocol", "port", "why"), CASES)
def test_allowing(policy, source, target, protocol, port, why):
    answer = policy.allowing(source, target, protocol, port)
    assert answer is None if why is None else (answer or "").startswith(why)


@pytest.mark.parametrize("network", ["web", "lab", "docker0"])
def test_the_policy_does_not_apply_within_a_bridge(policy, network):
    assert policy.allowing(network, network, "tcp", 9, same_host=True) == f"{network} is one bridge on a host"
    assert policy.allowing("lab", "web", "tcp", 9, same_host=True) is None


METADATA = [
    # a line names the address
    ("web", "169.254.169.254", "tcp", 80, f"{LINE}[0]"),
    ("web", "169.254.169.254", "tcp", 443, None),
    ("web", "fd00:ec2::254", "tcp", 80, f"{LINE}[1]"),
    # Docker's default, a block, and the world, do not
    ("lab", "169.254.169.254", "tcp", 80, None),
    ("lab", "fd00:ec2::254", "tcp", 80, None),
    ("docker0", "169.254.169.254", "icmp", None, None),
    ("db", "169.254.169.254", "tcp", 80, None),
    ("db", "169.254.169.253", "tcp", 80, f"{LINE}[2]"),
    ("lab", "169.254.169.253", "tcp", 80, "Docker's default: to the world"),
]


@pytest.mark.parametrize(("source", "target", "protocol", "port", "why"), METADATA)
@pytest.mark.parametrize("word", ["closed", "open"])
def test_the_metadata_address_of_clouds_is_closed_by_a_word(word, source, target, protocol, port, why):
    lines = [
        {"from": "web", "to": "169.254.169.254", "ports": 80},
        {"from": "web", "to": "fd00:ec2::254"},
        {"from": "db", "to": ["world", "169.254.0.0/16"]},
    ]
    fleet = {
        "supernet": "10.64.0.0/12",
        "supernet_v6": "fd00:64::/40",
        "networks": ["web", "db", "lab"],
        "policy": lines,
        "cloud_metadata": word,
    }
    hosts = {"h1": {"ansible_host": "198.18.0.1", "underlay_address_v6": "fd00::1"}}
    policy = Policy.from_data(plan_of(fleet, hosts).policy.to_data())
    answer = policy.allowing(source, target, protocol, port)
    if word == "open" and source != "web":
        assert answer is not None
    else:
        assert answer is None if why is None else (answer or "").startswith(why)
