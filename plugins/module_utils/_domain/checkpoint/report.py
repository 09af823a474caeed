# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an undo did and why, as a record and as the message of the controller. Pure."""

from __future__ import annotations

import json
import typing as t

# How many attempts the undo makes until a run reports what cannot be restored. It goes on, because no run and no user
# can reach a host that is cut off.
ATTEMPTS = 5
# Why a change was undone.
UNCONFIRMED = "unconfirmed"
REBOOTED = "rebooted"
KILLED = "killed"
ASKED = "asked"
_REASONS = {
    UNCONFIRMED: "the controller did not confirm them over a new connection within {seconds:.0f} s",
    REBOOTED: "the host rebooted before the controller confirmed them",
    KILLED: "the module that applied them ended before its work was done, and the controller did not confirm them",
    ASKED: "a task asked for it",
}
# What to check, by kind of risk (see risk.py).
_CHECKS = {
    "routes": "whether a route of the fleet leads to the network of the controller (docker_fleet_supernet, backend)",
    "rules": "whether the policy denies the controller its connections to the host (lines with host, ingress)",
    "firewalld": "whether firewalld's zones accept the controller",
    "forwarding": "whether the host gets its default route from router advertisements, which forwarding ends",
    "engine": "whether docker0 (bip) has addresses of the network of the controller, and the engine's log",
    "networks": "whether a declared network has addresses of the network of the controller",
    "user": "what the play changed after the checkpoint",
}
_SHOWN = 6


class UndoReport(t.NamedTuple):
    """An undo that ended. ``risks`` are kinds and what they change; ``problems`` are what could not be restored.

    ``run`` identifies the run of the play that took the checkpoint; empty if a module did, for itself. ``attempt``
    counts the attempts of the undo. Both stay on the host.
    """

    id: str
    reason: str
    seconds: float
    risks: tuple[tuple[str, tuple[str, ...]], ...]
    operations: tuple[str, ...]
    problems: tuple[str, ...] = ()
    run: str = ""
    attempt: int = 1

    @property
    def gave_up(self) -> bool:
        """Whether the host has made its first attempts, and could not restore everything."""
        return bool(self.problems) and self.attempt >= ATTEMPTS

    def to_data(self) -> dict[str, t.Any]:
        """The record as a module returns it."""
        return {
            "id": self.id,
            "reason": self.reason,
            "seconds": self.seconds,
            "risks": [{"kind": kind, "names": list(names)} for kind, names in self.risks],
            "operations": list(self.operations),
            "problems": list(self.problems),
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> UndoReport:
        """The record that :meth:`to_data` returned.

        Raises KeyError, OverflowError, TypeError or ValueError for another one.
        """
        return cls(
            data["id"],
            data["reason"],
            float(data["seconds"]),
            tuple((each["kind"], tuple(each["names"])) for each in data["risks"]),
            tuple(data["operations"]),
            tuple(data["problems"]),
            str(data.get("run", "")),
            int(data.get("attempt", 1)),
        )


def report_text(report: UndoReport) -> str:
    """The report as text, for :func:`parse_report`."""
    return json.dumps({**report.to_data(), "run": report.run, "attempt": report.attempt}) + "\n"


def parse_report(text: str | None) -> UndoReport | None:
    """None without a report, or if the text is not one."""
    try:
        return UndoReport.from_data(json.loads(text or ""))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def undone_message(report: UndoReport) -> str:
    """What was undone and why, in one line."""
    why = _REASONS.get(report.reason, _REASONS[UNCONFIRMED]).format(seconds=report.seconds)
    kinds = [f"{kind} ({_some(names)})" if names else kind for kind, names in report.risks]
    checks = [_CHECKS[kind] for kind, _names in report.risks if kind in _CHECKS]
    text = f"the changes of this run are undone, because {why}. Undone: {_some(report.operations, '; ') or 'nothing'}."
    if kinds:
        text += f" These changes can cut the path to the host: {', '.join(kinds)}."
    if report.problems:
        text += f" NOT restored: {'; '.join(each.rstrip('.') for each in report.problems)}."
    if checks:
        text += f" Check {', and '.join(checks)}."
    return text


def unrestored_message(report: UndoReport, folder: str) -> str:
    """What could not be restored, and what to do. ``folder`` is that of the checkpoint on the host."""
    return f"{undone_message(report)} Repair the host, and run again; to keep the host as it is, delete {folder} on it."


def _some(names: t.Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}{len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{separator.join(names[:_SHOWN])}{more}"
