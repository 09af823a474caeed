# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which published ports are probed, from where, and what is expected."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import TOKENS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import State, measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import (
    find_endpoints,
    outside_endpoints,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import matrix_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import (
    EndKind,
    Endpoint,
    PublishedPort,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    count_pairs,
    listeners,
    make_name_probes,
    make_probes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import SPARE_TOKENS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import (
    Arrivals,
    Verdict,
    VerdictKind,
    judge,
    to_explain,
)

from ..planning import assert_golden, plan_of
from .probes import REPLY, TIMEOUT

K = VerdictKind
HOSTS = {
    f"h{number}": {
        "ansible_host": f"192.0.2.{number}",
        "underlay_address_v6": f"fd00::{number}",
        "other_addresses": [f"198.51.100.{number}"] if number == 1 else [],
    }
    for number in (1, 2, 3)
}
ADDRESSES = {"h1": ["192.0.2.1", "fd00::1", "198.51.100.1"], "h2": ["192.0.2.2", "fd00::2"], "h3": ["192.0.2.3"]}


def policy_of(*lines, **fleet):
    declared = {"supernet": "10.64.0.0/12", "networks": ["web", "db"], "policy": list(lines), **fleet}
    return plan_of(declared, HOSTS).policy


def port(number, host_port, address="0.0.0.0", protocol="tcp", rules=("a rule",), proxy=7):
    return {
        "port": number, "protocol": protocol, "host_address": address, "host_port": host_port,
        "nat_rules": list(rules), "proxy_pid": proxy,
    }  # fmt: skip


def container(network, address, *ports, version=4):
    attached = {"network": network, "ipv4": None, "ipv6": None, f"ipv{version}": address}
    return {"name": network, "mode": "user-defined", "networks": [attached], "ports": list(ports)}


def found(policy, reports, most=3):
    whole = {host: {"containers": containers, "networks": []} for host, containers in reports.items()}
    return find_endpoints(policy, whole, most, ADDRESSES)


def published(policy, endpoints, most=100):
    return [probe for probe in make_probes(policy, endpoints, most) if probe.published]


WEB = [container("web", f"10.64.{16 * number + 1}.2/24") for number in range(3)]
DB1 = container("db", "10.64.2.2/24", port(5432, 5433), port(9187, 9187, "127.0.0.1"), port(53, 53, protocol="udp"))


def test_the_ports_of_a_container_are_those_that_other_hosts_may_reach():
    """At the host's declared addresses, and not on the loopback interface."""
    db, *hosts = found(policy_of(), {"h1": [DB1]})
    assert [(each.kind, each.network, each.container) for each in hosts] == [(EndKind.HOST, "host", "")] * 2
    assert [(each.protocol, each.port, str(each)) for each in db.ports] == [
        ("tcp", 5432, "192.0.2.1:5433"),
        ("tcp", 5432, "198.51.100.1:5433"),
        ("udp", 53, "192.0.2.1:53"),
        ("udp", 53, "198.51.100.1:53"),
    ]
    assert Endpoint.from_data(json.loads(json.dumps(db.to_data()))) == db


def test_a_host_is_an_end_in_each_ip_version():
    ends = found(policy_of(), {"h1": [], "h3": []})
    assert [(str(end), end.version) for end in ends] == [
        ("h1 (host, 192.0.2.1)", 4), ("h1 (host, fd00::1)", 6), ("h3 (host, 192.0.2.3)", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ports", "version", "expected"),
    [
        ([port(80, 80, "192.0.2.1")], 4, [("192.0.2.1", True)]),
        ([port(80, 80, "192.0.2.9")], 4, []),
        ([port(80, 80, "::")], 4, []),
        ([port(80, 80, "::", rules=())], 4, [("fd00::1", False)]),
        ([port(80, 80, "::")], 6, [("fd00::1", True)]),
        ([port(80, 80, "0.0.0.0", rules=())], 6, [("192.0.2.1", False), ("198.51.100.1", False)]),
        ([port(80, 80, protocol="sctp")], 4, []),
        ([port(80, 0), port(80, 70000), port(-1, 80)], 4, []),
        ([port(80, number) for number in range(1, 100)], 4, 16),
    ],
    ids=[
        "an address",
        "no address of the host",
        "IPv6",
        "proxy to IPv4",
        "NAT",
        "proxy to IPv6",
        "SCTP",
        "invalid",
        "many",
    ],
)
def test_addresses_of_published_ports(ports, version, expected):
    policy = policy_of(supernet_v6="fd00:64::/40")
    address = "10.64.1.2/24" if version == 4 else "fd00:64:0:1::2/64"
    ends = found(policy, {"h1": [container("web", address, *ports, version=version)]})
    (end,) = (each for each in ends if each.container)
    seen = [(each.address, each.forwarded) for each in end.ports]
    assert (len(seen) if isinstance(expected, int) else seen) == expected


def test_a_denied_network_is_probed_by_the_published_port_of_another_host():
    """Nothing is expected of the world, since no line is about it."""
    policy = policy_of({"from": "web", "to": "db", "ports": 5432})
    probes = published(policy, found(policy, {"h1": [WEB[0], DB1], "h2": [WEB[1]]}))
    seen = {(str(each.source), each.service): (each.declared_by, each.seen_as) for each in probes}
    allowed = ("docker_fleet_policy[0]: web -> db: tcp/5432", ("10.64.17.0",))
    client = "web on h2 (web, 10.64.17.2)"
    assert seen == {
        (client, "tcp/5432 published at 192.0.2.1:5433"): allowed,
        (client, "tcp/5432 published at 198.51.100.1:5433"): allowed,
        (client, "udp/53 published at 192.0.2.1:53"): (None, ("10.64.17.0",)),
        (client, "udp/53 published at 198.51.100.1:53"): (None, ("10.64.17.0",)),
    }
    assert probes[0].to_data() == {
        "source": "web", "destination": "192.0.2.1", "protocol": "tcp", "port": 5433, "token": probes[0].token,
        "attempts": 24,
    }  # fmt: skip


def test_a_line_of_the_world_is_probed_from_the_other_hosts_themselves():
    policy = policy_of({"from": "world", "to": "db", "ports": 5432})
    probes = published(policy, found(policy, {"h1": [DB1], "h2": [], "h3": []}))
    expected = {(each.source.host, each.port): each.declared_by is not None for each in probes}
    assert expected == {("h2", 5432): True, ("h2", 53): False, ("h3", 5432): True, ("h3", 53): False}
    assert {each.networks for each in probes} == {("world", "db")}
    assert probes[0].to_data() == {
        "destination": "192.0.2.1", "protocol": "tcp", "port": 5433, "token": probes[0].token, "attempts": 24,
        "source_address": "192.0.2.2",
    }  # fmt: skip
    assert probes[0].seen_as == ("192.0.2.2",)


@pytest.mark.parametrize(("sources", "allowed"), [("192.0.2.2", True), ("192.0.2.9", False), ("192.0.2.0/24", True)])
def test_a_line_with_addresses_decides_about_the_host_that_has_one(sources, allowed):
    policy = policy_of({"from": sources, "to": "db", "ports": 5432})
    probes = published(policy, found(policy, {"h1": [DB1], "h2": []}))
    assert {each.declared_by is not None for each in probes if each.port == 5432} == {allowed}


def test_a_network_that_may_not_connect_to_other_hosts_is_denied():
    """Its own host drops the packets, although the line between the networks allows the port."""
    line = {"from": "web", "to": "db", "ports": 5432}
    networks = [{"name": "web", "egress": "policy"}, "db"]
    for lines, allowed in (([line], {None}), ([line, {"from": "web", "to": "192.0.2.1", "ports": 5433}], {None, True})):
        policy = policy_of(*lines, networks=networks)
        probes = published(policy, found(policy, {"h1": [DB1], "h2": [WEB[1]]}))
        assert {each.declared_by and True for each in probes} == allowed


def test_without_a_nat_rule_only_denied_traffic_is_probed():
    """docker-proxy connects as the host itself, so what a line allows to others does not apply."""
    policy = policy_of({"from": "192.0.2.2", "to": "db"}, supernet_v6="fd00:64::/40")
    db = container("db", "10.64.2.2/24", port(80, 80, rules=()), port(80, 80, "::", rules=()))
    probes = published(policy, found(policy, {"h1": [db], "h2": [], "h3": []}))
    assert {(each.source.host, each.version, each.declared_by) for each in probes} == {("h2", 6, None), ("h3", 4, None)}
    assert {each.seen_as for each in probes} == {()}
    assert all(each.to_data()["data"] for each in probes)
    assert "attempts" not in probes[0].to_data()


@pytest.mark.parametrize(
    ("address", "proxy", "probed"), [("0.0.0.0", None, True), ("0.0.0.0", 7, False), ("::", None, False)]
)
def test_a_port_that_nothing_forwards_is_probed_where_a_line_allows_it(address, proxy, probed):
    """Only at an address of the container's IP version: engines before 27 write no rules of IPv6 by default."""
    policy = policy_of({"from": "web", "to": "db", "ports": 80})
    db = container("db", "10.64.2.2/24", port(80, 8080, address, rules=(), proxy=proxy))
    probes = published(policy, found(policy, {"h1": [db], "h2": [WEB[1]]}))
    assert [bool(each.declared_by) for each in probes if each.source.network == "web"] == [True] * 2 * probed


def test_containers_of_the_network_itself_are_not_probed():
    policy = policy_of()
    reports = {"h1": [container("web", "10.64.1.2/24", port(80, 80))], "h2": [WEB[1]]}
    assert published(policy, found(policy, reports)) == []


def test_a_local_network_is_denied_by_published_ports_of_other_hosts():
    policy = policy_of(networks=[{"name": "web", "local": True}])
    probes = published(policy, found(policy, {"h1": [container("web", "10.64.1.2/24", port(80, 80))], "h2": [WEB[1]]}))
    assert {each.declared_by for each in probes} == {None}
    assert probes


def test_a_large_fleet_probes_each_port_from_one_host_in_turn():
    policy = policy_of({"from": "world", "to": "db"})
    ends = found(policy, {"h1": [DB1], "h2": [], "h3": []})
    assert [(each.source.host, each.service) for each in published(policy, ends, most=3)] == [
        ("h2", "tcp/5432 published at 192.0.2.1:5433"),
        ("h3", "tcp/5432 published at 198.51.100.1:5433"),
        ("h2", "udp/53 published at 192.0.2.1:53"),
        ("h3", "udp/53 published at 198.51.100.1:53"),
    ]


def test_tokens_identify_all_probes_that_arrive_at_a_port():
    policy = policy_of({"from": "world", "to": "db", "ports": 5432}, {"from": "web", "to": "db", "ports": 5432})
    ends = found(policy, {"h1": [WEB[0], DB1], "h2": [WEB[1]], "h3": [WEB[2]]})
    firsts = set()
    for seed in range(100):
        probes = make_probes(policy, ends, seed=seed)
        arrivals = [(each.target.address, each.protocol, each.port, each.token) for each in probes]
        assert len(set(arrivals)) == len(arrivals)
        assert max(each.token for each in probes) < TOKENS - SPARE_TOKENS
        firsts.add(tuple({arrival[:3]: arrival[3] for arrival in reversed(arrivals)}.values()))
    # a container that knows those of one port knows no other ones
    assert len(firsts) == 100
    assert all(len(set(each)) > 3 for each in firsts if any(each))


def test_published_ports_have_a_listener():
    policy = policy_of()
    ends = found(policy, {"h1": [WEB[0], DB1]})
    ports = [(each["address"], each["protocol"], each["port"]) for each in listeners(policy, ends)["h1"]]
    assert ports == [("10.64.2.2", "tcp", 5432), ("10.64.2.2", "udp", 53)]


def test_hosts_take_part_in_no_pair_and_have_no_name():
    policy = policy_of()
    ends = found(policy, {"h1": [WEB[0]], "h2": [WEB[1]]})
    assert count_pairs(ends) == 2
    pairs = [each for each in (*make_probes(policy, ends), *make_name_probes(ends)) if each.direct]
    one, other = (end for end in ends if end.container)
    # A container that is alone on its network resolves its own name.
    assert {(each.source, each.target) for each in pairs} == {(one, other), (other, one), (one, one), (other, other)}


def test_machines_outside_of_the_fleet_probe_as_the_world():
    """In the IP version of their address, with the source that their kernel chooses."""
    policy = policy_of({"from": "world", "to": "db", "ports": 5432}, {"from": "web", "to": "db"})
    ends = found(policy, {"h1": [DB1]}) + outside_endpoints(
        {"lb": "203.0.113.7", "lb6": "2001:db8::7", "named": "x.org"}
    )
    probes = published(policy, ends)
    at_first = {(each.source.host, each.service): each.declared_by for each in probes if "192.0.2.1" in each.service}
    line = "docker_fleet_policy[0]: world -> db: tcp/5432"
    assert at_first == {
        ("lb", "tcp/5432 published at 192.0.2.1:5433"): line,
        ("named", "tcp/5432 published at 192.0.2.1:5433"): line,
        ("lb", "udp/53 published at 192.0.2.1:53"): None,
        ("named", "udp/53 published at 192.0.2.1:53"): None,
    }
    assert {each.networks for each in probes} == {("world", "db")}
    assert probes[0].to_data() == {
        "destination": "192.0.2.1", "protocol": "tcp", "port": 5433, "token": 0, "attempts": 24,
    }  # fmt: skip
    # The fleet may see the address of a router.
    assert judge(probes[0], REPLY, ["203.0.113.1"]).kind is K.AS_DECLARED
    assert str(probes[0].source) == "lb (world, 203.0.113.7)"
    coverage = measure(policy, ends, [Verdict(each, K.AS_DECLARED) for each in probes])
    assert [each.state for each in coverage.lines] == [State.PROVEN, State.NOT_PROVEN]
    assert matrix_lines([Verdict(each, K.AS_DECLARED) for each in probes])[0].startswith(
        "Reachability: 8 probes between 1 containers on 1 hosts"
    )


def test_what_lines_open_to_addresses_is_not_known_of_a_machine_outside():
    policy = policy_of({"from": "203.0.113.0/24", "to": "db", "ports": 5432})
    ends = found(policy, {"h1": [DB1]}) + outside_endpoints({"lb": "203.0.113.7"})
    assert {(each.service.split()[0], each.declared_by) for each in published(policy, ends)} == {("udp/53", None)}


POLICY = policy_of({"from": "world", "to": "db", "ports": 5432})
ENDS = found(POLICY, {"h1": [DB1], "h2": [WEB[1]]})
ALLOWED = next(each for each in published(POLICY, ENDS) if each.declared_by)
DENIED = next(each for each in published(POLICY, ENDS) if not each.declared_by and each.protocol == "udp")
PROXIED = dataclasses.replace(
    DENIED, protocol="tcp", port=5432, seen_as=(), published=PublishedPort("tcp", 5432, "192.0.2.1", 5433, False)
)
GATEWAY = "10.64.2.1"


@pytest.mark.parametrize(
    ("probe", "result", "arrivals", "kind"),
    [
        (ALLOWED, REPLY, ["192.0.2.2"], K.AS_DECLARED),
        (ALLOWED, REPLY, [GATEWAY], K.SOURCE_REWRITTEN),
        (ALLOWED, REPLY, [], K.ANSWERED_BY_ANOTHER),
        (ALLOWED, TIMEOUT, [], K.BLOCKED),
        (DENIED, TIMEOUT, [], K.AS_DECLARED),
        (DENIED, TIMEOUT, ["192.0.2.2"], K.ARRIVES_THOUGH_DENIED),
        # docker-proxy answers before it connects to the container
        (PROXIED, REPLY, [], K.AS_DECLARED),
        (PROXIED, REPLY, [GATEWAY], K.LEAK),
        (PROXIED, None, [], K.NOT_TRIED),
    ],
)
def test_verdicts(probe, result, arrivals, kind):
    assert judge(probe, result, arrivals).kind is kind


def test_an_answer_without_a_complete_record_proves_nothing():
    assert judge(PROXIED, REPLY, [], observed=False).kind is K.NOT_OBSERVED


def test_arrivals_through_docker_proxy_are_found_by_their_data():
    arrival = {"destination": "10.64.2.2", "protocol": "tcp", "port": 5432, "source": GATEWAY, "source_port": 999}
    index = Arrivals({"h1": {"arrivals": [{**arrival, "token": PROXIED.token}, {**arrival, "token": 9999}]}})
    assert index.of(PROXIED, {"source_port": 20000 + PROXIED.token}) == [GATEWAY]
    assert index.of(PROXIED, None) == [GATEWAY]


def test_a_leak_by_docker_proxy_is_explained_and_not_traced():
    leak = Verdict(PROXIED, K.LEAK, "reply", "", (GATEWAY,))
    values = {"container": "db", "port": "192.0.2.1:5433"}
    assert explain(leak, {}).causes == (Cause(CauseKind.PROXIED, "h1", values),)
    assert explain(Verdict(DENIED, K.LEAK, "reply"), {}).causes == ()
    assert explain(Verdict(ALLOWED, K.BLOCKED, "timeout"), {}).causes == ()
    assert to_explain([leak], 9) == []


def coverage_of(policy, reports, **options):
    ends = found(policy, reports)
    return measure(policy, ends, [Verdict(probe, K.AS_DECLARED) for probe in make_probes(policy, ends, **options)])


def test_coverage_of_published_ports():
    """What is printed for a fleet with published ports, with one host, and with two IP versions."""
    lines = [{"from": "world", "to": "db", "ports": 5432}, {"from": "world", "to": "web", "ports": 80},
             {"from": "203.0.113.0/24", "to": "db", "ports": 53, "protocol": "udp"}]  # fmt: skip
    policy = policy_of(*lines)
    reports = {"published": {"h1": [WEB[0], DB1], "h2": [WEB[1]]}, "one host": {"h1": [WEB[0], DB1]}}
    printed = {name: coverage_lines(coverage_of(policy, each)) for name, each in reports.items()}
    printed["two versions"] = coverage_lines(
        coverage_of(policy_of(*lines, supernet_v6="fd00:64::/40"), reports["published"])
    )
    assert_golden("coverage_published.yml", printed)


def test_ports_that_lines_open_do_not_prove_that_others_are_closed():
    policy = policy_of({"from": "world", "to": "db", "ports": 5432}, {"from": "web", "to": "db", "ports": 5432})
    database = container("db", "10.64.2.2/24", port(5432, 5433))
    coverage = coverage_of(policy, {"h1": [database], "h2": [WEB[1]]})
    gaps = {each.statement.source: each.gap for each in coverage.denied
            if each.statement.kind.value == "published" and each.statement.target == "db"}  # fmt: skip
    assert gaps["world"] is gaps["web"] is Gap.NO_PUBLISHED_PORT


def test_a_denied_pair_is_proven_by_its_published_port_separately():
    coverage = coverage_of(policy_of(), {"h1": [WEB[0], DB1], "h2": [WEB[1], container("db", "10.64.18.2/24")]})
    states = {
        (each.statement.source, each.statement.target): (each.state, each.gap and each.gap.value, each.network)
        for each in coverage.denied
        if each.statement.kind.value == "published"
    }
    assert states["web", "db"] == (State.PROVEN, None, None)
    assert states["db", "web"] == (State.NOT_PROVEN, "no_published_port", "web")
    assert states["docker0", "db"] == (State.NOT_PROVEN, "no_container", "docker0")
