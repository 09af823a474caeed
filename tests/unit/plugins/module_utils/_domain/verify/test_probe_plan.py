# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probes are sent, and what their results mean."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.matrix import report_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    Endpoint,
    Probe,
    Verdict,
    arrivals_of,
    find_nodes,
    index_arrivals,
    judge,
    listeners,
    make_name_probes,
    make_probes,
    to_explain,
)

from ..planning import plan_of

POLICY = plan_of(
    {
        "supernet": "10.64.0.0/12",
        "networks": ["web", "db"],
        "policy": [{"from": "web", "to": "db", "ports": [5432, "8000-8010"]}, {"from": "web", "to": "docker0"}],
    },
    {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}},
).policy

WEB1 = Endpoint("h1", "web", "web", "10.64.1.2")
WEB2 = Endpoint("h2", "web", "web", "10.64.17.2")
DB2 = Endpoint("h2", "db", "db", "10.64.18.2")


def container(name, *addresses):
    return {"name": name, "networks": [{"network": "any", "ipv4": address} for address in addresses]}


def arrival(probe):
    """What tells a probe where it arrives."""
    return (probe.target.host, probe.target.address, probe.protocol, probe.port, probe.token)


def test_nodes_are_containers_with_one_address_that_the_plan_knows():
    found = find_nodes(
        POLICY,
        {
            "h1": {
                "containers": [
                    container("web", "10.64.1.2/24"),
                    container("two-homed", "10.64.1.3/24", "10.64.2.3/24"),
                    container("host-mode"),
                    container("no-address", None),
                    container("foreign", "172.17.0.2/16"),
                    container("from the pool", "10.64.8.2/24"),
                    {"name": "of no network", "networks": []},
                ]
            },
            "h2": {
                "containers": [container("b", "10.64.17.3/24"), container("a", "10.64.17.2/24")],
                "networks": [{"name": "any", "options": {"com.docker.network.driver.mtu": "1400"}}],
            },
        },
        1,
    )
    assert found == [WEB1, Endpoint("h2", "a", "web", "10.64.17.2", 1400)]


def test_every_pair_is_tried_with_what_is_open_there_and_with_what_is_not():
    probes = make_probes(POLICY, [WEB1, WEB2, DB2])
    tried = {(str(probe.source), str(probe.target), probe.service): probe.intended for probe in probes}
    assert len(tried) == len(probes)
    assert tried[str(WEB1), str(WEB2), "icmp"] == "web is one network on all hosts"
    assert tried[str(WEB1), str(DB2), "tcp/5432"] == "docker_fleet_policy[0]: web -> db: tcp/5432,8000-8010"
    assert tried[str(WEB1), str(DB2), "tcp/8000"]
    assert tried[str(WEB1), str(DB2), "icmp"] is None
    assert tried[str(WEB1), str(DB2), "tcp/9"] is None
    assert tried[str(DB2), str(WEB1), "tcp/9"] is None
    # what arrives at one port of one target is told apart by its token
    assert len({arrival(probe) for probe in probes}) == len(probes)


def test_ip_versions_are_told_apart():
    """A container's IPv4 and IPv6 addresses are two nodes; probes to them may carry the same token."""
    nodes = [WEB1, WEB2, *(node._replace(address="fd64::" + node.host[1]) for node in (WEB1, WEB2))]
    probes = make_probes(POLICY, nodes)
    assert all((":" in probe.source.address) == (":" in probe.target.address) for probe in probes)
    assert len({arrival(probe) for probe in probes}) == len(probes) == 12


def test_docker0_is_left_to_docker_within_a_host_and_denied_across_hosts():
    first, second = Endpoint("h1", "a", "docker0", "10.64.0.2"), Endpoint("h1", "b", "docker0", "10.64.0.3")
    other = Endpoint("h2", "c", "docker0", "10.64.16.2")
    pairs = {(probe.source, probe.target): probe.intended for probe in make_probes(POLICY, [first, second, other])}
    assert (first, second) not in pairs
    assert pairs[first, other] is None


ALLOWED = Probe(WEB1, DB2, "tcp", 5432, 0, "a line")
DENIED = Probe(WEB1, DB2, "tcp", 9, 0, None)
UDP = Probe(WEB1, DB2, "udp", 53, 0, "a line")
REPLY = {"reached": True, "outcome": "reply", "detail": None}
TIMEOUT = {"reached": False, "outcome": "timeout", "detail": None}
ERROR = {"reached": False, "outcome": "error", "detail": "no such container"}
OWN, OTHER = [WEB1.address], ["192.0.2.1"]


