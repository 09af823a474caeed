# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes between declared networks and those that are not declared."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import State, measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import (
    MOST_UNDECLARED,
    find_endpoints,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    count_pairs,
    listeners,
    make_name_probes,
    make_probes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.report import Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import StatementKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Reason, find_unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind, judge

from ..planning import plan_of
from .probes import REPLY

HOSTS = {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in (1, 2)}
ADDRESSES = {f"h{number}": [f"192.0.2.{number}"] for number in (1, 2)}
DOCKER = [
    {"name": name, "driver": driver, "managed": name == "web", "internal": internal, "options": {}}
    for name, driver, internal in (
        ("web", "bridge", False), ("compose", "bridge", False), ("pool", "bridge", False), ("bridge", "bridge", False),
        ("back", "bridge", True), ("lan", "macvlan", False),
    )
]  # fmt: skip


def policy_of(*lines):
    return plan_of({"supernet": "10.64.0.0/12", "networks": ["web"], "policy": list(lines)}, HOSTS).policy


def container(network, address, *ports):
    attached = {"network": network, "ipv4": address, "ipv6": None}
    return {"name": network, "mode": "user-defined", "networks": [attached], "ports": list(ports)}


def found(policy, *more, on="h1"):
    containers = {"h1": [container("web", "10.64.1.2/24")], "h2": [container("web", "10.64.17.2/24")]}
    containers[on] += more
    reports = {host: {"containers": each, "networks": DOCKER} for host, each in containers.items()}
    return find_endpoints(policy, reports, 3, ADDRESSES)


def probes_of(policy, *more):
    return [
        each
        for each in make_probes(policy, found(policy, *more))
        if EndKind.UNDECLARED in (each.source.kind, each.target.kind)
    ]


def summary(probes):
    return {(str(each.source), str(each.target), each.service): each.declared_by for each in probes}


WEB1, WEB2 = "web on h1 (web, 10.64.1.2)", "web on h2 (web, 10.64.17.2)"
OTHER = container("compose", "172.18.0.2/16")
STRANGER = "compose on h1 (compose, 172.18.0.2)"
POOL = container("pool", "10.64.8.2/24")


def test_an_undeclared_network_is_isolated_from_declared_ones():
    """In both directions on its host. From other hosts, only its packets arrive: its subnet may exist there too."""
    probes = probes_of(policy_of(), OTHER)
    services = ("icmp", "tcp/9")
    pairs = ((STRANGER, WEB1), (WEB1, STRANGER), (STRANGER, WEB2))
    assert summary(probes) == {(*pair, service): None for pair in pairs for service in services}
    assert {each.networks for each in probes} == {("compose (undeclared)", "web"), ("web", "compose (undeclared)")}


def test_a_network_of_the_pools_is_reached_from_all_hosts():
    pairs = {(str(each.source), str(each.target)) for each in probes_of(policy_of(), POOL)}
    pool = "pool on h1 (pool, 10.64.8.2)"
    assert pairs == {(pool, WEB1), (WEB1, pool), (pool, WEB2), (WEB2, pool)}


def test_a_line_names_an_undeclared_network_by_its_addresses():
    """On its own host. Other hosts see the address of its host, unless the engine does not change it."""
    probes = summary(probes_of(policy_of({"from": "172.18.0.0/16", "to": "web", "ports": 80}), OTHER))
    assert probes[STRANGER, WEB1, "tcp/80"] == "docker_fleet_policy[0]: 172.18.0.0/16 -> web: tcp/80"
    assert probes[STRANGER, WEB1, "icmp"] is None
    assert (STRANGER, WEB2, "tcp/80") not in probes
    assert probes[STRANGER, WEB2, "icmp"] is None
    probes = summary(probes_of(policy_of({"from": "web", "to": "172.18.0.2", "ports": 80}), OTHER))
    assert probes[WEB1, STRANGER, "tcp/80"] == "docker_fleet_policy[0]: web -> 172.18.0.2/32: tcp/80"
    assert probes[WEB1, STRANGER, "icmp"] is None


def test_a_line_with_the_address_of_its_host_is_about_other_hosts():
    policy = policy_of({"from": "192.0.2.1", "to": "web", "ports": 80})
    probes = probes_of(policy, OTHER)
    assert summary(probes)[STRANGER, WEB2, "tcp/80"] == "docker_fleet_policy[0]: 192.0.2.1/32 -> web: tcp/80"
    assert summary(probes)[STRANGER, WEB1, "tcp/80"] is None
    (allowed,) = (each for each in probes if each.declared_by)
    assert judge(allowed, REPLY, ["192.0.2.1"]).kind is VerdictKind.AS_DECLARED


def test_a_line_of_the_world_does_not_open_undeclared_networks():
    lines = [{"from": "world", "to": "web"}, {"from": "web", "to": "world"}]
    assert set(summary(probes_of(policy_of(*lines), OTHER)).values()) == {None}


@pytest.mark.parametrize(
    "more", [container("back", "172.19.0.2/16"), container("lan", "192.168.9.2/24"), container("compose", None)]
)
def test_networks_that_hosts_do_not_forward_are_not_probed(more):
    assert probes_of(policy_of(), more) == []


