# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts as JUnit XML, which CI servers read. Pure; the same verdicts give the same bytes.

A suite is a pair of networks, a test case is a probe. The format has no standard; elements and attributes are those of
Ant's reports, which Jenkins and GitLab read.
"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict

_NAME = "fleetnet.docker.reachability"


def render(verdicts: t.Sequence[Verdict]) -> str:
    """Return the XML document; suites are sorted by their networks' names, cases are in the order of the probes."""
    suites: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        suites.setdefault((verdict.probe.source.network, verdict.probe.target.network), []).append(verdict)
    root = ElementTree.Element("testsuites", {"name": _NAME, **_counts(verdicts)})
    for (source, target), members in sorted(suites.items()):
        name = f"{source} -> {target}"
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(members)})
        for verdict in members:
            _add_case(suite, name, verdict)
    ElementTree.indent(root, space=" ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(verdicts: t.Sequence[Verdict]) -> dict[str, str]:
    wrong = sum(not verdict.as_declared for verdict in verdicts)
    return {"tests": str(len(verdicts)), "failures": str(wrong), "errors": "0"}


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
        problem, causes = text.problem(verdict), text.explanation(verdict.causes)
        failure = ElementTree.SubElement(case, "failure", {"type": verdict.kind.value, "message": str(problem)})
        failure.text = (
            f"{probe.source} -> {probe.target} {probe.service}: {problem}\n"
            + (f"cause: {causes}\n" if causes else "")
            + f"declared: {probe.declared_by or 'denied, no line of the policy allows it'}"
        )
