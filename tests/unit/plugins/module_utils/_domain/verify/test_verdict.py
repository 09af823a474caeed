# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What results of probes mean, and which failures are explained."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_subnets import ContainerSubnet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import (
    EndKind,
    Endpoint,
    Probe,
    PublishedPort,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    Arrivals,
    Verdict,
    VerdictKind,
    judge,
    to_explain,
    to_read,
)

from .probes import ALLOWED, DB2, DENIED, ERROR, NAME, NARROW, REPLY, TIMEOUT, UDP, WEB1, WEB2

OWN, OTHER = [WEB1.address], ["192.0.2.1"]
K = VerdictKind


@pytest.mark.parametrize(
    ("probe", "result", "arrivals", "passed", "kind"),
    [
        (ALLOWED, REPLY, OWN, True, K.AS_DECLARED),
        (ALLOWED, REPLY, OTHER, True, K.SOURCE_REWRITTEN),
        (ALLOWED, REPLY, [], True, K.ANSWERED_BY_ANOTHER),
        (ALLOWED, TIMEOUT, [], False, K.BLOCKED),
        (ALLOWED, TIMEOUT, OWN, False, K.NO_ANSWER),
        (ALLOWED, ERROR, [], False, K.NOT_TRIED),
        (ALLOWED, None, [], False, K.NOT_TRIED),
        (UDP, TIMEOUT, OWN, True, K.AS_DECLARED),
        (UDP, TIMEOUT, [], False, K.BLOCKED),
        (DENIED, TIMEOUT, [], False, K.AS_DECLARED),
        (DENIED, REPLY, OWN, True, K.LEAK),
        (DENIED, TIMEOUT, OWN, True, K.ARRIVES_THOUGH_DENIED),
        (DENIED, ERROR, [], False, K.NOT_TRIED),
        (DENIED, None, [], False, K.NOT_TRIED),
    ],
)
def test_judge(probe, result, arrivals, passed, kind):
    verdict = judge(probe, result, arrivals)
    assert (verdict.kind, verdict.passed, verdict.as_declared) == (kind, passed, kind is K.AS_DECLARED)


@pytest.mark.parametrize(
    ("probe", "result", "arrivals", "kind"),
    [
        (ALLOWED, REPLY, OWN, K.AS_DECLARED),
        (ALLOWED, REPLY, OTHER, K.SOURCE_REWRITTEN),
        (ALLOWED, REPLY, [], K.NOT_OBSERVED),
        (ALLOWED, TIMEOUT, [], K.BLOCKED),
        (ALLOWED, None, [], K.NOT_TRIED),
        (UDP, TIMEOUT, [], K.NOT_OBSERVED),
        (DENIED, TIMEOUT, [], K.NOT_OBSERVED),
        (DENIED, TIMEOUT, OWN, K.ARRIVES_THOUGH_DENIED),
        (DENIED, REPLY, [], K.LEAK),
        (DENIED, ERROR, [], K.NOT_TRIED),
    ],
)
def test_a_verdict_that_depends_on_missing_arrivals(probe, result, arrivals, kind):
    verdict = judge(probe, result, arrivals, observed=False)
    assert (verdict.kind, verdict.passed) == (
        kind,
        kind in (K.AS_DECLARED, K.SOURCE_REWRITTEN, K.LEAK, K.ARRIVES_THOUGH_DENIED),
    )
    assert to_explain([verdict], 9) == ([verdict] if kind not in (K.NOT_OBSERVED, K.AS_DECLARED) else [])


@pytest.mark.parametrize(
    ("answers", "complete"),
    [
        ({"h2": {"arrivals": [], "complete": True, "overflowed": []}}, True),
        ({"h2": {"arrivals": [], "complete": True, "overflowed": ["other"]}}, True),
        ({"h2": {"arrivals": [], "complete": True, "overflowed": [ALLOWED.target.container]}}, False),
        ({"h2": {"arrivals": [], "complete": False, "overflowed": []}}, False),
        ({"h1": {"arrivals": [], "complete": True, "overflowed": [ALLOWED.target.container]}}, False),
        ({}, False),
    ],
)
def test_arrivals_at_a_target_are_missing(answers, complete):
    assert Arrivals(answers).complete(ALLOWED) == complete


def test_a_verdict_has_the_facts():
    assert judge(ALLOWED, None, []).outcome is None
    error = judge(ALLOWED, ERROR, [])
    assert (error.outcome, error.detail) == ("error", "no such container")
    assert judge(ALLOWED, REPLY, [*OTHER, *OWN, *OTHER]).addresses == tuple(OTHER)
    result = {"reached": False, "outcome": "unreachable", "detail": "ICMP too big"}
    assert judge(NARROW, result, []) == Verdict(NARROW, K.BLOCKED, "unreachable", "ICMP too big")


@pytest.mark.parametrize(
    ("result", "kind", "addresses"),
    [
        ({"outcome": "reply", "answer": ["10.64.17.2"], "detail": "NOERROR"}, K.AS_DECLARED, ()),
        ({"outcome": "reply", "answer": ["10.64.9.9"], "detail": "NOERROR"}, K.NAME_RESOLVES_ELSEWHERE, ("10.64.9.9",)),
        ({"outcome": "reply", "answer": [], "detail": "NXDOMAIN"}, K.NAME_UNRESOLVED, ()),
        ({"outcome": "refused", "answer": None, "detail": ""}, K.NAME_UNRESOLVED, ()),
        ({"outcome": "error", "answer": None, "detail": "no such container"}, K.NOT_TRIED, ()),
    ],
)
def test_a_name_must_resolve_to_its_container(result, kind, addresses):
    verdict = judge(NAME, result, [])
    assert (verdict.kind, verdict.addresses) == (kind, addresses)
    assert verdict.passed == (kind is K.AS_DECLARED)


