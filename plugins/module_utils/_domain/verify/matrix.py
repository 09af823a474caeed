# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a fleet's probes, as text: the matrix by networks and by hosts, and what is wrong. Pure."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.tables import table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import Verdict


def report_lines(verdicts: t.Sequence[Verdict], pairs: int | None = None, most_problems: int = 20) -> list[str]:
    """The reachability matrix as text: by networks and service, by hosts, and what is wrong.

    ``pairs`` is how many there are, of which a sample may have been tried.
    """
    nodes = {verdict.probe.source for verdict in verdicts} | {verdict.probe.target for verdict in verdicts}
    containers = {(node.host, node.container) for node in nodes}
    wrong = [verdict for verdict in verdicts if verdict.problem]
    hosts = sorted({node.host for node in nodes})
    lines = [
        f"Reachability: {len(verdicts)} probes between {len(containers)} containers on {len(hosts)} hosts, "
        f"{len(verdicts) - len(wrong)} as declared, {len(wrong)} not",
    ]
    tried = len({(verdict.probe.source, verdict.probe.target) for verdict in verdicts})
    if pairs is not None and tried < pairs:
        lines.append(
            f"{tried} of {pairs} pairs of containers were tried: of every two hosts, of every two networks, and others"
        )
    lines.append("")
    rows = []
    groups: dict[tuple[str, str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        probe = verdict.probe
        # a local network has both: it passes on a host, and not between hosts
        intended = "passes" if probe.intended else "denied"
        groups.setdefault((probe.source.network, probe.target.network, probe.service, intended), []).append(verdict)
    for (source, target, service, intended), group in sorted(groups.items()):
        passed = sum(verdict.passed for verdict in group)
        observed = "passes" if passed == len(group) else "denied" if not passed else f"{passed} of {len(group)} pass"
        good = sum(verdict.problem is None for verdict in group)
        mark = "ok" if good == len(group) else "WRONG"
        rows.append([source, target, service, intended, observed, f"{good} of {len(group)}", mark])
    lines += table(["from", "to", "what", "intended", "observed", "as declared", ""], rows)
    lines += ["", "By hosts (probes as declared, from row to column)", "", *_host_matrix(hosts, verdicts)]
    if wrong:
        lines += ["", "Not as declared:"]
        for verdict in wrong[:most_problems]:
            lines.append(
                f"  {verdict.probe.source} -> {verdict.probe.target} {verdict.probe.service}: {verdict.problem}"
            )
        if len(wrong) > most_problems:
            lines.append(f"  ... and {len(wrong) - most_problems} more")
        causes = collections.Counter(verdict.explanation for verdict in wrong if verdict.explanation)
        if causes:
            lines += ["", "Because:"]
            lines += [
                f"  {cause} ({count} {'probe' if count == 1 else 'probes'})" for cause, count in causes.most_common()
            ]
    return lines


def _host_matrix(hosts: t.Sequence[str], verdicts: t.Sequence[Verdict]) -> list[str]:
    counts: dict[tuple[str, str], list[int]] = {}
    for verdict in verdicts:
        cell = counts.setdefault((verdict.probe.source.host, verdict.probe.target.host), [0, 0])
        cell[0] += verdict.problem is None
        cell[1] += 1
    rows = []
    for source in hosts:
        cells = [counts.get((source, target)) for target in hosts]
        rows.append([source, *(f"{cell[0]}/{cell[1]}" if cell else "-" for cell in cells)])
    return table(["", *hosts], rows)