@pytest.mark.parametrize(
    ("probe", "result", "arrivals", "passed", "problem"),
    [
        (ALLOWED, REPLY, OWN, True, None),
        (ALLOWED, REPLY, OTHER, True, "passes, but its source address was changed to 192.0.2.1 on the way"),
        (ALLOWED, REPLY, [], True, "is answered, but by somebody else: nothing arrived at the target"),
        (ALLOWED, TIMEOUT, [], False, "does not pass (timeout), and should: a line"),
        (ALLOWED, TIMEOUT, OWN, False, "arrives, but no answer comes back (timeout)"),
        (ALLOWED, ERROR, [], False, "not tried: no such container"),
        (ALLOWED, None, [], False, "not tried: host h1 did not run its probes"),
        (UDP, TIMEOUT, OWN, True, None),
        (DENIED, TIMEOUT, [], False, None),
        (DENIED, REPLY, OWN, True, "passes, and no line of the policy allows it"),
        (DENIED, TIMEOUT, OWN, True, "arrives at the target, and no line of the policy allows it"),
        (DENIED, ERROR, [], False, "not tried: no such container"),
    ],
)
def test_judge(probe, result, arrivals, passed, problem):
    verdict = judge(probe, result, arrivals)
    assert (verdict.passed, verdict.problem) == (passed, problem)


def test_arrivals_are_found_by_where_and_what_arrived():
    index = index_arrivals(
        {
            "h2": [
                {
                    "destination": DB2.address,
                    "protocol": "tcp",
                    "port": 5432,
                    "token": 0,
                    "source_port": 20000,
                    "source": "10.64.1.2",
                }
            ]
        }
    )
    assert arrivals_of(index, ALLOWED, None) == ["10.64.1.2"]
    assert arrivals_of(index, ALLOWED, {"source_port": 20000}) == ["10.64.1.2"]
    assert arrivals_of(index, ALLOWED, {"source_port": 43210}) == []
    assert arrivals_of(index, DENIED, None) == []


def test_the_report_tells_what_is_wrong():
    verdicts = [judge(ALLOWED, TIMEOUT, []), judge(DENIED, TIMEOUT, [])]
    text = "\n".join(report_lines(verdicts))
    assert text.startswith("Reachability: 2 probes between 2 containers on 2 hosts, 1 as declared, 1 not\n")
    assert "  web   db  tcp/5432  passes    denied    0 of 1       WRONG\n" in text
    assert (
        "  web on h1 (web, 10.64.1.2) -> db on h2 (db, 10.64.18.2) tcp/5432: "
        "does not pass (timeout), and should: a line"
    ) in text


def test_a_local_network_passes_on_a_host_and_is_denied_between_hosts():
    fleet = {"supernet": "10.64.0.0/12", "networks": [{"name": "lab", "local": True}]}
    hosts = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}
    policy = plan_of(fleet, hosts).policy
    first, second = Endpoint("h1", "one", "lab", "10.64.1.2"), Endpoint("h1", "two", "lab", "10.64.1.3")
    other = Endpoint("h2", "one", "lab", "10.64.17.2")
    probes = make_probes(policy, [first, second, other])
    assert {(probe.source, probe.target): probe.intended for probe in probes} == {
        **dict.fromkeys([(first, second), (second, first)], "lab is one bridge on a host"),
        **dict.fromkeys([(first, other), (other, first), (second, other), (other, second)], None),
    }
    verdicts = [judge(probe, TIMEOUT, []) for probe in probes]
    text = "\n".join(report_lines(verdicts))
    assert "passes    denied    0 of 2       WRONG" in text
    assert "denied    denied    4 of 4       ok" in text


def test_the_first_pair_of_two_hosts_and_networks_tries_the_paths_mtu():
    narrow = Endpoint("h2", "narrow", "web", "10.64.17.3", 1400)
    sized = [probe for probe in make_probes(POLICY, [WEB1, WEB2, narrow, DB2]) if probe.packet]
    assert [(str(probe.source), str(probe.target), probe.service, probe.to_data()["size"]) for probe in sized] == [
        (str(WEB2), str(WEB1), "icmp of 1500 bytes", 1472),
        (str(WEB1), str(WEB2), "icmp of 1500 bytes", 1472),
        (str(narrow), str(WEB2), "icmp of 1400 bytes", 1372),
    ]
    # the observer tells probes apart by their tokens
    arrivals = [arrival(probe) for probe in make_probes(POLICY, [WEB1, WEB2, narrow, DB2])]
    assert len(set(arrivals)) == len(arrivals)


def test_a_path_that_is_too_narrow_is_told_with_what_the_way_said():
    probe = Probe(WEB1, WEB2, "icmp", None, 1, "web is one network on all hosts", 1500)
    told = {"reached": False, "outcome": "unreachable", "detail": "ICMP too big from 192.0.2.9, the MTU there is 1400"}
    assert judge(probe, told, []).problem == (
        "does not pass (unreachable ICMP too big from 192.0.2.9, the MTU there is 1400), and should: "
        "web is one network on all hosts"
    )


