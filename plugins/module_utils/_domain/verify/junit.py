# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts and coverage as JUnit XML, which CI servers read. Pure; the same verdicts give the same bytes.

A suite is a pair of networks, a test case is a probe. Two more suites are the lines of the policy and the kinds of
denied traffic, of which what is not proven is skipped with the reason. The format has no standard; elements and
attributes are those of Ant's reports, which Jenkins and GitLab read.
"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Coverage, State
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import HostFinding
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict

_NAME = "fleetnet.docker.reachability"
_COVERAGE = "fleetnet.docker.coverage"
_HOSTS = "fleetnet.docker.hosts"

# What is stated, and why it is not proven; the reason is empty if it is.
_Case = t.Tuple[str, str]


def render(verdicts: t.Sequence[Verdict], coverage: Coverage | None = None, hosts: t.Sequence[HostFinding] = ()) -> str:
    """Return the XML document; suites are sorted by their networks' names, cases are in the order of the probes.

    What differs on hosts is a suite of failures.
    """
    statements = _statements(coverage) if coverage else {}
    suites: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        suites.setdefault(verdict.probe.networks, []).append(verdict)
    stated = [case for cases in statements.values() for case in cases]
    root = ElementTree.Element("testsuites", {"name": _NAME, **_counts(verdicts, stated, len(hosts))})
    for (source, target), members in sorted(suites.items()):
        name = f"{source} -> {target}"
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(members)})
        for verdict in members:
            _add_case(suite, name, verdict)
    for name, cases in statements.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts((), cases)})
        for what, reason in cases:
            attributes = {"classname": f"{_COVERAGE}.{name}", "name": what}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            if reason:
                ElementTree.SubElement(case, "skipped", {"message": reason})
    if hosts:
        suite = ElementTree.SubElement(root, "testsuite", {"name": "hosts", **_counts((), (), len(hosts))})
        for each in hosts:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": _HOSTS, "name": f"{each.host}: {each.problem.value}"}
            )
            failure = ElementTree.SubElement(
                case, "failure", {"type": each.problem.value, "message": text.host_finding(each)}
            )
            failure.text = f"{text.host_finding(each)}\n{text.host_remedy(each)}"
    ElementTree.indent(root, space=" ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _statements(coverage: Coverage) -> dict[str, list[_Case]]:
    """The suites of the coverage, by name. Statements that failed are left out: their probes are failures."""
    lines = [
        (f"{each.line.path}: {each.line}", text.line_gap(each))
        for each in coverage.lines
        if each.state is not State.FAILED
    ]
    denied = [
        (f"IPv{each.statement.version}: {text.statement(each.statement)}", text.gap(each))
        for each in coverage.denied
        if each.state is not State.FAILED
    ]
    suites = {"lines of the policy": lines, "denied traffic": denied}
    return {name: cases for name, cases in suites.items() if cases}


def _counts(verdicts: t.Sequence[Verdict], stated: t.Sequence[_Case] = (), hosts: int = 0) -> dict[str, str]:
    wrong = sum(not verdict.as_declared for verdict in verdicts) + hosts
    skipped = sum(bool(reason) for _what, reason in stated)
    counts = {"tests": len(verdicts) + len(stated) + hosts, "failures": wrong, "errors": 0, "skipped": skipped}
    return {name: str(count) for name, count in counts.items()}


def _add_case(suite: ElementTree.Element, suite_name: str, verdict: Verdict) -> None:
    probe = verdict.probe
    intended = "passes" if probe.declared_by else "is denied"
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": f"{_NAME}.{suite_name}",
            "name": f"{probe.service} {intended}: {probe.source} -> {probe.target}",
        },
    )
    if not verdict.as_declared:
        problem, causes = text.problem(verdict), cause_text.explanation(verdict.causes)
        failure = ElementTree.SubElement(case, "failure", {"type": verdict.kind.value, "message": str(problem)})
        failure.text = (
            f"{probe.source} -> {probe.target} {probe.service}: {problem}\n"
            + (f"cause: {causes}\n" if causes else "")
            + "".join(f"{remedies.remedy(cause)}\n" for cause in verdict.causes)
            + (f"{cause_text.location(verdict.last_seen)}\n" if verdict.last_seen else "")
            + f"declared: {probe.declared_by or 'denied, no line of the policy allows it'}"
        )
