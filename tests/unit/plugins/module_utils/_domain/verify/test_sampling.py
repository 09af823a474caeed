# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where not all pairs can be tried, every two hosts and every two networks are, and always by the same pairs."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
from hypothesis import given, settings

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import report_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    Endpoint,
    Verdict,
    count_pairs,
    make_probes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler

from ..planning import plan_of

KINDS = "abcde"


@st.composite
def fleets(draw):
    """Nodes (host, kind, number), on some hosts of some kinds, and which kinds let something pass."""
    places = draw(st.dictionaries(st.tuples(st.integers(0, 7), st.sampled_from(KINDS)), st.integers(1, 3), min_size=1))
    nodes = [(host, kind, number) for (host, kind), count in sorted(places.items()) for number in range(count)]
    passing = draw(st.sets(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS))))
    return nodes, passing


def counts(source, target):
    return source != target


def sampler_of(nodes, passing=()):
    return Sampler(nodes, lambda node: Place(node[0], node[1]), counts, lambda *kinds: kinds in passing)


@settings(deadline=None)
@given(fleets(), st.integers(0, 50))
def test_every_two_hosts_and_every_two_kinds_are_covered(fleet, most):
    nodes, passing = fleet
    chosen = sampler_of(nodes, passing).choose(most)
    every = [pair for pair in itertools.product(nodes, repeat=2) if counts(*pair)]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(every)

    def hosts(pairs):
        return {(source[0], target[0]) for source, target in pairs}

    def kinds(pairs):
        return {(source[1], target[1], source[0] == target[0]) for source, target in pairs}

    assert hosts(chosen) == hosts(every)
    assert kinds(chosen) == kinds(every)
    # Two hosts are covered by something that passes, if anything does between them.
    passes = [(source, target) for source, target in every if (source[1], target[1]) in passing]
    assert hosts(passes) == hosts([pair for pair in chosen if pair in passes])


@settings(deadline=None)
@given(fleets(), st.integers(0, 200))
def test_the_budget_is_used_and_not_exceeded_but_for_the_covering(fleet, most):
    nodes, passing = fleet
    every = [pair for pair in itertools.product(nodes, repeat=2) if counts(*pair)]
    sampler = sampler_of(nodes, passing)
    covering = len(sampler.choose(0))
    chosen = sampler.choose(most)
    assert chosen == sampler_of(nodes, passing).choose(most)
    if len(nodes) ** 2 <= most:
        assert set(chosen) == set(every)
    else:
        assert covering <= len(chosen) <= max(covering, most)


def test_a_hundred_hosts():
    nodes = [(host, kind, number) for host in range(100) for kind in KINDS for number in range(3)]
    chosen = sampler_of(nodes, {(kind, kind) for kind in KINDS}).choose(20_000)
    assert len(chosen) == 20_000
    # What is not needed for covering is spread: no container is a source or a target much more often than others.
    for end in (0, 1):
        times = dict.fromkeys(nodes, 0)
        for pair in chosen:
            times[pair[end]] += 1
        assert max(times.values()) < 4 * len(chosen) / len(nodes)


def test_probes_are_of_a_sample_and_the_report_says_so():
    hosts = {f"h{number}": {"ansible_host": f"192.0.2.{number + 1}"} for number in range(6)}
    policy = plan_of({"supernet": "10.64.0.0/12", "networks": ["web", "db"]}, hosts).policy
    nodes = [
        Endpoint(host, f"{network}{count}", network, f"10.64.{16 * number + offset}.{count + 2}")
        for number, host in enumerate(hosts)
        for offset, network in ((0, "docker0"), (1, "web"), (2, "db"))
        for count in range(3)
    ]
    probes = make_probes(policy, nodes, 100)
    tried = {(probe.source, probe.target) for probe in probes}
    assert len(tried) == 100
    assert {(source.host, target.host) for source, target in tried} == set(itertools.product(hosts, repeat=2))
    every = make_probes(policy, nodes)
    assert len({(probe.source, probe.target) for probe in every}) == count_pairs(nodes) == 54 * 53 - 6 * 3 * 2
    lines = report_lines([Verdict(probe, False, None) for probe in probes], count_pairs(nodes))
    assert lines[1].startswith("100 of 2826 pairs of containers were tried")
    lines = report_lines([Verdict(probe, False, None) for probe in every], count_pairs(nodes))
    assert lines[1] == ""
