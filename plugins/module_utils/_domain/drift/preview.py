# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks in check mode would change, as text: one line per change, by host. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONTENT,
    FILE,
    POSITION,
    UNIT,
    VALUE,
    Difference,
    missing,
    shown,
    unexpected,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import unattributed

Result = t.Mapping[str, t.Any]


def change_lines(result: Result, host: str) -> list[str]:
    """Return what a task would change on a host, or why it would fail."""
    before = [line for part in result.get("parts", {}).values() for line in change_lines(part, host)]
    return before + _own_lines(result, host)


def _own_lines(result: Result, host: str) -> list[str]:
    if result.get("failed") or result.get("unreachable"):
        text = (unattributed(host, str(result.get("msg") or "")).strip() or "no reason given").splitlines()
        return [f"{'unreachable' if result.get('unreachable') else 'would fail'}: {text[0]}", *text[1:]]
    if "parts" in result or not result.get("changed"):
        return []
    lines = list(result.get("operations") or ())
    if not lines:
        lines = [operation(Difference.from_data(item)) for item in result.get("differences") or ()]
    for what in result.get("interrupted") or ():
        lines.append(
            f"briefly disconnect container {what['container']} from network {what['network']}"
            if isinstance(what, t.Mapping)
            else f"interrupt container {what}"
        )
    return lines or ["a change that the module does not describe"]


def operation(difference: Difference) -> str:
    """Return what removes a difference, as text."""
    what = difference.name if difference.kind == FILE else f"{difference.kind} {difference.name}"
    if unexpected(difference):
        return f"remove {what}"
    if difference.kind == UNIT:
        return f"enable and start {what}"
    if missing(difference):
        return f"create {what}"
    if difference.key == POSITION:
        return f"move {what}: {shown(difference.declared)}"
    if difference.key == CONTENT:
        return f"update {what}"
    key = "" if difference.key == VALUE else f": {difference.key}"
    return f"change {what}{key} from {shown(difference.observed)} to {shown(difference.declared)}"


def report_lines(changes: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Return the report; hosts with the same changes share one entry."""
    together: dict[tuple[str, ...], list[str]] = {}
    for host, lines in changes.items():
        together.setdefault(tuple(lines), []).append(host)
    report = ["Changes"]
    for lines, hosts in together.items():
        report += ["", f"  {', '.join(hosts)}:"]
        report += [f"    {line}" for line in lines or ("none",)]
    return report
