# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage of a verification as lines of text. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import (
    Coverage,
    LineProof,
    Proof,
    State,
)

# The number of kinds of denied traffic that are named per reason.
_MOST_NAMED = 8


def coverage_lines(coverage: Coverage) -> list[str]:
    """Return the numbers as one line, then what is not proven: lines of the policy, and denied traffic by reason."""
    counts = [
        (coverage.probed, coverage.containers, "containers", 0),
        (*_counts(coverage.lines), "lines of the policy", _failed(coverage.lines)),
        (*_counts(coverage.denied), "kinds of denied traffic", _failed(coverage.denied)),
    ]
    parts = [
        f"{proven} of {number} {what}{f' ({failed} not as declared)' if failed else ''}"
        for proven, number, what, failed in counts
        if number
    ]
    if not parts:
        return []
    lines = [f"Coverage: {', '.join(parts)}"]
    versions = {each.statement.version for each in coverage.denied}
    missing = [row for each in coverage.lines for row in _of_line(each, versions)]
    for reason, proofs in _by_reason(coverage.denied).items():
        named = _named(proofs, versions)
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        missing.append(f"denied: {', '.join(named[:_MOST_NAMED])}{more}: {reason}")
    missing += [text.unprobed_address(each) for each in coverage.addresses]
    if missing:
        lines += ["", "Not proven:", *(f"  {row}" for row in missing)]
    return lines


def _counts(proofs: t.Sequence[LineProof | Proof]) -> tuple[int, int]:
    return sum(each.state is State.PROVEN for each in proofs), len(proofs)


def _failed(proofs: t.Sequence[LineProof | Proof]) -> int:
    return sum(each.state is State.FAILED for each in proofs)


def _of_line(proof: LineProof, versions: t.AbstractSet[int]) -> list[str]:
    """One row per reason; the ends are named if other ends of the line are proven, or for another reason."""
    where = f"{proof.line.path}: {proof.line}"
    reasons = _by_reason(proof.parts)
    whole = len(reasons) == 1 and proof.state is State.NOT_PROVEN
    return [
        f"{where}: {reason}" if whole else f"{where}: {', '.join(_named(proofs, versions))}: {reason}"
        for reason, proofs in reasons.items()
    ]


def _by_reason(proofs: t.Iterable[Proof]) -> dict[str, list[Proof]]:
    found: dict[str, list[Proof]] = {}
    for proof in proofs:
        if proof.state is State.NOT_PROVEN:
            found.setdefault(text.gap(proof), []).append(proof)
    return found


def _named(proofs: t.Iterable[Proof], versions: t.AbstractSet[int]) -> list[str]:
    """The statements, each once. One of only some of the fleet's IP ``versions`` has these added."""
    found: dict[str, set[int]] = {}
    for proof in proofs:
        found.setdefault(text.statement(proof.statement), set()).add(proof.statement.version)
    return [what if own == versions else f"{what} ({_versions(own)})" for what, own in found.items()]


def _versions(versions: t.Iterable[int]) -> str:
    return ", ".join(f"IPv{version}" for version in sorted(versions))
