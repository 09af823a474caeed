# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a policy and a verification to who may open connections to whom, and what of it is proven."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import (
    CoverageFile,
    parse_coverage,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.text import policy_data
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.view import view_policy

from ..planning import assert_golden, plan_of
from .fleets import TWO_NETWORKS, Fleet, damaged, shop

HOSTS = {
    f"h{number}": {"ansible_host": f"198.51.100.{number}", "underlay_address_v6": f"2001:db8::{number}"}
    for number in (1, 2)
}
NOT_RULED = {
    "networks": ["web", {"name": "inner", "internal": True},
                 {"name": "lan", "driver": "macvlan", "subnet": "192.0.2.0/24", "hosts": ["h1"]}],
}  # fmt: skip
DUAL = {"supernet_v6": "fd00:64::/40", "networks": ["web", "db"], "policy": [{"from": "web", "to": "db"}]}
CLOSED = {
    "cloud_metadata": "closed", "networks": [{"name": "db", "ingress": "policy", "egress": "policy"}],
    "policy": [{"from": "db", "to": "169.254.169.254", "ports": 80}],
}  # fmt: skip


def declared(variables):
    """The view of a declaration without a verification."""
    plan = plan_of({"supernet": "10.64.0.0/10", **variables}, HOSTS)
    networks = [{"name": each.name, "driver": each.driver, "internal": each.internal} for each in plan.fleet.networks]
    return view_policy(plan.policy, {"h1": {"networks": networks}})


def verified(fleet, **most):
    return view_policy(fleet.policy, fleet.hosts, fleet.verdicts(**most), fleet.coverage(**most))


def partly(fleet):
    """Without the coverage of the line."""
    coverage = fleet.coverage()._replace(lines={})
    return view_policy(fleet.policy, fleet.hosts, fleet.verdicts(), coverage)


def dual():
    plan = plan_of({"supernet": "10.64.0.0/10", **DUAL}, HOSTS)
    parts = [
        {"kind": "line", "source": "web", "target": "db", "version": version, "state": state,
         "probes": 2 if state == "proven" else 0, "reason": None if state == "proven" else "no_pair", "network": None}
        for version, state in ((4, "proven"), (6, "not_proven"))
    ]  # fmt: skip
    coverage = parse_coverage({"text": [], "lines": [{"line": "web -> db: any", "parts": parts}], "denied": []})
    return view_policy(plan.policy, {}, [], coverage)


CASES = {
    "a line, without a verification": lambda: declared(TWO_NETWORKS),
    "networks that are not part of the policy": lambda: declared(NOT_RULED),
    "closed to the outside, except for the metadata of clouds": lambda: declared(CLOSED),
    "all is as declared": lambda: verified(Fleet()),
    "failures": lambda: verified(damaged()),
    "a line that the last verification does not include": lambda: partly(Fleet()),
    "two IP versions, one proven": dual,
    "every kind of end": lambda: verified(shop(2), most=1),
}


def summary(data):
    """One line of text per permission; denied traffic by its state."""

    def proofs(item):
        return [f"IPv{proof['version']}: {proof['reason'] or proof['probes']}" for proof in item["proofs"]]

    def line(what, item):
        return f"{what}: {item['state']}: {', '.join(proofs(item))}" if item["proofs"] else what

    denied = {}
    for each in data["denied"]:
        denied.setdefault(", ".join(proofs(each)) or "not verified", []).append(f"{each['denied']}: {each['traffic']}")
    return {
        "ends": ", ".join(f"{end['name']} ({end['kind']})" for end in data["ends"]),
        "allowed": [
            line(
                f"{each['source']} -> {each['target']}: {each['allowed']} [{each['because']}]"
                + (" (implied)" if each["implied"] else ""),
                each,
            )
            for each in data["permissions"]
        ],
        "denied": denied,
        "not ruled": data["not_ruled"],
    }


def test_golden():
    assert_golden("policy_view.yml", {name: summary(policy_data(make())) for name, make in CASES.items()})


