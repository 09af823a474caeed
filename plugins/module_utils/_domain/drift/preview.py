# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules said in check mode, as one line a change, host by host."""

from __future__ import annotations

import difflib
import typing as t

Result = t.Mapping[str, t.Any]


def change_lines(result: Result) -> list[str]:
    """What one task would change on one host; that it would fail is told as well."""
    before = [line for part in result.get("parts", {}).values() for line in change_lines(part)]
    return before + _own_lines(result)


def _own_lines(result: Result) -> list[str]:
    if result.get("failed") or result.get("unreachable"):
        text = str(result.get("msg") or "no reason was given").strip().splitlines()
        return [f"{'cannot be reached' if result.get('unreachable') else 'would fail'}: {text[0]}", *text[1:]]
    if "parts" in result or not result.get("changed"):
        return []
    lines = list(result.get("operations") or ())
    if not lines:
        diff = result.get("diff") or ()
        lines = [line for entry in ([diff] if isinstance(diff, t.Mapping) else diff) for line in _diff_lines(entry)]
    for what in result.get("interrupted") or ():
        lines.append(
            f"disconnect container {what['container']} from network {what['network']} for a moment"
            if isinstance(what, t.Mapping)
            else f"interrupt container {what}"
        )
    return lines or ["something that the module does not tell"]


def _diff_lines(entry: t.Mapping[str, t.Any]) -> list[str]:
    header = str(entry.get("after_header") or entry.get("before_header") or "something")
    before = str(entry.get("before") or "").splitlines()
    after = str(entry.get("after") or "").splitlines()
    if not header.startswith("/"):
        # What differs in the kernel or does not run; the module says it in words.
        return [f"put right: {line}" for line in before] or after
    if not before:
        return [f"create {header} ({len(after)} lines)"]
    if not after:
        return [f"remove {header}"]
    changes = [line[0] for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[0] in "+-"][2:]
    return [f"change {header} (+{changes.count('+')} -{changes.count('-')} lines)"]


def report_lines(changes: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The whole report; hosts to which the same would happen are told together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for host, lines in changes.items():
        together.setdefault(tuple(lines), []).append(host)
    report = ["What would change"]
    for lines, hosts in together.items():
        report += ["", f"  {', '.join(hosts)}:"]
        report += [f"    {line}" for line in lines or ("nothing",)]
    return report
