# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probes are sent."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import parse_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    listeners,
    make_name_probes,
    make_probes,
)

from ..planning import plan_of
from .probes import DB2, POLICY, WEB1, WEB2


def container(name, *addresses):
    return {"name": name, "networks": [{"network": "any", "ipv4": address} for address in addresses]}


def arrival(probe):
    """What identifies a probe where it arrives."""
    return (probe.target.host, probe.target.address, probe.protocol, probe.port, probe.token)


def test_endpoints_are_the_addresses_of_containers_on_networks_of_the_plan():
    found = find_endpoints(
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
    assert found == [
        WEB1,
        Endpoint("h1", "two-homed", "db", "10.64.2.3", several=True),
        Endpoint("h2", "a", "web", "10.64.17.2", 1400),
    ]


def test_every_pair_is_probed_on_open_and_on_closed_ports():
    probes = make_probes(POLICY, [WEB1, WEB2, DB2])
    tried = {(str(probe.source), str(probe.target), probe.service): probe.declared_by for probe in probes}
    assert len(tried) == len(probes)
    assert tried[str(WEB1), str(WEB2), "icmp"] == POLICY.allowing("web", "web", "icmp")
    assert tried[str(WEB1), str(DB2), "tcp/5432"] == POLICY.allowing("web", "db", "tcp", 5432)
    assert tried[str(WEB1), str(DB2), "tcp/8000"]
    assert tried[str(WEB1), str(DB2), "icmp"] is None
    assert tried[str(WEB1), str(DB2), "tcp/9"] is None
    assert tried[str(DB2), str(WEB1), "tcp/9"] is None
    # Tokens identify the arrivals at one port of one target.
    assert len({arrival(probe) for probe in probes}) == len(probes)


def test_ip_versions_are_separate():
    """A container's IPv4 and IPv6 addresses are two endpoints; probes to them may carry the same token."""
    endpoints = [WEB1, WEB2, *(each._replace(address="fd64::" + each.host[1]) for each in (WEB1, WEB2))]
    probes = make_probes(POLICY, endpoints)
    assert all((":" in probe.source.address) == (":" in probe.target.address) for probe in probes)
    assert len({arrival(probe) for probe in probes}) == len(probes) == 12


def test_docker0_is_not_probed_within_a_host_and_denied_across_hosts():
    first, second = Endpoint("h1", "a", "docker0", "10.64.0.2"), Endpoint("h1", "b", "docker0", "10.64.0.3")
    other = Endpoint("h2", "c", "docker0", "10.64.16.2")
    pairs = {(probe.source, probe.target): probe.declared_by for probe in make_probes(POLICY, [first, second, other])}
    assert (first, second) not in pairs
    assert pairs[first, other] is None


def test_a_local_network_passes_on_a_host_and_is_denied_between_hosts():
    fleet = {"supernet": "10.64.0.0/12", "networks": [{"name": "lab", "local": True}]}
    policy = plan_of(fleet, {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}).policy
    first, second = Endpoint("h1", "one", "lab", "10.64.1.2"), Endpoint("h1", "two", "lab", "10.64.1.3")
    other = Endpoint("h2", "one", "lab", "10.64.17.2")
    probes = make_probes(policy, [first, second, other])
    assert {(probe.source, probe.target) for probe in probes if probe.declared_by} == {(first, second), (second, first)}
    denied = {(probe.source, probe.target) for probe in probes if not probe.declared_by}
    assert denied == {(first, other), (other, first), (second, other), (other, second)}


def test_the_first_pair_of_two_hosts_and_networks_tests_the_mtu_of_the_path():
    narrow = Endpoint("h2", "narrow", "web", "10.64.17.3", 1400)
    sized = [probe for probe in make_probes(POLICY, [WEB1, WEB2, narrow, DB2]) if probe.packet]
    assert [(str(probe.source), str(probe.target), probe.service, probe.to_data()["size"]) for probe in sized] == [
        (str(WEB2), str(WEB1), "icmp of 1500 bytes", 1472),
        (str(WEB1), str(WEB2), "icmp of 1500 bytes", 1472),
        (str(narrow), str(WEB2), "icmp of 1400 bytes", 1372),
    ]
    # The observer identifies probes by their tokens.
    arrivals = [arrival(probe) for probe in make_probes(POLICY, [WEB1, WEB2, narrow, DB2])]
    assert len(set(arrivals)) == len(arrivals)


@pytest.mark.parametrize(
    ("mtu", "used"),
    [("abc", 1500), ("-5", 1500), ("0", 1500), ("20", 1500), ("67", 1500), ("68", 68), ("+1400", 1400), (" 1400", 1500),
     ("\u00b2", 1500), ("65535", 65535), ("65536", 1500), ("9" * 5000, 1500), ("", 1500)],
)  # fmt: skip
def test_the_mtu_that_a_host_reports_makes_no_probe_of_another_host_invalid(mtu, used):
    reports = {
        "h1": {"containers": [container("web", "10.64.1.2/24")]},
        "h2": {
            "containers": [container("web", "10.64.17.2/24")],
            "networks": [{"name": "any", "options": {"com.docker.network.driver.mtu": mtu}}],
        },
    }
    ends = find_endpoints(POLICY, reports, 1)
    assert [end.mtu for end in ends] == [1500, used]
    probes = make_probes(POLICY, ends)
    assert {probe.packet for probe in probes} == {None, min(used, 1500)}
    parse_probes([probe.to_data() for probe in probes])


def test_containers_of_a_network_resolve_the_name_and_aliases_of_the_next_one():
    first, second = Endpoint("h1", "a", "web", "10.64.1.2"), Endpoint("h1", "b", "web", "10.64.1.3", 1500, ("www",))
    more = [Endpoint("h1", "a", "web", "fd00::2"), WEB2, Endpoint("h1", "old", "docker0", "10.64.0.2")]
    probes = make_name_probes([first, second, *more])
    assert [(probe.source, probe.target, probe.name) for probe in probes] == [
        (first, second, "b"),
        (first, second, "www"),
        (second, first, "a"),
        (WEB2, WEB2, "web"),
    ]
    assert probes[1].service == "name"
    assert probes[1].to_data() == {
        "source": "a", "destination": "127.0.0.11", "protocol": "dns", "name": "www", "token": 1, "attempts": 24,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "declared_by", "attempts"),
    [("tcp", "line", 24), ("icmp", "line", 24), ("tcp", None, None), ("icmp", None, None), ("udp", "line", None)],
)
def test_only_probes_that_expect_an_answer_are_retried(protocol, declared_by, attempts):
    probe = Probe(WEB1, WEB2, protocol, None if protocol == "icmp" else 80, 1, declared_by)
    assert probe.to_data().get("attempts") == attempts


