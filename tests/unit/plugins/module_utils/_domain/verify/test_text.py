# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts as sentences, and the entries of the report. Only these tests pin the words."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import PublishedPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from ..planning import assert_golden
from .explain.cause_cases import CAUSES, OURS, RULE
from .probes import ALLOWED, DENIED, NAME, NARROW

K, C = VerdictKind, CauseKind

VERDICTS = [
    (Verdict(ALLOWED, K.AS_DECLARED), None),
    (Verdict(ALLOWED, K.NOT_TRIED), "not tried: host h1 did not run its probes"),
    (Verdict(ALLOWED, K.NOT_TRIED, "error", "no such container"), "not tried: no such container"),
    (Verdict(ALLOWED, K.BLOCKED, "timeout"), "does not pass (timeout); expected to pass: a line"),
    (
        Verdict(NARROW, K.BLOCKED, "unreachable", "ICMP too big from 192.0.2.9, the MTU there is 1400"),
        "does not pass (unreachable: ICMP too big from 192.0.2.9, the MTU there is 1400); expected to pass: a line",
    ),
    (Verdict(ALLOWED, K.NO_ANSWER, "timeout"), "arrives, but no answer returns (timeout)"),
    (
        Verdict(ALLOWED, K.SOURCE_REWRITTEN, "reply", "", ("192.0.2.1", "192.0.2.2")),
        "passes, but the source address is changed to 192.0.2.1, 192.0.2.2",
    ),
    (
        Verdict(ALLOWED, K.ANSWERED_BY_ANOTHER, "reply"),
        "is answered, but did not arrive at the target: something else answers",
    ),
    (Verdict(DENIED, K.LEAK, "reply"), "passes, but no line of the policy allows it"),
    (
        Verdict(DENIED, K.ARRIVES_THOUGH_DENIED, "timeout"),
        "arrives at the target, but no line of the policy allows it",
    ),
    (Verdict(NAME, K.NAME_UNRESOLVED, "refused"), "name web does not resolve (refused); expected to resolve: a line"),
    (
        Verdict(NAME, K.NAME_UNRESOLVED, "reply", "NXDOMAIN"),
        "name web does not resolve (reply: NXDOMAIN); expected to resolve: a line",
    ),
    (
        Verdict(NAME, K.NAME_RESOLVES_ELSEWHERE, "reply", "NOERROR", ("10.64.9.9",)),
        "name web resolves to 10.64.9.9 instead of 10.64.17.2",
    ),
    (
        Verdict(DENIED, K.NOT_OBSERVED, "timeout"),
        "not proven: host h2 did not record all probes that arrived at container db, so whether this one arrived is "
        "not known",
    ),
]


@pytest.mark.parametrize(("verdict", "problem"), VERDICTS, ids=lambda value: getattr(value, "kind", None))
def test_verdicts(verdict, problem):
    assert text.problem(verdict) == problem


def test_every_kind_of_verdict_is_covered():
    assert {verdict.kind for verdict, _problem in VERDICTS} == set(VerdictKind)


LOCATIONS = [
    (Location(None, "h1"), "the packet did not arrive on host h1"),
    (Location("h2", None), "the packet was last seen on host h2"),
    (Location("h1", "h2"), "the packet was last seen on host h1 and did not arrive on host h2"),
    (
        Location("h1", "h2", unresolved="192.0.2.2"),
        "the packet was last seen on host h1 and did not arrive on host h2: 192.0.2.2 does not answer ARP of host h1",
    ),
    (Location("h2", "h1", answer=True), "the answer was last seen on host h2 and did not arrive on host h1"),
]


@pytest.mark.parametrize(("location", "sentence"), LOCATIONS)
def test_locations(location, sentence):
    assert cause_text.location(location) == sentence
    verdict = dataclasses.replace(VERDICTS[3][0], last_seen=location)
    assert text.entry(verdict)["last_seen"] == location.to_data()


def test_an_entry_of_the_report_has_values_and_text():
    cause = Cause(C.DROPPED, "h1", RULE, Owner.FOREIGN, OURS)
    verdict = dataclasses.replace(VERDICTS[3][0], causes=(cause,))
    assert text.entry(verdict) == {
        "source": {
            "host": "h1", "container": "web", "network": "web", "address": "10.64.1.2", "mtu": 1500, "aliases": [],
            "kind": "container", "several": False,
        },
        "target": {
            "host": "h2", "container": "db", "network": "db", "address": "10.64.18.2", "mtu": 1500, "aliases": [],
            "kind": "container", "several": False,
        },
        "service": "tcp/5432",
        "protocol": "tcp",
        "port": 5432,
        "packet": None,
        "name": None,
        "published": None,
        "intended": True,
        "declared_by": "a line",
        "passed": False,
        "kind": "blocked",
        "outcome": "timeout",
        "detail": "",
        "addresses": [],
        "causes": [
            {
                "kind": "dropped", "host": "h1", "owner": "foreign", "values": RULE,
                "differences": [OURS[0].to_data()],
            }
        ],
        "problem": text.problem(verdict),
        "explanation": cause_text.explanation([cause]),
        "remedies": [remedies.remedy(cause)],
        "last_seen": None,
    }  # fmt: skip


def test_an_entry_names_the_published_port():
    published = PublishedPort("tcp", 80, "fd00::2", 8080, forwarded=False)
    data = text.entry(Verdict(dataclasses.replace(DENIED, published=published, port=80), K.AS_DECLARED))
    assert data["service"] == "tcp/80 published at [fd00::2]:8080"
    assert data["published"] == {
        "protocol": "tcp", "port": 80, "address": "fd00::2", "host_port": 8080, "forwarded": False, "lost": False,
    }  # fmt: skip
    assert "ports" not in data["target"]


def test_golden():
    """Values of verdicts and causes in ``reachability.json``, which other programs read."""
    own = ("kind", "service", "intended", "passed", "outcome", "detail", "addresses", "problem")
    report = {
        "verdicts": [{key: text.entry(verdict)[key] for key in own} for verdict, _problem in VERDICTS],
        "causes": [cause.to_data() for cause, _sentence in CAUSES],
    }
    assert_golden("report.yml", report)
