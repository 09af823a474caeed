# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run for some hosts says about the others."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.not_in_run import not_in_run

from ..planning import plan_of

HOSTS = {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in range(1, 4)}
FLEET = {
    "supernet": "10.64.0.0/12",
    "networks": [
        "web",
        {"name": "db", "hosts": ["h1", "h2"]},
        {"name": "own", "local": True},
        {"name": "edge", "hosts": ["h3"]},
    ],
    "policy": [
        {"from": "web", "to": "db", "ports": 5432},
        {"from": "edge", "to": "db", "ports": 80},
        {"from": "world", "to": "web", "ports": 443},
        {"from": "any", "to": "own", "ports": 25},
    ],
}


@pytest.mark.parametrize(
    ("run", "others", "flows"),
    [
        (["h1"], "hosts h2, h3: not", ["web -> web", "db -> db", "web -> db: tcp/5432", "edge -> db: tcp/80", "own"]),
        (["h1", "h2"], "host h3: not", ["web -> web", "web -> db: tcp/5432", "edge -> db: tcp/80", "own"]),
        (["h3", "other"], "hosts h1, h2: not", ["web -> web", "web -> db: tcp/5432", "edge -> db: tcp/80", "own"]),
    ],
)
def test_the_flows_between_hosts_of_the_run_and_others_are_named(run, others, flows):
    text = not_in_run(plan_of(FLEET, HOSTS), run)
    assert text.startswith(others)
    declared = text.partition("Declared, once it has run: ")[2].rstrip(".").split("; ")
    assert len(declared) == len(flows)
    assert all(flow in found for flow, found in zip(flows, declared, strict=True))


@pytest.mark.parametrize("run", [["h1", "h2", "h3"], ["other"], []])
def test_a_run_for_all_hosts_or_none_says_nothing(run):
    assert not_in_run(plan_of(FLEET, HOSTS), run) is None


def test_many_flows_are_counted():
    fleet = {"supernet": "10.64.0.0/12", "networks": [f"n{number}" for number in range(7)]}
    assert not_in_run(plan_of(fleet, HOSTS), ["h1"]).endswith("n5 -> n5; 1 more.")


def test_local_networks_cross_no_hosts():
    fleet = {"supernet": "10.64.0.0/12", "networks": [{"name": "own", "local": True}]}
    assert not_in_run(plan_of(fleet, HOSTS), ["h1"]).endswith("are reached from there.")
