# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes between containers and hosts: only as far as the policy is about these."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import State, measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import listeners, make_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import StatementKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    Verdict,
    VerdictKind,
    judge,
    to_explain,
)

from ..planning import plan_of
from .probes import REPLY, TIMEOUT

K = VerdictKind
LINE = "docker_fleet_policy[0]: {}"


def policy_of(*lines, hosts=2, **fleet):
    declared = {"supernet": "10.64.0.0/12", "networks": ["web", "db"], "policy": list(lines), **fleet}
    return plan_of(
        declared, {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in range(1, hosts + 1)}
    ).policy


def container(network, host, octet):
    third = 16 * (host - 1) + octet
    attached = {"network": network, "ipv4": f"10.64.{third}.2/24", "ipv6": None, "gateway": f"10.64.{third}.1"}
    return {"name": network, "mode": "user-defined", "networks": [attached]}


def found(policy, hosts=2):
    reports = {
        f"h{number}": {"containers": [container("web", number, 1), container("db", number, 2)], "networks": []}
        for number in range(1, hosts + 1)
    }
    return find_endpoints(policy, reports, 3, {f"h{number}": [f"192.0.2.{number}"] for number in range(1, hosts + 1)})


def with_hosts(policy, hosts=2):
    """Probes from or to a host as (source, target, service) -> declared_by, without those of the remote API."""
    probes = [each for each in make_probes(policy, found(policy, hosts)) if not each.direct]
    assert len({(each.target, each.protocol, each.port, each.token) for each in probes}) == len(probes)
    return {
        (str(each.source), str(each.target), each.service): each.declared_by
        for each in probes
        if each.service != "tcp/2376"
    }


WEB1, DB1 = "web on h1 (web, 10.64.1.2)", "db on h1 (db, 10.64.2.2)"
HOST1, HOST2, GATEWAY1 = "h1 (host, 192.0.2.1)", "h2 (host, 192.0.2.2)", "h1 (host, 10.64.1.1)"


def test_without_a_line_only_other_hosts_and_the_remote_api_are_denied():
    policy = policy_of()
    probes = with_hosts(policy)
    assert set(probes.values()) == {None}
    assert {(source, service) for source, target, service in probes if target == WEB1} == {
        (HOST2, "icmp"), (HOST2, "tcp/9"),
    }  # fmt: skip
    assert not [each for each in probes if each[1] in (HOST1, HOST2)]
    api = [each for each in make_probes(policy, found(policy)) if each.service == "tcp/2376"]
    assert {(str(each.source), str(each.target)) for each in api if each.source.host == "h1"} == {
        (source, target) for source in (WEB1, DB1) for target in (HOST1, HOST2)
    }
    assert {each.declared_by for each in api} == {None}


def test_gateways_of_other_hosts_are_denied():
    """At the gateways of the container's own network, and whatever lines allow."""
    line = {"from": "web", "to": ["world", "host", "db"], "ports": 22}
    gateways = [f"h{host} (host, 10.64.{third}.1)" for host, third in ((2, 17), (3, 33), (2, 18), (3, 34))]
    for policy in (policy_of(hosts=3), policy_of(line, hosts=3)):
        probes = with_hosts(policy, 3)
        seen = {each: declared_by for each, declared_by in probes.items() if each[0] == WEB1 and each[1] in gateways}
        assert seen == {(WEB1, gateway, service): None for gateway in gateways[:2] for service in ("icmp", "tcp/9")}


def test_a_network_of_each_host_alone_is_not_probed_at_gateways_of_other_hosts():
    """Its own host drops the packets, as those to containers there."""
    networks = [{"name": "web", "local": True}, "db"]
    probes = with_hosts(policy_of(networks=networks))
    assert [each for each in probes if each[0] == WEB1] == []
    assert {each[1] for each in probes if each[0] == DB1} == {"h2 (host, 10.64.18.1)"}


