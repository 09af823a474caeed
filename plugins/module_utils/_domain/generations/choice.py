# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs that the generations of the fleet's hosts come from, and which generation each host returns to. Pure.

Each host reports only its own generations. What one host reports does not decide which generation of its own another
host returns to: all hosts that have a generation of a run must agree about when the run began.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.report import ReportedGeneration
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.tables import table

#: The word for the state before the last run.
PREVIOUS = "previous"
VARIABLE = "docker_fleet_rollback_to"
_MOST_CHANGES = 3
# Seconds. A controller computes the time from that of its boot, which moves when its clock is corrected.
_SAME_TIME = 60.0


@dataclasses.dataclass(frozen=True)
class FleetRun:
    """A run, with the hosts that have a generation of it, and those whose newest generation it is."""

    id: str
    started: float
    by: str
    hosts: tuple[str, ...]
    current: tuple[str, ...]
    failed: tuple[str, ...]
    restores: str | None
    changes: tuple[str, ...]


Reported = t.Mapping[str, t.Sequence[ReportedGeneration]]


def runs(reported: Reported) -> list[FleetRun]:
    """The runs, the newest first.

    Raises FleetnetError if hosts disagree about when a run began.
    """
    found: dict[str, dict[str, ReportedGeneration]] = {}
    for host, generations in reported.items():
        for each in generations:
            found.setdefault(each.run, {})[host] = each
    newest = {host: generations[-1].run for host, generations in reported.items() if generations}
    result = []
    for run, by_host in found.items():
        first_host, first = next(iter(by_host.items()))
        for host, each in by_host.items():
            if abs(each.started - first.started) > _SAME_TIME:
                raise FleetnetError(
                    f"hosts {first_host} and {host}: run {run}: they report different times at which it began. Examine "
                    f"both, and leave out the one that was changed: --limit '!HOST'."
                )
        result.append(
            FleetRun(
                run,
                first.started,
                first.by,
                tuple(by_host),
                tuple(host for host in by_host if newest[host] == run),
                tuple(host for host, each in by_host.items() if not each.complete),
                next((each.restores for each in by_host.values() if each.restores), None),
                tuple(dict.fromkeys(change for each in by_host.values() for change in each.changes)),
            )
        )
    return sorted(result, key=lambda each: (-each.started, each.id))


def chosen(reported: Reported, to: str) -> dict[str, int | None]:
    """The number of the generation that each host returns to; None for a host that keeps its newest one.

    ``to`` is a run, or ``previous``: the state before the last run. A host without a generation of the run returns to
    the newest one that it had at the time. Raises InvalidValue if there is no such run, and FleetnetError if a host has
    no generation that old.
    """
    known = runs(reported)
    if not known:
        raise FleetnetError("no generations found. playbooks/site.yml records one on each host that it changes.")
    if to == PREVIOUS:
        last = known[0]
        old = {
            host: _newest(each for each in generations if each.run != last.id)
            for host, generations in reported.items()
            if host in last.hosts
        }
    else:
        target = next((each for each in known if each.id == to), None)
        if target is None:
            raise InvalidValue(
                VARIABLE, to, f"is not a run of these hosts. {nearest(to, [PREVIOUS, *(each.id for each in known)])}"
            )
        old = {host: _at(generations, target) for host, generations in reported.items()}
    missing = [host for host, number in old.items() if number is None]
    if missing:
        raise FleetnetError(
            f"{named_hosts(missing)}: no generation that old. Leave them out with --limit, or choose a newer run."
        )
    newest = {host: generations[-1].number for host, generations in reported.items() if generations}
    return {host: None if old.get(host) in (None, newest.get(host)) else old[host] for host in reported}


def _at(generations: t.Sequence[ReportedGeneration], run: FleetRun) -> int | None:
    own = [each for each in generations if each.run == run.id]
    return own[-1].number if own else _newest(each for each in generations if each.started < run.started)


def _newest(generations: t.Iterable[ReportedGeneration]) -> int | None:
    """The number of the newest complete generation."""
    numbers = [each.number for each in generations if each.complete]
    return numbers[-1] if numbers else None


def report_lines(reported: Reported) -> list[str]:
    """The table of the runs, the newest first, and the hosts without generations."""
    known = runs(reported)
    lines = ["GENERATIONS"]
    if known:
        rows = [
            (each.id, _time(each.started), each.by, _hosts(each.hosts, reported), _state(each), _changes(each.changes))
            for each in known
        ]
        lines += table(("run", "began (UTC)", "by", "hosts", "state", "changed options"), rows)
    none = [host for host, generations in reported.items() if not generations]
    if none:
        lines.append(f"  {named_hosts(none)}: no generations")
    return lines


def _time(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "invalid"


def _hosts(hosts: t.Sequence[str], all_hosts: t.Sized) -> str:
    if len(hosts) == len(all_hosts):
        return f"all {len(hosts)}" if len(hosts) > 1 else hosts[0]
    return ", ".join(hosts) if len(hosts) <= _MOST_CHANGES else f"{', '.join(hosts[:2])} and {len(hosts) - 2} more"


def _state(run: FleetRun) -> str:
    words = []
    if run.current:
        words.append("current" if run.current == run.hosts else f"current on {len(run.current)} of {len(run.hosts)}")
    if run.failed:
        words.append("failed" if run.failed == run.hosts else f"failed on {len(run.failed)} of {len(run.hosts)}")
    if run.restores:
        words.append(f"restores {run.restores}")
    return ", ".join(words)


def _changes(changes: t.Sequence[str]) -> str:
    more = len(changes) - _MOST_CHANGES
    return ", ".join(changes[:_MOST_CHANGES]) + (f" and {more} more" if more > 0 else "")
