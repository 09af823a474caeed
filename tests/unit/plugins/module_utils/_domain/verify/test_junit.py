# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.junit import render
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import Endpoint, Probe, Verdict

WEB = Endpoint("h1", "web", "web", "10.64.1.2")
DB = Endpoint("h2", "db", "db", "10.64.18.2")
PASSES = Verdict(Probe(WEB, DB, "tcp", 5432, 0, 'policy[0]: web -> db: "tcp" & <5432>'), True, None)
DENIED = Verdict(Probe(DB, WEB, "icmp", None, 0, None), True, "passes, and no line of the policy allows it")


def test_a_suite_is_a_pair_of_networks_and_a_case_a_probe():
    assert render([PASSES, DENIED]) == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<testsuites name="fleetnet.docker.reachability" tests="2" failures="1" errors="0">\n'
        ' <testsuite name="db -&gt; web" tests="1" failures="1" errors="0">\n'
        '  <testcase classname="fleetnet.docker.reachability.db -&gt; web" name="icmp is denied: '
        'db on h2 (db, 10.64.18.2) -&gt; web on h1 (web, 10.64.1.2)">\n'
        '   <failure type="NotAsDeclared" message="passes, and no line of the policy allows it">'
        "db on h2 (db, 10.64.18.2) -&gt; web on h1 (web, 10.64.1.2) icmp: passes, and no line of the policy allows it\n"
        "intended: denied, no line of the policy allows it</failure>\n"
        "  </testcase>\n"
        " </testsuite>\n"
        ' <testsuite name="web -&gt; db" tests="1" failures="0" errors="0">\n'
        '  <testcase classname="fleetnet.docker.reachability.web -&gt; db" name="tcp/5432 passes: '
        'web on h1 (web, 10.64.1.2) -&gt; db on h2 (db, 10.64.18.2)" />\n'
        " </testsuite>\n"
        "</testsuites>\n"
    )


def test_what_a_person_wrote_is_escaped():
    wrong = Verdict(PASSES.probe, False, "does not pass, and should")
    failure = ElementTree.fromstring(render([wrong]).encode()).find(".//failure")
    assert failure is not None
    assert failure.text.endswith('intended: policy[0]: web -> db: "tcp" & <5432>')


def test_what_is_behind_a_failure_is_told():
    wrong = Verdict(PASSES.probe, False, "does not pass", "h2: link fn-db is down")
    failure = ElementTree.fromstring(render([wrong]).encode()).find(".//failure")
    assert failure is not None
    assert "because: h2: link fn-db is down\n" in failure.text


def test_nothing_to_prove_is_a_report_as_well():
    assert ElementTree.fromstring(render([]).encode()).attrib["tests"] == "0"
