# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of probes as text."""

from __future__ import annotations

import dataclasses

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import matrix_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    judge,
)

from .probes import ALLOWED, DENIED, TIMEOUT


def rows(lines):
    return [line.split() for line in lines]


def test_the_matrix_counts_what_is_as_declared():
    lines = matrix_lines([judge(ALLOWED, TIMEOUT, []), judge(DENIED, TIMEOUT, [])])
    assert lines[0] == "Reachability: 2 probes between 2 containers on 2 hosts, 1 as declared, 1 not"
    assert ["web", "db", "tcp/5432", "passes", "denied", "0", "of", "1", "WRONG"] in rows(lines)
    assert ["web", "db", "tcp/9", "denied", "denied", "1", "of", "1", "ok"] in rows(lines)


def test_a_service_that_is_allowed_and_denied_has_two_rows():
    local = [dataclasses.replace(ALLOWED, declared_by=declared_by) for declared_by in ("a line", None)]
    lines = matrix_lines([judge(probe, TIMEOUT, []) for probe in local])
    assert ["web", "db", "tcp/5432", "passes", "denied", "0", "of", "1", "WRONG"] in rows(lines)
    assert ["web", "db", "tcp/5432", "denied", "denied", "1", "of", "1", "ok"] in rows(lines)


def test_the_matrix_of_hosts_counts_probes_as_declared():
    lines = rows(matrix_lines([judge(ALLOWED, TIMEOUT, []), judge(DENIED, TIMEOUT, [])]))
    assert ["h1", "-", "1/2"] in lines
    assert ["h2", "-", "-"] in lines
