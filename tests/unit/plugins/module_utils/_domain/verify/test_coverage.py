# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verdicts prove of the policy, and what is listed as not proven."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import (
    Coverage,
    Proof,
    State,
    measure,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import make_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import Statement, StatementKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Reason, Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from ..planning import assert_golden, plan_of
from .probes import ALLOWED, DB2, DENIED, NAME, NARROW, POLICY, WEB1, WEB2

K, S, G = VerdictKind, State, Gap
HOSTS = {
    f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"fd00::{number}"} for number in (1, 2)
}


def policy_of(*lines, **fleet):
    declared = {"supernet": "10.64.0.0/12", "networks": ["web", "db"], "policy": list(lines), **fleet}
    return plan_of(declared, HOSTS).policy


def as_declared(policy, endpoints, **options):
    return [Verdict(probe, K.AS_DECLARED) for probe in make_probes(policy, endpoints, **options)]


def denied(coverage, kind=StatementKind.DIRECT):
    return {
        (each.statement.source, each.statement.target): (each.state, each.gap)
        for each in coverage.denied
        if each.statement.kind is kind
    }


@pytest.mark.parametrize(
    ("kinds", "state", "gap", "probes"),
    [
        ([K.AS_DECLARED], S.PROVEN, None, 1),
        ([K.AS_DECLARED, K.BLOCKED], S.FAILED, None, 2),
        ([K.NOT_TRIED, K.NOT_OBSERVED], S.NOT_PROVEN, G.NO_RESULT, 2),
        ([K.NOT_TRIED, K.AS_DECLARED], S.PROVEN, None, 2),
        ([K.SOURCE_REWRITTEN], S.FAILED, None, 1),
        ([], S.NOT_PROVEN, G.NOT_CHOSEN, 0),
    ],
)
def test_only_probes_with_a_result_prove_a_line(kinds, state, gap, probes):
    coverage = measure(POLICY, [WEB1, WEB2, DB2], [Verdict(ALLOWED, kind) for kind in kinds])
    (part,) = coverage.lines[0].parts
    assert part == Proof(Statement(StatementKind.LINE, "web", "db", 4, 0), state, probes, gap)
    assert coverage.lines[0].state is state


@pytest.mark.parametrize(
    ("kind", "state"), [(K.AS_DECLARED, S.PROVEN), (K.LEAK, S.FAILED), (K.NOT_OBSERVED, S.NOT_PROVEN)]
)
def test_a_denied_probe_proves_the_kind_of_its_traffic(kind, state):
    coverage = measure(POLICY, [WEB1, WEB2, DB2], [Verdict(DENIED, kind)])
    assert denied(coverage)["web", "db"][0] is state
    # and nothing about the opposite direction
    assert denied(coverage)["db", "web"] == (S.NOT_PROVEN, G.NOT_CHOSEN)


def test_a_network_of_its_own_and_names_prove_no_line():
    policy = policy_of({"from": "web", "to": "web", "protocol": "icmp"}, {"from": "db", "to": "web"})
    verdicts = [Verdict(probe, K.AS_DECLARED) for probe in (NAME, NARROW)]
    coverage = measure(policy, [WEB1, WEB2], verdicts)
    assert coverage.lines[0].parts == ()  # the network spans hosts without it
    assert coverage.lines[1].state is S.NOT_PROVEN


def test_every_line_that_allows_a_probe_is_proven():
    policy = policy_of({"from": "web", "to": "db", "protocol": "tcp"}, {"from": "any", "to": "db", "ports": 5432})
    coverage = measure(policy, [WEB1, DB2], as_declared(policy, [WEB1, DB2]))
    assert [each.state for each in coverage.lines] == [S.PROVEN, S.PROVEN]
    # "any" includes db itself, which needs no line
    assert [part.statement.source for part in coverage.lines[1].parts] == ["web"]


def test_what_a_line_opens_completely_is_not_denied():
    coverage = measure(policy_of({"from": "web", "to": "db"}), [WEB1, DB2], [])
    assert ("web", "db") not in denied(coverage)
    assert ("web", "db") not in denied(coverage, StatementKind.PUBLISHED)
    assert denied(coverage)["db", "web"] == (S.NOT_PROVEN, G.NOT_CHOSEN)


def test_each_ip_version_is_proven_by_itself():
    policy = policy_of({"from": "web", "to": "db"}, supernet_v6="fd00:64::/40")
    coverage = measure(policy, [WEB1, DB2], as_declared(policy, [WEB1, DB2]))
    parts = {part.statement.version: (part.state, part.gap, part.network) for part in coverage.lines[0].parts}
    assert parts == {4: (S.PROVEN, None, None), 6: (S.NOT_PROVEN, G.NO_CONTAINER, "web")}


