# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts as JUnit XML."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import HostFinding, Problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.junit import render
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from .probes import ALLOWED, DB2, DENIED, POLICY, WEB1, WEB2

WEB = Endpoint("h1", "web", "web", "10.64.1.2")
DB = Endpoint("h2", "db", "db", "10.64.18.2")
LINE = 'policy[0]: web -> db: "tcp" & <5432>'
PASSES = Verdict(Probe(WEB, DB, "tcp", 5432, 0, LINE), VerdictKind.AS_DECLARED, "reply")
LEAK = Verdict(Probe(DB, WEB, "icmp", None, 0, None), VerdictKind.LEAK, "reply")
BLOCKED = Verdict(PASSES.probe, VerdictKind.BLOCKED, "timeout")


def failure_of(verdict):
    failure = ElementTree.fromstring(render([verdict]).encode()).find(".//failure")
    assert failure is not None
    return failure


def test_a_suite_is_a_pair_of_networks_and_a_case_a_probe():
    problem = text.problem(LEAK)
    assert render([PASSES, LEAK]) == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<testsuites name="fleetnet.docker.reachability" tests="2" failures="1" errors="0" skipped="0">\n'
        ' <testsuite name="db -&gt; web" tests="1" failures="1" errors="0" skipped="0">\n'
        '  <testcase classname="fleetnet.docker.reachability.db -&gt; web" name="icmp is denied: '
        'db on h2 (db, 10.64.18.2) -&gt; web on h1 (web, 10.64.1.2)">\n'
        f'   <failure type="leak" message="{problem}">'
        f"db on h2 (db, 10.64.18.2) -&gt; web on h1 (web, 10.64.1.2) icmp: {problem}\n"
        "declared: denied, no line of the policy allows it</failure>\n"
        "  </testcase>\n"
        " </testsuite>\n"
        ' <testsuite name="web -&gt; db" tests="1" failures="0" errors="0" skipped="0">\n'
        '  <testcase classname="fleetnet.docker.reachability.web -&gt; db" name="tcp/5432 passes: '
        'web on h1 (web, 10.64.1.2) -&gt; db on h2 (db, 10.64.18.2)" />\n'
        " </testsuite>\n"
        "</testsuites>\n"
    )


def test_the_coverage_has_suites_of_its_own():
    """What is not proven is skipped. What failed is a failed probe."""
    verdicts = [Verdict(DENIED, VerdictKind.AS_DECLARED), Verdict(ALLOWED, VerdictKind.BLOCKED, "timeout")]
    coverage = measure(POLICY, [WEB1, WEB2, DB2], verdicts)
    root = ElementTree.fromstring(render(verdicts, coverage).encode())
    cases = {suite.attrib["name"]: {case.attrib["name"]: case.find("skipped") for case in suite} for suite in root}
    (line,) = cases["lines of the policy"]
    assert line == "docker_fleet_policy[1]: web -> docker0: any"
    assert cases["lines of the policy"][line].attrib["message"] == text.line_gap(coverage.lines[1])
    denied = cases["denied traffic"]
    assert denied["IPv4: web -> db"] is None
    assert denied["IPv4: db -> web"].attrib["message"] == "the sample of pairs does not include it"
    skipped = sum(case is not None for suite in cases.values() for case in suite.values())
    assert root.attrib == {
        "name": "fleetnet.docker.reachability", "tests": str(2 + 1 + len(denied)), "failures": "1", "errors": "0",
        "skipped": str(skipped),
    }  # fmt: skip


def test_text_of_the_declaration_is_escaped():
    assert failure_of(BLOCKED).text.endswith(f"declared: {LINE}")


def test_a_failure_names_its_cause():
    cause = Cause(CauseKind.INTERFACE_DOWN, "h2", {"interface": "fn-db", "container": None})
    failure = failure_of(dataclasses.replace(BLOCKED, causes=(cause,)))
    assert failure.attrib["type"] == "blocked"
    assert f"cause: {cause_text.sentence(cause)}\n" in failure.text


def test_a_report_without_probes():
    assert ElementTree.fromstring(render([]).encode()).attrib["tests"] == "0"


def test_what_differs_on_a_host_is_a_failure():
    found = HostFinding("h1", Problem.DIFFERS, ("create route 10.64.16.0/20 via 192.0.2.2",))
    root = ElementTree.fromstring(render([PASSES], None, [found]))
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    (suite,) = [each for each in root if each.attrib["name"] == "hosts"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib == {"type": "differs", "message": text.host_finding(found)}
    assert text.host_remedy(found) in str(failure.text)