def test_docker0_that_is_not_in_the_plan_is_undeclared():
    probes = probes_of(policy_of(), container("bridge", "172.17.0.2/16"))
    assert {each.networks for each in probes} == {("bridge (undeclared)", "web"), ("web", "bridge (undeclared)")}


def test_published_ports_of_undeclared_networks_follow_the_rules_of_the_engine():
    port = {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 81,
            "nat_rules": ["x"], "proxy_pid": 7}  # fmt: skip
    policy = policy_of()
    ends = found(policy, container("compose", "172.18.0.2/16", port))
    assert [each for each in make_probes(policy, ends) if each.published] == []


def test_undeclared_containers_take_part_in_no_pair_have_no_name_and_no_listener():
    policy = policy_of({"from": "web", "to": "172.18.0.2", "ports": 80})
    ends = found(policy, OTHER)
    assert count_pairs(ends) == 2
    assert EndKind.UNDECLARED not in {each.target.kind for each in make_name_probes(ends)}
    assert listeners(policy, ends) == {}


def test_a_container_on_both_networks_does_not_probe_itself():
    both = {**container("web", "10.64.1.2/24"), "name": "both"}
    both["networks"] += container("compose", "172.18.0.2/16")["networks"]
    reports = {"h1": {"containers": [both], "networks": DOCKER}}
    policy = policy_of()
    assert make_probes(policy, find_endpoints(policy, reports, 3, {})) == []


def test_tokens_differ():
    policy = policy_of()
    probes = make_probes(policy, found(policy, OTHER, POOL))
    assert len({(each.target, each.protocol, each.port, each.token) for each in probes}) == len(probes)


def undeclared(policy, ends):
    coverage = measure(policy, ends, [Verdict(probe, VerdictKind.AS_DECLARED) for probe in make_probes(policy, ends)])
    return coverage, {
        (each.statement.source, each.statement.target): (each.state, each.gap)
        for each in coverage.denied
        if each.statement.kind is StatementKind.UNDECLARED
    }


def test_coverage():
    policy = policy_of({"from": "172.18.0.0/16", "to": "web", "ports": 80})
    coverage, pairs = undeclared(policy, found(policy, OTHER))
    assert pairs == {("", "web"): (State.PROVEN, None), ("web", ""): (State.PROVEN, None)}
    assert [each.state for each in coverage.lines] == [State.PROVEN]
    assert coverage.probed == 3
    coverage, pairs = undeclared(policy, found(policy))
    assert set(pairs.values()) == {(State.NOT_PROVEN, Gap.NO_UNDECLARED)}
    assert [part.gap for part in coverage.lines[0].parts] == [Gap.NOT_OBSERVABLE]


ROW = "web    web    tcp/80    passes    0 of 12 pass    0 of 12    WRONG"


def test_the_name_of_a_network_cannot_look_like_a_row_of_the_matrix():
    policy = policy_of()
    docker = {**DOCKER[1], "name": ROW}
    reports = {
        "h1": {"containers": [container("web", "10.64.1.2/24")], "networks": DOCKER},
        "h2": {"containers": [{**container(ROW, "172.18.0.2/16"), "name": "a"}], "networks": [docker]},
    }
    ends = find_endpoints(policy, reports, 3, ADDRESSES)
    verdicts = [judge(probe, REPLY, []) for probe in make_probes(policy, ends)]
    lines = "\n".join(Report(verdicts, measure(policy, ends, verdicts)).lines())
    assert "'web    web    tcp/80" in lines
    assert not re.search(r"^ *web +web +tcp/80", lines, re.MULTILINE)
    assert "h2: 'web    web    tcp/80" in text.not_probed(find_unprobed(policy, reports, [])[1])


def test_the_probes_to_undeclared_networks_of_a_host_are_limited():
    policy = policy_of()
    docker = [{**DOCKER[1], "name": f"n{number}"} for number in range(1000)]
    many = [
        {**container(f"n{number}", f"10.79.{8 + number // 250}.{number % 250 + 2}/24"), "name": f"c{number}"}
        for number in range(1000)
    ]
    reports = {
        "h1": {"containers": [container("web", "10.64.1.2/24")], "networks": DOCKER},
        "h2": {"containers": [container("web", "10.64.17.2/24"), *many], "networks": [*DOCKER, *docker]},
    }
    ends = find_endpoints(policy, reports, 3, ADDRESSES)
    strangers = {each for each in ends if each.kind is EndKind.UNDECLARED}
    assert len(strangers) == MOST_UNDECLARED
    sent = [each for each in make_probes(policy, ends) if each.source.host == "h1" and each.target in strangers]
    assert 0 < len(sent) <= MOST_UNDECLARED * 2
    unprobed = [each for each in find_unprobed(policy, reports, ends) if each.reason is Reason.NOT_CHOSEN]
    assert sum(len(each.containers) for each in unprobed) == 1000 - MOST_UNDECLARED
    assert "or more than 64 undeclared networks on the host have containers" in text.not_probed(unprobed[0])
