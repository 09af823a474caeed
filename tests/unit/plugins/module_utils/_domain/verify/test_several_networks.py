# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container on several networks is probed on each of them."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    make_name_probes,
    make_probes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    Verdict,
    VerdictKind,
    judge,
    to_explain,
)

from .probes import DB2, POLICY, REPLY, TIMEOUT, WEB1, WEB2

K = VerdictKind
BOTH = [
    Endpoint("h2", "both", "web", "10.64.17.9", several=True),
    Endpoint("h2", "both", "db", "10.64.18.9", several=True),
]


def attached(**networks):
    return [{"network": name, "ipv4": address, "ipv6": None} for name, address in networks.items()]


def test_a_container_has_an_end_on_each_network_also_on_undeclared_ones():
    containers = [
        {"name": "a", "networks": attached(web="10.64.17.9/24", db="10.64.18.9/24", compose="172.18.0.2/16")},
        {"name": "b", "networks": attached(web="10.64.17.2/24")},
    ]
    compose = {"name": "compose", "driver": "bridge", "managed": False, "internal": False, "options": {}}
    found = find_endpoints(POLICY, {"h2": {"containers": containers, "networks": [compose]}}, 1)
    # b is the one container of web, because it is on this network alone.
    assert [(end.container, end.network, end.kind, end.several) for end in found] == [
        ("b", "web", EndKind.CONTAINER, False),
        ("a", "db", EndKind.CONTAINER, True),
        ("a", "compose", EndKind.UNDECLARED, True),
    ]


def test_both_networks_are_probed_and_the_container_not_by_itself():
    probes = make_probes(POLICY, [WEB1, DB2, *BOTH])
    pairs = {(str(each.source), str(each.target)) for each in probes}
    for end in BOTH:
        for other in (WEB1, DB2):
            assert {(str(end), str(other)), (str(other), str(end))} <= pairs
    assert not any(source.startswith("both") and target.startswith("both") for source, target in pairs)


def test_a_probe_counts_only_with_the_address_that_it_is_about():
    data = Probe(BOTH[0], WEB1, "icmp", None, 1, "a line").to_data()
    assert data["required_source"] == "10.64.17.9"
    assert "required_source" not in Probe(WEB1, BOTH[0], "icmp", None, 1, "a line").to_data()


@pytest.mark.parametrize(
    ("source", "target", "answered"),
    [(WEB1, BOTH[0], False), (WEB2, BOTH[0], True), (WEB2, BOTH[1], False), (BOTH[0], WEB1, True)],
    ids=["from another host", "a neighbor", "another network", "to a container on one network"],
)
def test_an_answer_is_expected_only_through_the_network_itself(source, target, answered):
    probe = Probe(source, target, "tcp", 80, 1, "a line")
    assert probe.answered == answered
    assert ("attempts" in probe.to_data()) == answered
    assert judge(probe, TIMEOUT, [source.address]).kind is (K.NO_ANSWER if answered else K.AS_DECLARED)
    assert judge(probe, REPLY, [source.address]).kind is K.AS_DECLARED
    assert judge(probe, TIMEOUT, []).kind is K.BLOCKED
    assert judge(probe, TIMEOUT, [], observed=False).kind is (K.BLOCKED if answered else K.NOT_OBSERVED)


def test_a_failure_is_not_traced():
    """Its routes are not those that the evidence is about."""
    failed = Verdict(Probe(WEB1, BOTH[0], "tcp", 80, 1, "a line"), K.BLOCKED, "timeout")
    assert to_explain([failed], 9) == []


def test_the_mtu_and_names_are_proven_by_containers_on_one_network():
    probes = make_probes(POLICY, [WEB1, *BOTH])
    assert [each for each in probes if each.packet] == []
    assert make_name_probes(BOTH) == []


def test_a_published_port_belongs_to_the_address_that_its_rule_names():
    rule = "-A DOCKER ! -i fn-db -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.64.18.9:80"
    port = {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080,
            "nat_rules": [rule], "proxy_pid": 7}  # fmt: skip
    proxied = {**port, "host_port": 8081, "nat_rules": []}
    container = {
        "name": "both", "networks": attached(web="10.64.17.9/24", db="10.64.18.9/24"), "ports": [port, proxied],
    }  # fmt: skip
    found = find_endpoints(POLICY, {"h2": {"containers": [container], "networks": []}}, 1, {"h2": ["192.0.2.2"]})
    assert {end.network: [each.host_port for each in end.ports] for end in found if end.container} == {
        "web": [8081], "db": [8080, 8081],
    }  # fmt: skip