def test_containers_of_a_network_of_a_host_ask_for_the_next_one_and_its_aliases():
    first, second = Endpoint("h1", "a", "web", "10.64.1.2"), Endpoint("h1", "b", "web", "10.64.1.3", 1500, ("www",))
    nodes = [first, second, Endpoint("h1", "a", "web", "fd00::2"), WEB2, Endpoint("h1", "old", "docker0", "10.64.0.2")]
    probes = make_name_probes(nodes, 7)
    assert [(probe.source, probe.target, probe.name) for probe in probes] == [
        (first, second, "b"),
        (first, second, "www"),
        (second, first, "a"),
        (WEB2, WEB2, "web"),
    ]
    assert probes[1].service == "name"
    assert probes[1].to_data() == {
        "source": "a", "destination": "127.0.0.11", "protocol": "dns", "name": "www", "token": 8, "attempts": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "intended", "attempts"),
    [("tcp", "line", 6), ("icmp", "line", 6), ("tcp", None, None), ("icmp", None, None), ("udp", "line", None)],
)
def test_only_with_what_should_be_answered_there_is_patience(protocol, intended, attempts):
    probe = Probe(WEB1, WEB2, protocol, None if protocol == "icmp" else 80, 1, intended)
    assert probe.to_data().get("attempts") == attempts


@pytest.mark.parametrize(
    ("result", "passed", "problem"),
    [
        ({"outcome": "reply", "answer": ["10.64.17.2"], "detail": "NOERROR"}, True, None),
        ({"outcome": "reply", "answer": ["10.64.9.9"], "detail": "NOERROR"}, False,
         "name web resolves to 10.64.9.9, and should to 10.64.17.2"),
        ({"outcome": "reply", "answer": [], "detail": "NXDOMAIN"}, False,
         "name web resolves to NXDOMAIN, and should to 10.64.17.2"),
        ({"outcome": "refused", "answer": None, "detail": ""}, False,
         "name web does not resolve (refused), and should: containers on web find each other by name"),
    ],
)  # fmt: skip
def test_a_name_has_to_resolve_to_its_container(result, passed, problem):
    (probe,) = make_name_probes([WEB2])
    verdict = judge(probe, result, [])
    assert (verdict.passed, verdict.problem) == (passed, problem)


def test_somebody_listens_where_the_policy_opens_ports():
    assert listeners(POLICY, [WEB1, WEB2]) == {}
    ports = {(each["protocol"], each["port"]) for each in listeners(POLICY, [DB2])["h2"]}
    assert {("tcp", 5432), ("tcp", 8000)} <= ports


def test_nodes_come_back_from_ansible_as_they_were():
    node = Endpoint("h1", "b", "web", "10.64.1.3", 1500, ("www",))
    assert Endpoint.from_data({**node._asdict(), "aliases": ["www"]}) == node


FAILURES = [
    Verdict(Probe(source, target, protocol, port, 0, "because"), False, "does not pass")
    for source, target in ((WEB1, WEB2), (WEB2, WEB1), (WEB1, DB2))
    for protocol, port in (("icmp", None), ("tcp", 80), ("tcp", 81))
]


def test_of_failures_one_of_each_kind_is_explained_and_each_two_hosts_come_first():
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
    ends = [node._replace(address=address) for node, address in ((WEB1, "fd00:64:0:1::2"), (WEB2, "fd00:64:0:101::2"))]
    failed = Verdict(Probe(*ends, "icmp", None, 0, "because"), False, FAILURES[0].problem)
    assert to_explain([FAILURES[0], failed], 100) == [FAILURES[0], failed]
    # before the second one of IPv4, which is TCP's
    assert to_explain([*FAILURES[:2], failed], 2) == [FAILURES[0], failed]


def test_what_is_as_declared_and_names_are_not_explained_by_packets():
    good = Verdict(Probe(WEB1, WEB2, "icmp", None, 0, "because"), True, None)
    (name,) = make_name_probes([WEB2])
    assert to_explain([good, Verdict(name, False, "name web does not resolve")], 100) == []


def test_the_report_ends_with_what_is_behind_it():
    explained = [dataclasses.replace(verdict, explanation="h1: link fn-web is down") for verdict in FAILURES[:2]]
    lines = report_lines([*explained, *FAILURES[2:]])
    assert lines[-2:] == ["Because:", "  h1: link fn-web is down (2 probes)"]
    assert "Because:" not in report_lines(FAILURES)