def test_the_reason_names_the_network_without_containers():
    coverage = measure(POLICY, [WEB1, WEB2], as_declared(POLICY, [WEB1, WEB2]))
    (part,) = coverage.lines[0].parts
    assert (part.gap, part.network) == (G.NO_CONTAINER, "db")


def test_a_local_network_is_denied_between_hosts_only():
    policy = policy_of(networks=[{"name": "lab", "local": True}])
    ends = [Endpoint("h1", "one", "lab", "10.64.1.2"), Endpoint("h1", "two", "lab", "10.64.1.3")]
    other = Endpoint("h2", "one", "lab", "10.64.17.2")
    assert denied(measure(policy, ends, as_declared(policy, ends)))["lab", "lab"] == (S.NOT_PROVEN, G.NO_PAIR)
    ends.append(other)
    assert denied(measure(policy, ends, as_declared(policy, ends)))["lab", "lab"] == (S.PROVEN, None)


def test_traffic_with_the_outside_is_listed_by_what_limits_it():
    """By default, all of it is allowed except packets from outside to a container's own address."""
    coverage = measure(policy_of(), [WEB1], [])
    assert ("world", "web") in denied(coverage)
    assert {pair for pair in denied(coverage) if "host" in pair or pair[1] == "world"} == set()
    assert denied(coverage, StatementKind.METADATA) == {}
    network = {"name": "web", "ingress": "policy", "egress": "policy"}
    policy = policy_of(networks=[network], cloud_metadata="closed")
    coverage = measure(policy, [WEB1], [])
    pairs = {(each.statement.kind.value, each.statement.source, each.statement.target) for each in coverage.denied}
    assert {
        ("direct", "host", "web"), ("direct", "web", "host"), ("direct", "web", "world"), ("direct", "world", "web"),
        ("published", "world", "web"), ("remote_api", "web", "host"), ("metadata", "web", "world"),
        ("undeclared", "", "web"), ("undeclared", "web", ""),
    } <= pairs  # fmt: skip


def test_coverage_as_data():
    unprobed = (Unprobed("h1", "none", ("alone",), Reason.NO_NETWORK),)
    data = measure(POLICY, [WEB1, DB2], [Verdict(ALLOWED, K.AS_DECLARED)], unprobed).to_data()
    assert json.loads(json.dumps(data)) == data
    assert data["containers"] == {"running": 3, "probed": 2, "not_probed": [unprobed[0].to_data()]}
    assert data["lines"][0] == {
        "path": "docker_fleet_policy[0]",
        "line": "web -> db: tcp/5432,8000-8010",
        "state": "proven",
        "parts": [
            {"kind": "line", "source": "web", "target": "db", "version": 4, "state": "proven", "probes": 1,
             "reason": None, "network": None},
        ],
    }  # fmt: skip
    assert {each["state"] for each in data["denied"]} == {"not_proven"}


def test_the_report_of_nothing_is_empty():
    assert coverage_lines(Coverage()) == []


@pytest.mark.parametrize("gap", Gap)
def test_each_reason_is_text(gap):
    assert text.gap(Proof(Statement(StatementKind.DIRECT, "web", "db", 4), S.NOT_PROVEN, 0, gap, "db"))


OTHER = Endpoint("h1", "db", "db", "10.64.2.2")
LAB = {"name": "lab", "hosts": "h1", "egress": "policy"}
REPORTS = {
    "all is proven between containers": (policy_of({"from": "web", "to": "db"}), [WEB1, WEB2, DB2, OTHER]),
    "one network without containers": (
        policy_of({"from": ["web", "lab"], "to": "db", "ports": 5432}, {"from": "world", "to": "web", "ports": 80},
                  {"from": "lab", "to": "host", "protocol": "icmp"}, networks=["web", "db", LAB]),
        [WEB1, WEB2, DB2],
    ),
    "two IP versions": (
        policy_of({"from": "web", "to": "db"}, supernet_v6="fd00:64::/40"),
        [WEB1, DB2, WEB1._replace(address="fd00:64:0:1::2")],
    ),
}  # fmt: skip


def test_the_report():
    """Lines as they are printed. Numbers come first, then what is not proven, with the reason."""
    found = {}
    for name, (policy, endpoints) in REPORTS.items():
        unprobed = [Unprobed("h1", "none", ("alone",), Reason.NO_NETWORK)]
        found[name] = coverage_lines(measure(policy, endpoints, as_declared(policy, endpoints), unprobed))
    leak = [Verdict(DENIED, K.LEAK), Verdict(ALLOWED, K.BLOCKED)]
    found["failures"] = coverage_lines(measure(POLICY, [WEB1, DB2], leak))
    assert_golden("coverage.yml", found)