def test_listeners_are_on_the_ports_that_the_policy_opens():
    assert listeners(POLICY, [WEB1, WEB2]) == {}
    ports = {(each["protocol"], each["port"]) for each in listeners(POLICY, [DB2])["h2"]}
    assert {("tcp", 5432), ("tcp", 8000)} <= ports


def test_endpoints_survive_a_round_trip_through_ansible():
    endpoint = Endpoint("h1", "b", "web", "10.64.1.3", 1500, ("www",))
    assert Endpoint.from_data({**endpoint._asdict(), "aliases": ["www"]}) == endpoint


def test_probes_as_data():
    probes = {"tcp": Probe(WEB1, DB2, "tcp", 80, 3, "a line"), "icmp": Probe(WEB1, DB2, "icmp", None, 3, None, 1500)}
    common = {"source": "web", "destination": "10.64.18.2", "token": 3}
    assert probes["tcp"].to_data() == {**common, "protocol": "tcp", "port": 80, "attempts": 24}
    assert probes["tcp"].to_trace(7) == {**common, "protocol": "tcp", "port": 80, "token": 7}
    assert probes["icmp"].to_data() == {**common, "protocol": "icmp", "size": 1472}
    (probe,) = make_name_probes([WEB2])
    assert probe.declared_by == "containers on web resolve each other by name"


def test_a_sample_prefers_pairs_that_are_allowed():
    hosts = ("h1", "h2")
    others = [Endpoint(host, f"db{number}", "db", f"10.64.{16 * (host == 'h2') + 2}.{number}") for host in hosts
              for number in (2, 3, 4)]  # fmt: skip
    probes = make_probes(POLICY, [WEB1, WEB2, *others], most_pairs=1)
    paths = {(each.source.host, each.target.host) for each in probes if each.declared_by and each.port == 5432}
    assert {("h1", "h2"), ("h2", "h1")} <= paths
