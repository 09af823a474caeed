# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a verification: a verdict in one line, the findings, the coverage, and the matrix. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import matrix, text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Coverage
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.summary import summarize
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import HostFinding
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import HostPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import WrongNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict

_NO_CONTAINER = "No container is attached to a declared network. Start containers and run playbooks/verify.yml."
_MOST_FAILURES = 20


@dataclasses.dataclass(frozen=True)
class Report:
    """What a verification found.

    ``compared`` is the number of hosts that were compared with the plan, None if none was. ``pairs`` is the number of
    pairs in the fleet, of which the verdicts may be a sample. ``left_out`` are hosts without results, of which those
    of ``selected`` are in the run. ``summary`` are lines to print above the matrix.
    """

    verdicts: t.Sequence[Verdict]
    coverage: Coverage
    pairs: int | None = None
    compared: int | None = None
    hosts: t.Sequence[HostFinding] = ()
    networks: t.Sequence[WrongNetwork] = ()
    unprobed: t.Sequence[Unprobed] = ()
    host_ports: t.Sequence[HostPort] = ()
    left_out: t.Sequence[str] = ()
    selected: t.Collection[str] = ()
    summary: t.Sequence[str] = ()

    def problems(self) -> list[str]:
        """What is not as declared, in numbers; empty if the fleet is."""
        found = []
        wrong = len(self._wrong())
        if wrong:
            found.append(f"{wrong} of {len(self.verdicts)} probes are not as declared")
        hosts = len({each.host for each in self.hosts})
        if hosts:
            found.append(f"{hosts} {'host is' if hosts == 1 else 'hosts are'} not as declared")
        containers = sum(len(each.containers) for each in self.unprobed if each.wrong)
        if containers:
            have = "container has an address that is" if containers == 1 else "containers have addresses that are"
            found.append(f"{containers} {have} not in the plan")
        networks = len(self.networks)
        if networks:
            have = "declared network is missing or has" if networks == 1 else "declared networks are missing or have"
            found.append(f"{networks} {have} other subnets")
        return found

    def verdict(self) -> str:
        """The verdict in one line."""
        problems = self.problems()
        if problems:
            return f"NOT AS DECLARED: {', and '.join(problems)}"
        parts = [f"{len(self.verdicts)} of {len(self.verdicts)} probes"] if self.verdicts else []
        if self.compared:
            parts.append(f"the networks, rules, routes and units of {self.compared} hosts")
        if not parts:
            return "NOTHING WAS VERIFIED: no probes"
        excluded = f". Not verified: {', '.join(self.left_out)}" if self.left_out else ""
        return f"AS DECLARED: {' and '.join(parts)}{excluded}"

    def lines(self) -> list[str]:
        """All of the report."""
        sections = [
            [self.verdict()],
            self._causes(),
            _section("Hosts that are not as declared:", self._hosts()),
            _section("Networks that are not as declared:", map(text.wrong_network, self.networks)),
            self._failures(),
            coverage_lines(self.coverage),
            _section("Not probed:", map(text.not_probed, self.unprobed)),
            _section("Policy lines to check:", map(text.host_port, self.host_ports)),
            self._left_out(),
            list(self.summary),
            self._matrix(),
        ]
        found: list[str] = []
        for section in filter(None, sections):
            found += ["", *section] if found else section
        return found

    def _wrong(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.as_declared]

    def _causes(self) -> list[str]:
        rows = []
        for cause, count in summarize(self._wrong()):
            rows.append(f"{cause_text.sentence(cause)} ({count} {'probe' if count == 1 else 'probes'})")
            rows.append(f"  {remedies.remedy(cause)}")
        return _section("Causes:", rows)

    def _hosts(self) -> t.Iterator[str]:
        for found in self.hosts:
            yield text.host_finding(found)
            yield f"  {text.host_remedy(found)}"

    def _failures(self) -> list[str]:
        wrong = self._wrong()
        rows = []
        for verdict in wrong[:_MOST_FAILURES]:
            probe = verdict.probe
            rows.append(f"{probe.source} -> {probe.target} {probe.service}: {text.problem(verdict)}")
            if verdict.last_seen:
                rows.append(f"  {cause_text.location(verdict.last_seen)}")
        if len(wrong) > _MOST_FAILURES:
            rows.append(f"... and {len(wrong) - _MOST_FAILURES} more")
        return _section("Not as declared:", rows)

    def _left_out(self) -> list[str]:
        reasons = {
            "not in this run: excluded by --limit": [host for host in self.left_out if host not in self.selected],
            "failed earlier, or in another batch of serial": [host for host in self.left_out if host in self.selected],
        }
        return [
            f"NOT PROBED, so not proven: {', '.join(hosts)} ({reason})" for reason, hosts in reasons.items() if hosts
        ]

    def _matrix(self) -> list[str]:
        if self.verdicts:
            return matrix.matrix_lines(self.verdicts, self.pairs)
        return [f"Reachability: no probes.{'' if self.coverage.containers else f' {_NO_CONTAINER}'}"]


def _section(title: str, rows: t.Iterable[str]) -> list[str]:
    found = [f"  {row}" for row in rows]
    return [title, *found] if found else []
