# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report begins with the verdict, then findings with what to do, then the coverage, then the matrix."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import ROUTE, STATE, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Location,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import HostFinding, Problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import HostPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import WrongNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.report import Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Reason, Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind, judge

from ..planning import assert_golden
from .probes import ALLOWED, DB2, DENIED, NARROW, POLICY, REPLY, TIMEOUT, WEB1, WEB2

DOWN = Cause(CauseKind.INTERFACE_DOWN, "h1", {"interface": "fn-web", "container": None})
LOST = Difference(ROUTE, "10.64.16.0/20 via 192.0.2.2", STATE, "present", None)
GOOD = [judge(ALLOWED, REPLY, [WEB1.address]), judge(DENIED, TIMEOUT, [])]
BLOCKED = Verdict(ALLOWED, VerdictKind.BLOCKED, "timeout", last_seen=Location("h1", "h2"))
DIFFERS = HostFinding("h1", Problem.DIFFERS, ("create route 10.64.16.0/20 via 192.0.2.2",), (LOST,))
HOSTS = [
    DIFFERS,
    HostFinding("h1", Problem.NO_ENGINE_RULES),
    HostFinding("h2", Problem.NOT_COMPARED, ("would fail: networks: web: differs",)),
    HostFinding("h2", Problem.PORTS_NOT_FORWARDED, ("0.0.0.0:8080 of container web",)),
    HostFinding("h2", Problem.NOT_MASQUERADED, tuple(f"net{number}" for number in range(10))),
    HostFinding("h2", Problem.NOT_FORWARDED, ("web",)),
    HostFinding("h2", Problem.NO_GATEWAY_ADDRESS, ("10.64.1.1/24 dev fn-web",)),
]
UNPLANNED = Unprobed("h2", "web", ("odd",), Reason.NOT_PLANNED)
WRONG = WrongNetwork("h2", "db", ("10.64.18.0/24",), None)


def report(verdicts=(), unprobed=(), **values) -> Report:
    coverage = measure(POLICY, [WEB1, WEB2, DB2], verdicts, unprobed, [])
    return Report(verdicts, coverage, unprobed=unprobed, **values)


def test_golden():
    """A whole report with every kind of finding."""
    explained = [
        dataclasses.replace(BLOCKED, probe=probe, causes=(DOWN,), last_seen=None) for probe in (ALLOWED, NARROW)
    ]
    everything = report(
        [*explained, BLOCKED],
        [UNPLANNED, Unprobed("h1", "host", ("agent",), Reason.HOST_MODE)],
        compared=2,
        hosts=HOSTS,
        networks=[WRONG],
        host_ports=[HostPort("docker_fleet_policy[0]", 8080, 80, ("web on h1",))],
        left_out=["h3"],
        summary=["The address plan"],
    )
    assert_golden("verification.yml", {"everything": "\n".join(everything.lines()) + "\n"})


def test_the_sections_are_in_order():
    lines = report([BLOCKED], [UNPLANNED], hosts=HOSTS, networks=[WRONG], summary=["The plan"]).lines()
    starts = [
        "NOT AS DECLARED", "Hosts that", "Networks that", "Not as declared:", "Coverage:", "Not probed:", "The plan",
        "Reachability:",
    ]  # fmt: skip
    found = [next(place for place, line in enumerate(lines) if line.startswith(start)) for start in starts]
    assert found == sorted(found)
    assert found[0] == 0


def test_a_location_is_below_its_pair_and_not_among_the_causes():
    lines = report([BLOCKED]).lines()
    place = next(place for place, line in enumerate(lines) if "does not pass" in line)
    assert lines[place + 1] == "    the packet was last seen on host h1 and did not arrive on host h2"
    assert "Causes:" not in lines


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (report(GOOD), "AS DECLARED: 2 of 2 probes"),
        (
            report(GOOD, compared=2),
            "AS DECLARED: 2 of 2 probes and the networks, rules, routes and units of 2 hosts",
        ),
        (report(GOOD, compared=2, left_out=["h3", "h4"]).verdict(), None),
        (report(compared=1), "AS DECLARED: the networks, rules, routes and units of 1 hosts"),
        (report(), "NOTHING WAS VERIFIED: no probes"),
        (report([BLOCKED, *GOOD]), "NOT AS DECLARED: 1 of 3 probes are not as declared"),
        (report(GOOD, hosts=HOSTS[:2]), "NOT AS DECLARED: 1 host is not as declared"),
        (
            report([BLOCKED], [UNPLANNED], hosts=HOSTS, networks=[WRONG]),
            "NOT AS DECLARED: 1 of 1 probes are not as declared, and 2 hosts are not as declared, and 1 container has "
            "an address that is not in the plan, and 1 declared network is missing or has other subnets",
        ),
    ],
)
def test_the_verdict_is_one_line(found, verdict):
    if verdict is None:
        assert found.endswith(" of 2 hosts. Not verified: h3, h4")
    else:
        assert found.lines()[0] == found.verdict() == verdict


@pytest.mark.parametrize("found", HOSTS, ids=lambda found: found.problem.value)
def test_a_finding_about_a_host_as_data(found):
    assert HostFinding.from_data(json.loads(json.dumps(found.to_data()))) == found


def test_each_problem_of_a_host_is_in_the_golden_report():
    assert {found.problem for found in HOSTS} == set(Problem)