def test_a_line_to_the_host_is_probed_at_its_address_and_at_the_gateway():
    probes = with_hosts(policy_of({"from": "web", "to": "host", "ports": [22, 53]}))
    line = LINE.format("web -> host: tcp/22,53")
    for target in (HOST1, GATEWAY1):
        seen = {each[2]: declared_by for each, declared_by in probes.items() if each[:2] == (WEB1, target)}
        assert seen == {"icmp": None, "tcp/22": line, "tcp/53": line, "tcp/9": None}
    assert not [each for each in probes if each[0] == DB1 and each[1] in (HOST1, HOST2)]


def test_a_line_to_the_hosts_own_address_opens_this_address():
    """The line limits egress, and not what reaches the host, unless another one does."""
    lines = [{"from": "web", "to": "192.0.2.1", "protocol": "icmp"}, {"from": "web", "to": "host", "ports": 22}]
    probes = with_hosts(policy_of(*lines))
    assert probes[WEB1, HOST1, "icmp"] == LINE.format("web -> 192.0.2.1/32: icmp")
    assert probes[WEB1, GATEWAY1, "icmp"] is None
    assert probes["web on h2 (web, 10.64.17.2)", HOST1, "icmp"] == LINE.format("web -> 192.0.2.1/32: icmp")
    assert probes[WEB1, HOST2, "icmp"] is None
    assert probes[WEB1, HOST2, "tcp/9"] is None


def test_a_line_to_the_world_denies_other_hosts():
    probes = with_hosts(policy_of({"from": "web", "to": "world", "ports": 443}))
    assert {declared_by for each, declared_by in probes.items() if each[:2] == (WEB1, HOST2)} == {None}
    assert (WEB1, HOST1, "icmp") not in probes


def test_a_line_from_the_host_is_probed_from_the_host_itself():
    policy = policy_of({"from": "host", "to": "web", "ports": 80})
    probes = with_hosts(policy)
    seen = {each[2]: declared_by for each, declared_by in probes.items() if each[:2] == (HOST1, WEB1)}
    assert seen == {"icmp": None, "tcp/80": LINE.format("host -> web: tcp/80"), "tcp/9": None}
    (probe,) = (
        each
        for each in make_probes(policy, found(policy))
        if (str(each.source), str(each.target), each.port) == (HOST1, WEB1, 80)
    )
    assert probe.networks == ("host", "web")
    # The kernel chooses the source, which is the host's address on the network.
    assert probe.to_data() == {
        "destination": "10.64.1.2", "protocol": "tcp", "port": 80, "token": probe.token, "attempts": 24,
    }  # fmt: skip
    assert judge(probe, REPLY, ["10.64.1.1"]).kind is K.AS_DECLARED
    assert listeners(policy, found(policy))["h1"] == [{"address": "10.64.1.2", "protocol": "tcp", "port": 80}]


def test_a_line_with_the_address_of_a_host_opens_the_containers_own_address():
    probes = with_hosts(
        policy_of({"from": "192.0.2.2", "to": "web", "ports": 80}, {"from": "world", "to": "web"}, hosts=3), 3
    )
    line = LINE.format("192.0.2.2/32 -> web: tcp/80")
    assert probes[HOST2, WEB1, "tcp/80"] == line
    # The line of the world is about published ports.
    assert probes["h3 (host, 192.0.2.3)", WEB1, "tcp/80"] is None
    assert probes[HOST2, WEB1, "icmp"] is None


def test_docker0_follows_the_rules_of_the_engine():
    policy = policy_of()
    reports = {
        "h1": {"containers": [container("bridge", 1, 0)], "networks": []},
        "h2": {"containers": [], "networks": []},
    }
    ends = find_endpoints(policy, reports, 3, {"h1": ["192.0.2.1"], "h2": ["192.0.2.2"]})
    assert {each.service for each in make_probes(policy, ends)} == {"tcp/2376"}


def test_a_large_fleet_probes_one_other_host_in_turn():
    policy = policy_of(hosts=12)
    probes = [each for each in make_probes(policy, found(policy, 12)) if not each.direct and each.service == "icmp"]
    gateways = [each for each in probes if each.target.kind is EndKind.GATEWAY]
    probes = [each for each in probes if each.target.kind is not EndKind.GATEWAY]
    assert {
        len({each.source.host for each in probes if each.target == target})
        for target in {each.target for each in probes}
    } == {1}
    assert len(gateways) == len({each.source for each in gateways}) == 24
    assert len({each.source.host for each in probes}) > 6