def test_each_permission_is_one_that_the_policy_allows():
    """The policy's own decision agrees with each permission between networks."""
    fleet = shop(2)
    policy = fleet.policy
    view = view_policy(policy, fleet.hosts)
    names = {end.name for end in view.ends if end.kind == "network"}
    found = {(each.source, each.target) for each in view.permissions if {each.source, each.target} <= names}
    services = [("icmp", None), *((line.protocol, low) for line in policy.lines for low, _high in line.ports)]
    for source in names:
        for target in names:
            allowed = any(
                policy.allowing(source, target, *service, same_host=same) for service in services for same in (0, 1)
            )
            assert allowed == ((source, target) in found), (source, target)


def test_permissions_of_outside_addresses_include_those_of_the_world():
    """The policy's own decision agrees for each network and outside address, in both directions."""
    lines = [
        {"from": "web", "to": "world", "ports": 443},
        {"from": "web", "to": "203.0.113.0/24", "ports": 22},
        {"from": "web", "to": "203.0.113.7", "ports": 25},
        {"from": "web", "to": "198.51.100.2", "ports": 9},
        {"from": "192.0.2.0/24", "to": "db", "ports": 80},
        {"from": "192.0.2.7", "to": "db", "ports": 81},
        {"from": "web", "to": "169.254.169.254", "ports": 80},
    ]
    for metadata in ("closed", "open"):
        variables = {"networks": ["web", "db"], "policy": lines, "cloud_metadata": metadata}
        policy = plan_of({"supernet": "10.64.0.0/10", **variables}, HOSTS).policy
        permissions = view_policy(policy, {}).permissions
        for network in ("web", "db", "docker0"):
            for address in ("203.0.113.7", "198.51.100.2", "192.0.2.7", "169.254.169.254"):
                for port in (443, 22, 25, 9, 80, 81, 7):
                    for source, target in ((network, address), (address, network)):
                        ends = tuple(f"{end}/32" if end == address else end for end in (source, target))
                        found = any(
                            (each.source, each.target) == ends and (each.line is None or each.line.covers("tcp", port))
                            for each in permissions
                        )
                        decision = policy.allowing(source, target, "tcp", port)
                        assert found == (decision is not None), (metadata, source, target, port, decision)


def test_denied_traffic_is_what_the_policy_denies():
    fleet = shop(2)
    view = view_policy(fleet.policy, fleet.hosts)
    names = {end.name for end in view.ends if end.kind == "network"}
    between = [each for each in view.denied if each.kind.value == "direct" and {each.source, each.target} <= names]
    assert len(between) > 50
    for each in between:
        assert fleet.policy.allowing(each.source, each.target, "tcp", 1) is None, each


@pytest.mark.parametrize("document", [[], {}, {"text": "a"}, {"text": [1]}])
def test_a_document_without_the_text_of_the_coverage_is_invalid(document):
    with pytest.raises(ValueError, match="no text of this version"):
        parse_coverage(document)


@pytest.mark.parametrize(
    "change", [{"denied": [{}]}, {"denied": 1}, {"lines": [{"line": "a"}]}, {"lines": ["a"]}, {"lines": {"a": 1}}]
)
def test_a_document_without_valid_proofs_is_invalid(change):
    with pytest.raises(ValueError, match="no proofs of this version"):
        parse_coverage({"text": [], **change})


@pytest.mark.parametrize("change", [{"state": "odd"}, {"kind": "odd"}, {"reason": "odd"}, {"version": "six"}])
def test_a_proof_of_another_form_is_invalid(change):
    proof = {"kind": "direct", "source": "web", "target": "db", "version": 4, "state": "proven", "probes": 1,
             "reason": None, "network": None}  # fmt: skip
    assert len(parse_coverage({"text": [], "denied": [proof]}).denied) == 1
    with pytest.raises(ValueError, match="no proofs of this version"):
        parse_coverage({"text": [], "denied": [{**proof, **change}]})


def test_without_a_file_nothing_is_proven_but_what_the_verdicts_show():
    fleet = Fleet()
    view = view_policy(fleet.policy, fleet.hosts, fleet.verdicts(), None)
    states = {(each.source, each.target, each.proofs[0].state.value) for each in view.permissions if each.proofs}
    assert {("web", "web", "proven"), ("web", "db", "not_proven")} <= states
    assert view == view_policy(fleet.policy, fleet.hosts, fleet.verdicts(), CoverageFile())
