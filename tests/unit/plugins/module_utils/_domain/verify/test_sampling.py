# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of pairs covers every two hosts and every two networks, and is the same for the same fleet."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
from hypothesis import given, settings

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import matrix_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import count_pairs, make_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from ..planning import plan_of

KINDS = "abcde"


@st.composite
def fleets(draw):
    """Items (host, kind, number) on some hosts of some kinds, and the pairs of kinds with an allowed service."""
    places = draw(st.dictionaries(st.tuples(st.integers(0, 7), st.sampled_from(KINDS)), st.integers(1, 3), min_size=1))
    items = [(host, kind, number) for (host, kind), count in sorted(places.items()) for number in range(count)]
    passing = draw(st.sets(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS))))
    return items, passing


def counts(source, target):
    return source != target


def sampler_of(items, passing=()):
    return Sampler(items, lambda item: Place(item[0], item[1]), counts, lambda *kinds: kinds in passing)


@settings(deadline=None)
@given(fleets(), st.integers(0, 50))
def test_every_two_hosts_and_every_two_kinds_are_covered(fleet, most):
    items, passing = fleet
    chosen = sampler_of(items, passing).choose(most)
    every = [pair for pair in itertools.product(items, repeat=2) if counts(*pair)]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(every)

    def hosts(pairs):
        return {(source[0], target[0]) for source, target in pairs}

    def kinds(pairs):
        return {(source[1], target[1], source[0] == target[0]) for source, target in pairs}

    assert hosts(chosen) == hosts(every)
    assert kinds(chosen) == kinds(every)
    # Two hosts are covered by an allowed pair, if there is one.
    passes = [(source, target) for source, target in every if (source[1], target[1]) in passing]
    assert hosts(passes) == hosts([pair for pair in chosen if pair in passes])


@settings(deadline=None)
@given(fleets(), st.integers(0, 200))
def test_the_budget_is_used_and_only_coverage_exceeds_it(fleet, most):
    items, passing = fleet
    every = [pair for pair in itertools.product(items, repeat=2) if counts(*pair)]
    sampler = sampler_of(items, passing)
    covering = len(sampler.choose(0))
    chosen = sampler.choose(most)
    assert chosen == sampler_of(items, passing).choose(most)
    if len(items) ** 2 <= most:
        assert set(chosen) == set(every)
    else:
        assert covering <= len(chosen) <= max(covering, most)


def test_a_hundred_hosts():
    items = [(host, kind, number) for host in range(100) for kind in KINDS for number in range(3)]
    chosen = sampler_of(items, {(kind, kind) for kind in KINDS}).choose(20_000)
    assert len(chosen) == 20_000
    # The pairs beyond coverage are spread: each container is a source or target about equally often.
    for end in (0, 1):
        times = dict.fromkeys(items, 0)
        for pair in chosen:
            times[pair[end]] += 1
        assert max(times.values()) < 4 * len(chosen) / len(items)


def test_the_report_names_the_sample():
    hosts = {f"h{number}": {"ansible_host": f"192.0.2.{number + 1}"} for number in range(6)}
    policy = plan_of({"supernet": "10.64.0.0/12", "networks": ["web", "db"]}, hosts).policy
    items = [
        Endpoint(host, f"{network}{count}", network, f"10.64.{16 * number + offset}.{count + 2}")
        for number, host in enumerate(hosts)
        for offset, network in ((0, "docker0"), (1, "web"), (2, "db"))
        for count in range(3)
    ]
    probes = make_probes(policy, items, 100)
    tried = {(probe.source, probe.target) for probe in probes}
    assert len(tried) == 100
    assert {(source.host, target.host) for source, target in tried} == set(itertools.product(hosts, repeat=2))
    every = make_probes(policy, items)
    assert len({(probe.source, probe.target) for probe in every}) == count_pairs(items) == 54 * 53 - 6 * 3 * 2
    lines = matrix_lines([Verdict(probe, VerdictKind.AS_DECLARED) for probe in probes], count_pairs(items))
    assert lines[1].startswith("100 of 2826 pairs of containers were tried")
    lines = matrix_lines([Verdict(probe, VerdictKind.AS_DECLARED) for probe in every], count_pairs(items))
    assert lines[1] == ""
