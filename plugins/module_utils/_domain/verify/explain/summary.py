# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes of all failures, each once, with the number of probes that it explains. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import follow
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import Hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict

Explain = t.Callable[[Verdict, Hosts], Explanation]

_RANKS = {kind: rank for rank, kind in enumerate(CauseKind)}
# Values that differ between probes that one cause explains.
_OF_PROBES = frozenset(("destination",))
_MOST_DESTINATIONS = 3
# An address in the text of a rule, with its prefix length.
_ADDRESS = re.compile(r"\b(?:saddr|daddr) ([0-9a-fA-F.:]+(?:/\d+)?)")


class Explained(t.NamedTuple):
    """A cause and the number of probes that it explains."""

    cause: Cause
    probes: int


def explain_all(verdicts: t.Sequence[Verdict], hosts: Hosts, explain: Explain = follow.explain) -> list[Verdict]:
    """Return the verdicts, failures with their causes, or with where their packets were last seen.

    ``explain`` returns what explains one verdict. The evidence is of hosts that may be compromised, so a caller can
    pass a function that treats evidence that it cannot read.

    One failure of a kind was traced. Its causes also explain the others of its kind that they apply to.
    """
    found: list[Verdict] = []
    by_likeness: dict[tuple[t.Any, ...], Explanation] = {}
    for verdict in verdicts:
        if verdict.as_declared:
            found.append(verdict)
            continue
        explanation = explain(verdict, hosts)
        if explanation != Explanation():
            by_likeness.setdefault(verdict.likeness, explanation)
        found.append(dataclasses.replace(verdict, causes=explanation.causes, last_seen=explanation.location))
    return [_with_causes_of_alike(verdict, by_likeness) for verdict in found]


def _with_causes_of_alike(verdict: Verdict, by_likeness: t.Mapping[tuple[t.Any, ...], Explanation]) -> Verdict:
    if verdict.as_declared or verdict.causes or verdict.last_seen or not verdict.probe.traceable:
        return verdict
    causes = by_likeness.get(verdict.likeness, Explanation()).causes
    return dataclasses.replace(verdict, causes=tuple(cause for cause in causes if _applies(cause, verdict)))


def _applies(cause: Cause, verdict: Verdict) -> bool:
    """Whether a cause that another probe of this kind showed is about this one, too."""
    ends = verdict.probe.source, verdict.probe.target
    container = cause.values.get("container")
    if container is not None and (cause.host, container) not in [(end.host, end.container) for end in ends]:
        return False
    own = [ipaddress.ip_address(end.address) for end in ends]
    for text in _ADDRESS.findall(cause.values.get("rule") or ""):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if not any(address in network for address in own):
            return False
    return True


def summarize(verdicts: t.Iterable[Verdict]) -> list[Explained]:
    """Return each cause once, the most telling first: by its kind, the number of its probes, and the host."""
    causes: dict[str, Cause] = {}
    counts: dict[str, int] = {}
    destinations: dict[str, dict[str, None]] = {}
    for verdict in verdicts:
        for cause in verdict.causes:
            shared = {key: value for key, value in cause.values.items() if key not in _OF_PROBES}
            key = repr((cause.kind, cause.host, sorted(shared.items()), cause.owner, cause.differences))
            causes.setdefault(key, cause)
            counts[key] = counts.get(key, 0) + 1
            if "destination" in cause.values:
                destinations.setdefault(key, {})[str(cause.values["destination"])] = None
    order = sorted(causes, key=lambda key: (_RANKS[causes[key].kind], -counts[key], causes[key].host, key))
    return [Explained(_to(causes[key], destinations.get(key, ())), counts[key]) for key in order]


def _to(cause: Cause, addresses: t.Iterable[str]) -> Cause:
    """The cause with all destinations of its probes."""
    if not addresses:
        return cause
    destinations = sorted(addresses, key=lambda address: (":" in address, ipaddress.ip_address(address)))
    more = len(destinations) - _MOST_DESTINATIONS
    text = ", ".join(destinations[:_MOST_DESTINATIONS]) + (f" and {more} more" if more > 0 else "")
    return cause._replace(values={**cause.values, "destination": text})
