# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last verification proved of the policy, as a lookup by statement. Pure.

Lines and denied traffic are in ``coverage.json``; what is allowed without a line is only in ``reachability.json``.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Proof, State
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe, PublishedPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import Statement, StatementKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import VerdictKind

Data = t.Dict[str, t.Any]

# What a probe of each kind shows; all other kinds are failures.
_SHOWN = {
    VerdictKind.AS_DECLARED: State.PROVEN,
    VerdictKind.NOT_TRIED: State.NOT_PROVEN,
    VerdictKind.NOT_OBSERVED: State.NOT_PROVEN,
}


class CoverageFile(t.NamedTuple):
    """The document ``coverage.json``: its text, and its proofs, those of lines by the line as text."""

    text: tuple[str, ...] = ()
    lines: t.Mapping[tuple[str, Statement], Proof] = {}
    denied: t.Mapping[Statement, Proof] = {}


def parse_coverage(document: t.Any) -> CoverageFile:
    """Return ``coverage.json``. Raises ValueError if the document is invalid."""
    text = document.get("text") if isinstance(document, dict) else None
    if not isinstance(text, list) or not all(isinstance(line, str) for line in text):
        raise ValueError("it has no text of this version")
    try:
        denied = [_proof(item) for item in document.get("denied", ())]
        lines = [(str(line["line"]), _proof(item)) for line in document.get("lines", ()) for item in line["parts"]]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise ValueError("it has no proofs of this version") from None
    return CoverageFile(
        tuple(text),
        {(line, proof.statement): proof for line, proof in lines},
        {proof.statement: proof for proof in denied},
    )


def _proof(item: t.Mapping[str, t.Any]) -> Proof:
    """The inverse of :meth:`Proof.to_data`, without the number of the line."""
    statement = Statement(StatementKind(item["kind"]), item["source"] or "", item["target"] or "", int(item["version"]))
    gap = Gap(item["reason"]) if item["reason"] else None
    return Proof(statement, State(item["state"]), int(item["probes"]), gap, item["network"])


def proofs_without_line(verdicts: t.Iterable[Data]) -> dict[Statement, Proof]:
    """Return what the entries of ``reachability.json`` show of allowed flows, by their ends and kind.

    Kind PUBLISHED is about published ports. Probes of names are not part of the policy.
    """
    counts: dict[Statement, collections.Counter[State]] = {}
    for entry in verdicts:
        if entry.get("intended") and not entry.get("name"):
            probe = _probe(entry)
            kind = StatementKind.PUBLISHED if probe.published else StatementKind.DIRECT
            statement = Statement(kind, *probe.networks, probe.version)
            shown = _SHOWN.get(VerdictKind(entry["kind"]), State.FAILED)
            counts.setdefault(statement, collections.Counter())[shown] += 1
    return {statement: _summary(statement, states) for statement, states in counts.items()}


def _probe(entry: Data) -> Probe:
    ends = Endpoint.from_data(entry["source"]), Endpoint.from_data(entry["target"])
    published = PublishedPort(**entry["published"]) if entry.get("published") else None
    return Probe(*ends, entry["protocol"], entry["port"], 0, entry["declared_by"], published=published)


def _summary(statement: Statement, states: collections.Counter[State]) -> Proof:
    state = next(each for each in (State.FAILED, State.PROVEN, State.NOT_PROVEN) if states[each])
    return Proof(statement, state, sum(states.values()), Gap.NO_RESULT if state is State.NOT_PROVEN else None)
