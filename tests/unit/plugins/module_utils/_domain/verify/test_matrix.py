# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's text."""

from __future__ import annotations

import dataclasses

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Location,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import report_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    Verdict,
    VerdictKind,
    judge,
)

from .probes import ALLOWED, DENIED, NARROW, TIMEOUT


def rows(lines):
    return [line.split() for line in lines]


def test_the_report_names_each_failure():
    verdicts = [judge(ALLOWED, TIMEOUT, []), judge(DENIED, TIMEOUT, [])]
    lines = report_lines(verdicts)
    assert lines[0] == "Reachability: 2 probes between 2 containers on 2 hosts, 1 as declared, 1 not"
    assert ["web", "db", "tcp/5432", "passes", "denied", "0", "of", "1", "WRONG"] in rows(lines)
    assert ["web", "db", "tcp/9", "denied", "denied", "1", "of", "1", "ok"] in rows(lines)
    failure = f"  web on h1 (web, 10.64.1.2) -> db on h2 (db, 10.64.18.2) tcp/5432: {text.problem(verdicts[0])}"
    assert failure in lines


def test_a_service_that_is_allowed_and_denied_has_two_rows():
    local = [dataclasses.replace(ALLOWED, declared_by=declared_by) for declared_by in ("a line", None)]
    lines = report_lines([judge(probe, TIMEOUT, []) for probe in local])
    assert ["web", "db", "tcp/5432", "passes", "denied", "0", "of", "1", "WRONG"] in rows(lines)
    assert ["web", "db", "tcp/5432", "denied", "denied", "1", "of", "1", "ok"] in rows(lines)


def test_the_report_ends_with_the_causes():
    cause = Cause(CauseKind.INTERFACE_DOWN, "h1", {"interface": "fn-web", "container": None})
    explained = [Verdict(probe, VerdictKind.BLOCKED, "timeout", causes=(cause,)) for probe in (ALLOWED, NARROW)]
    lines = report_lines([*explained, judge(ALLOWED, TIMEOUT, [])])
    assert lines[-3:] == ["Causes:", f"  {cause_text.sentence(cause)} (2 probes)", f"    {remedies.remedy(cause)}"]
    assert "Causes:" not in report_lines([judge(ALLOWED, TIMEOUT, [])])


def test_the_matrix_of_hosts_counts_probes_as_declared():
    lines = rows(report_lines([judge(ALLOWED, TIMEOUT, []), judge(DENIED, TIMEOUT, [])]))
    assert ["h1", "-", "1/2"] in lines
    assert ["h2", "-", "-"] in lines


def test_a_location_follows_its_pair_and_is_not_a_cause():
    lost = Verdict(ALLOWED, VerdictKind.BLOCKED, "timeout", last_seen=Location("h1", "h2"))
    lines = report_lines([lost])
    assert lines[-1] == "    the packet was last seen on host h1 and did not arrive on host h2"
    assert "Causes:" not in lines