def test_arrivals_are_found_by_target_and_token():
    arrival = {"destination": DB2.address, "protocol": "tcp", "port": 5432, "token": 0, "source_port": 20000}
    index = Arrivals({"h2": {"arrivals": [{**arrival, "source": "10.64.1.2"}]}})
    assert index.of(ALLOWED, None) == ["10.64.1.2"]
    assert index.of(ALLOWED, {"source_port": 20000}) == ["10.64.1.2"]
    assert index.of(ALLOWED, {"source_port": 43210}) == []
    assert index.of(DENIED, None) == []


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (WEB1.address, True),
        ("10.64.17.9", False),  # another container
        ("10.64.17.77", False),  # an address of its network that no container has
        # A rule may have rewritten the source to these.
        ("192.0.2.1", True),
        ("10.64.17.1", True),
    ],
)
def test_a_container_makes_no_probe_of_another_one_pass_or_fail(source, counts):
    """It can send to all tokens, with an address of its own network."""
    arrivals = [
        {"destination": DB2.address, "protocol": "tcp", "port": port, "token": 0, "source_port": 20000,
         "source": source}
        for port in (9, 5432)
    ]  # fmt: skip
    subnets = [ContainerSubnet(None, "10.64.0.0/20", ()), ContainerSubnet(None, "10.64.16.0/20", ("10.64.17.1",))]
    index = Arrivals({"h2": {"arrivals": arrivals}}, [WEB1, WEB2, DB2], subnets)
    for probe in (DENIED, ALLOWED):
        assert index.of(probe, {"source_port": 20000}) == index.of(probe, None) == ([source] if counts else [])


def test_containers_of_several_hosts_may_have_the_same_address():
    """On undeclared networks."""
    strangers = [Endpoint(host, "x", "compose", "172.18.0.2", kind=EndKind.UNDECLARED) for host in ("h1", "h2")]
    arrival = {"destination": DB2.address, "protocol": "icmp", "port": None, "token": 0, "source": "172.18.0.2"}
    subnets = [ContainerSubnet(host, "172.18.0.0/16", ()) for host in ("h1", "h2")]
    index = Arrivals({"h2": {"arrivals": [arrival]}}, strangers, subnets)
    assert index.of(Probe(strangers[1], DB2, "icmp", None, 0, None), None) == ["172.18.0.2"]
    assert index.of(Probe(WEB1, DB2, "icmp", None, 0, None), None) == []


def test_an_undeclared_subnet_means_nothing_on_another_host():
    """A host that claims the subnet of another one hides no probe that arrives from there."""
    arrival = {"destination": DB2.address, "protocol": "icmp", "port": None, "token": 0, "source": "192.0.2.2"}
    index = Arrivals({"h2": {"arrivals": [arrival]}}, [WEB2, DB2], [ContainerSubnet("h1", "192.0.2.0/24", ())])
    assert index.of(Probe(WEB2, DB2, "icmp", None, 0, None), None) == ["192.0.2.2"]


FAILURES = [
    Verdict(Probe(source, target, protocol, port, 0, "a line"), K.BLOCKED, "timeout")
    for source, target in ((WEB1, WEB2), (WEB2, WEB1), (WEB1, DB2))
    for protocol, port in (("icmp", None), ("tcp", 80), ("tcp", 81))
]


def test_one_failure_of_each_kind_is_explained_in_rotation_over_hosts():
    chosen = to_explain(FAILURES, 100)
    assert [(verdict.probe.source, verdict.probe.target, verdict.probe.protocol) for verdict in chosen] == [
        (WEB1, WEB2, "icmp"),
        (WEB2, WEB1, "icmp"),
        (WEB1, WEB2, "tcp"),
        (WEB2, WEB1, "tcp"),
        (WEB1, DB2, "icmp"),
        (WEB1, DB2, "tcp"),
    ]
    assert to_explain(FAILURES, 2) == chosen[:2]


def test_each_ip_version_is_explained():
    ends = [each._replace(address=address) for each, address in ((WEB1, "fd00:64:0:1::2"), (WEB2, "fd00:64:0:101::2"))]
    failed = Verdict(Probe(*ends, "icmp", None, 0, "a line"), K.BLOCKED, "timeout")
    assert to_explain([FAILURES[0], failed], 100) == [FAILURES[0], failed]
    # before the second failure of IPv4, which is TCP's
    assert to_explain([*FAILURES[:2], failed], 2) == [FAILURES[0], failed]


def test_probes_as_declared_and_names_are_not_explained():
    good = Verdict(FAILURES[0].probe, K.AS_DECLARED)
    assert to_explain([good, Verdict(NAME, K.NAME_UNRESOLVED, "refused")], 100) == []


def test_failures_that_are_explained_without_a_trace():
    port = PublishedPort("tcp", 5432, "192.0.2.2", 5432, forwarded=True)
    published = dataclasses.replace(ALLOWED, published=port)
    name, blocked = Verdict(NAME, K.NAME_UNRESOLVED, "refused"), Verdict(published, K.BLOCKED, "timeout")
    others = [
        Verdict(NAME, K.NAME_RESOLVES_ELSEWHERE, "reply"),
        Verdict(published, K.AS_DECLARED, "reply"),
        Verdict(published, K.NOT_TRIED),
        Verdict(ALLOWED, K.BLOCKED, "timeout"),
    ]
    assert to_read([name, blocked, *others]) == [name, blocked]