@pytest.mark.parametrize(
    ("service", "result", "kind"),
    [
        ("tcp/22", REPLY, K.AS_DECLARED),
        ("tcp/22", TIMEOUT, K.BLOCKED),
        ("tcp/22", None, K.NOT_TRIED),
        ("tcp/9", TIMEOUT, K.AS_DECLARED),
        ("tcp/9", {**REPLY, "outcome": "refused"}, K.LEAK),
    ],
)
def test_the_answer_of_a_host_decides(service, result, kind):
    """Also if arrivals are not complete: there are none of a host."""
    policy = policy_of({"from": "web", "to": "host", "ports": 22})
    (probe,) = (
        each
        for each in make_probes(policy, found(policy))
        if (str(each.source), str(each.target), each.service) == (WEB1, HOST1, service)
    )
    for observed in (True, False):
        verdict = judge(probe, result, [], observed)
        assert verdict.kind is kind
        assert to_explain([verdict], 9) == []


def states(policy, kind, hosts=2):
    ends = found(policy, hosts)
    coverage = measure(policy, ends, [Verdict(probe, K.AS_DECLARED) for probe in make_probes(policy, ends)])
    return coverage, {
        (each.statement.source, each.statement.target): (each.state, each.gap)
        for each in coverage.denied
        if each.statement.kind is kind
    }


PROVEN = (State.PROVEN, None)


def test_coverage_of_hosts():
    networks = [{"name": "web", "ingress": "policy", "egress": "policy"}, "db"]
    coverage, direct = states(
        policy_of({"from": "web", "to": "host", "ports": 22}, networks=networks), StatementKind.DIRECT
    )
    assert [each.state for each in coverage.lines] == [State.PROVEN]
    for pair in (("web", "host"), ("host", "web"), ("web", "world"), ("world", "web"), ("world", "db")):
        assert direct[pair] == PROVEN
    _coverage, api = states(policy_of(), StatementKind.REMOTE_API)
    assert api == {
        ("docker0", "host"): (State.NOT_PROVEN, Gap.NO_CONTAINER),
        ("web", "host"): PROVEN,
        ("db", "host"): PROVEN,
    }


def test_a_single_host_proves_nothing_about_the_world():
    coverage, direct = states(policy_of({"from": "web", "to": "world", "ports": 443}, hosts=1), StatementKind.DIRECT, 1)
    assert direct["world", "web"] == direct["web", "world"] == (State.NOT_PROVEN, Gap.NO_PAIR)
    assert [part.gap for part in coverage.lines[0].parts] == [Gap.NOT_OBSERVABLE]


@pytest.mark.parametrize(
    ("line", "state", "gap"),
    [
        ({"from": "web", "to": "192.0.2.2", "ports": 22}, State.PROVEN, None),
        ({"from": "web", "to": "203.0.113.1", "ports": 22}, State.NOT_PROVEN, Gap.NOT_OBSERVABLE),
        ({"from": "web", "to": "host", "ports": 53, "protocol": "udp"}, State.NOT_PROVEN, Gap.DATAGRAMS),
        ({"from": "web", "to": "192.0.2.2", "ports": 53, "protocol": "udp"}, State.NOT_PROVEN, Gap.DATAGRAMS),
        ({"from": "host", "to": "web", "ports": 53, "protocol": "udp"}, State.PROVEN, None),
        ({"from": "192.0.2.2", "to": "web", "ports": 80}, State.PROVEN, None),
        ({"from": "203.0.113.1", "to": "web", "ports": 80}, State.NOT_PROVEN, Gap.NOT_OBSERVABLE),
        ({"from": "world", "to": "web", "ports": 80}, State.NOT_PROVEN, Gap.NO_PUBLISHED_PORT),
        ({"from": "host", "to": "docker0", "ports": 80}, State.NOT_PROVEN, Gap.NO_CONTAINER),
    ],
    ids=str,
)
def test_lines_with_the_outside(line, state, gap):
    coverage, _denied = states(policy_of(line), StatementKind.DIRECT)
    (part,) = coverage.lines[0].parts
    assert (part.state, part.gap) == (state, gap)
