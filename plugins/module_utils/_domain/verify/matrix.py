# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a fleet's probes as text: the matrix by networks and by hosts. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.tables import table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict


def matrix_lines(verdicts: t.Sequence[Verdict], pairs: int | None = None) -> list[str]:
    """Return the reachability matrix as lines of text: by networks and service, and by hosts.

    ``pairs`` is the number of pairs in the fleet, of which the verdicts may be a sample.
    """
    endpoints = {verdict.probe.source for verdict in verdicts} | {verdict.probe.target for verdict in verdicts}
    containers = {(each.host, each.container) for each in endpoints if each.container}
    wrong = [verdict for verdict in verdicts if not verdict.as_declared]
    hosts = sorted({each.host for each in endpoints})
    fleet = {each.host for each in endpoints if each.kind is not EndKind.OUTSIDE}
    lines = [
        f"Reachability: {len(verdicts)} probes between {len(containers)} containers on {len(fleet)} hosts, "
        f"{len(verdicts) - len(wrong)} as declared, {len(wrong)} not",
    ]
    tried = len({(verdict.probe.source, verdict.probe.target) for verdict in verdicts if verdict.probe.direct})
    if pairs is not None and tried < pairs:
        lines.append(f"{tried} of {pairs} pairs of containers were tried: a sample of every two hosts and two networks")
    lines.append("")
    rows = []
    groups: dict[tuple[str, str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        probe = verdict.probe
        # A local network has both: it passes on a host, and is denied between hosts.
        intended = "passes" if probe.declared_by else "denied"
        groups.setdefault((*probe.networks, probe.row, intended), []).append(verdict)
    for (source, target, service, intended), group in sorted(groups.items()):
        passed = sum(verdict.passed for verdict in group)
        observed = "passes" if passed == len(group) else "denied" if not passed else f"{passed} of {len(group)} pass"
        good = sum(verdict.as_declared for verdict in group)
        mark = "ok" if good == len(group) else "WRONG"
        rows.append([source, target, service, intended, observed, f"{good} of {len(group)}", mark])
    lines += table(["from", "to", "service", "declared", "observed", "as declared", ""], rows)
    return [*lines, "", "By hosts (probes as declared, from row to column)", "", *_host_matrix(hosts, verdicts)]


def _host_matrix(hosts: t.Sequence[str], verdicts: t.Sequence[Verdict]) -> list[str]:
    counts: dict[tuple[str, str], list[int]] = {}
    for verdict in verdicts:
        cell = counts.setdefault((verdict.probe.source.host, verdict.probe.target.host), [0, 0])
        cell[0] += verdict.as_declared
        cell[1] += 1
    rows = []
    for source in hosts:
        cells = [counts.get((source, target)) for target in hosts]
        rows.append([source, *(f"{cell[0]}/{cell[1]}" if cell else "-" for cell in cells)])
    return table(["", *hosts], rows)
