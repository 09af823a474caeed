# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests see of hosts: which address is probed from where, how answers read, and what is refused to be told."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.host import ObservedFleet

OPTIONS = {"ansible_inventory": "inventory.yml", "sudo": False}


def endpoint(network, ipv4=None, ipv6=None):
    return {"network": network, "ipv4": ipv4, "ipv6": ipv6, "aliases": []}


def a_container(name, *networks, mode="user-defined"):
    return {"name": name, "mode": mode, "pid": 7, "networks": list(networks)}


class Way:
    """testinfra's host, whose modules answer what the test wants them to."""

    def __init__(self, name, containers=(), outcome="reply", arrives=False):
        self.asked = []
        self.observes = True
        self._containers = list(containers)
        self._outcome = outcome
        self._arrives = arrives
        self.sent = []
        self.answers = {}
        self.backend = SimpleNamespace(
            HAS_RUN_ANSIBLE=True, get_hostname=lambda: name, run_ansible=self.run_ansible, **OPTIONS
        )

    def run_ansible(self, module, arguments, check, become):
        assert not check
        assert become == self.backend.sudo
        options = json.loads(arguments or "{}")
        self.asked.append((module.rsplit(".", 1)[-1], options))
        return getattr(self, self.asked[-1][0])(**options)

    def network_info(self):
        web = {
            "name": "web",
            "subnets": [
                {"subnet": "fd00:1::/64", "gateway": "fd00:1::1"},
                {"subnet": "10.64.1.0/24", "gateway": "10.64.1.1"},
            ],
        }
        return {"network_info": {"networks": [web], "containers": self._containers}}

    def reachability_info(self, probes):
        self.sent += probes
        results = [{"port": None, **probe, "outcome": self._outcome, "detail": ""} for probe in probes]
        return {"results": [{**result, "answer": self.answers.get(result.get("name"))} for result in results]}

    def probe_observer(self, state):
        if state == "started":
            return {"observed": []}
        tokens = range(40000) if self._arrives else ()
        return {"arrivals": [{"token": token} for token in tokens], "complete": self.observes}


WEB = a_container("web", endpoint("web", "10.64.1.2/24", "fd00:1::2/64"))
DB = a_container("db", endpoint("db", "10.64.2.3/24"), endpoint("web", "10.64.1.3/24"))
REMOTE = a_container("far", endpoint("web", "10.64.17.2/24"))
WEB["interfaces"] = [{"name": "lo", "peer": None}, {"name": "eth0", "peer": "veth1"}]
WEB["ports"] = [
    {"port": 80, "protocol": "tcp", "host_port": 8080},
    {"port": 80, "protocol": "tcp", "host_port": 8081},
    {"port": 53, "protocol": "udp", "host_port": 5353},
]
ALONE = a_container("alone", mode="none")
SIDECAR = a_container("sidecar", mode="container:web")
V6 = a_container("six", endpoint("web", None, "fd00:1::6/64"))


def a_fleet(outcome="reply", arrives=False):
    """Hosts h1, which is under test, and h2; the fleet, and testinfra's ways to them."""
    ways = [
        Way("h1", [WEB, DB, ALONE, SIDECAR, V6], outcome, arrives),
        Way("h2", [REMOTE], outcome, arrives),
    ]
    fleet = ObservedFleet(
        lambda hosts, **options: ways if (hosts, options) == (["ansible://all"], OPTIONS) else [], OPTIONS
    )
    fleet.add(ways[0])
    return fleet, ways


def test_a_host_is_asked_once_until_it_is_to_be_asked_again():
    fleet, (way, other) = a_fleet()
    host = fleet.host("h1")
    assert host.network("web").gateway == "10.64.1.1"
    assert host.network("web").subnet_v6 == "fd00:1::/64"
    assert host.network("web").containers == ["web", "db", "six"]
    assert [module for module, _options in way.asked] == ["network_info"]
    fleet.forget()
    assert host.network("web").exists
    assert len(way.asked) == 2
    assert not other.asked


def test_what_is_not_there_is_told_with_what_is():
    host = a_fleet()[0].host("h1")
    assert not host.network("wbe").exists
    assert not host.container("x").is_running
    with pytest.raises(AssertionError, match=r"host h1 has no network 'wbe'; it has: web$"):
        assert host.network("wbe").gateway
    with pytest.raises(AssertionError, match=r"host h1 has no running container 'x'; it has: web, db, alone"):
        assert host.container("x").mode
    with pytest.raises(AssertionError, match=r"the inventory has no host 'h3'; it has: h1, h2$"):
        host.fleet.host("h3")
    with pytest.raises(AssertionError, match=r"is not on network 'lab', but on: db, web$"):
        host.container("db").address_on("lab")
    with pytest.raises(AssertionError, match=r"is on 2 networks \(db, web\): ask for address_on"):
        assert host.container("db").address


def test_links_and_ports_of_a_container():
    fleet, _ways = a_fleet()
    web = fleet.host("h1").container("web")
    assert web.interface("eth0")["peer"] == "veth1"
    assert [entry["host_port"] for entry in web.published(80)] == [8080, 8081]
    assert [entry["host_port"] for entry in web.published(53, "udp")] == [5353]
    assert web.published(53) == []
    with pytest.raises(AssertionError, match=r"container web on h1 has no interface 'eth1', but: lo, eth0$"):
        web.interface("eth1")


def test_a_module_that_fails_is_told_with_its_message():
    fleet, (way, _other) = a_fleet()
    way.network_info = lambda: {"failed": True, "msg": "cannot connect to the engine"}
    with pytest.raises(AssertionError, match=r"host h1: network_info failed: cannot connect to the engine"):
        assert fleet.host("h1").network("web").exists


def test_without_ansible_there_is_nothing_to_tell():
    way = Way("h1")
    way.backend.HAS_RUN_ANSIBLE = False
    way.backend.get_pytest_id = lambda: "ssh://h1"
    with pytest.raises(AssertionError, match=r"ssh://h1 is not reached by Ansible.*--hosts=ansible://"):
        ObservedFleet(lambda *_hosts: [], OPTIONS).add(way)


@pytest.mark.parametrize(
    ("source", "target", "network", "destination"),
    [
        ("web", "db", None, "10.64.1.3"),  # of its two networks, the one that both are on
        ("web", "db", "db", "10.64.2.3"),
        ("web", "six", None, "fd00:1::6"),
        ("sidecar", "db", None, "10.64.1.3"),
        ("db", "sidecar", None, "10.64.1.2"),  # it lives in web's namespace
        ("web", "10.9.8.7", None, "10.9.8.7"),
    ],
)
def test_the_address_that_is_probed(source, target, network, destination):
    fleet, (way, _other) = a_fleet()
    assert fleet.host("h1").container(source).reaches(target, network=network)
    assert [(probe["source"], probe["destination"]) for probe in way.sent] == [(source, destination)]


def test_containers_of_other_hosts():
    fleet, (way, _other) = a_fleet()
    assert fleet.host("h1").container("web").reaches(fleet.host("h2").container("far"), 80)
    assert way.sent[0]["destination"] == "10.64.17.2"
    assert (way.sent[0]["protocol"], way.sent[0]["port"]) == ("tcp", 80)


def test_a_lost_packet_is_no_denial_and_datagrams_are_sent_as_often_as_the_module_does():
    fleet, (way, _other) = a_fleet(arrives=True)
    web = fleet.host("h1").container("web")
    assert web.reaches("db")
    assert web.reaches("db", 53, "udp")
    assert [probe.get("attempts") for probe in way.sent] == [4, None]


def test_who_has_no_address_cannot_be_probed():
    web = a_fleet()[0].host("h1").container("web")
    with pytest.raises(AssertionError, match=r"container alone on h1 \(mode none\) has no address of its own"):
        web.reaches("alone")


@pytest.mark.parametrize(
    ("outcome", "reaches", "connects"),
    [("reply", True, True), ("refused", True, False), ("timeout", False, False), ("unreachable", False, False)],
)
def test_what_counts(outcome, reaches, connects):
    web = a_fleet(outcome)[0].host("h1").container("web")
    assert bool(web.reaches("db", 80)) == reaches
    assert bool(web.connects("db", 80)) == connects


def test_names_are_asked_of_the_containers_own_name_server():
    fleet, (way, _other) = a_fleet()
    web = fleet.host("h1").container("web")
    way.answers = {"db": ["10.64.1.3"], "x": None}
    assert web.resolves("db") == ["10.64.1.3"]
    assert web.resolves("x") == []
    (probe, _other) = way.sent
    assert (probe["source"], probe["destination"], probe["protocol"]) == ("web", "127.0.0.11", "dns")


def test_a_probe_reads_as_what_became_of_it():
    web = a_fleet("refused")[0].host("h1").container("web")
    assert repr(web.reaches("db", 80)) == "container web on h1 -> container db on h1 (10.64.1.3) by tcp/80: refused"
    assert "nothing listens there" in repr(web.connects("db", 80))
    assert "dropped on one of their ways" in repr(a_fleet("timeout")[0].host("h1").container("web").reaches("10.9.8.7"))


def test_a_probe_that_cannot_be_made_is_no_denial():
    with pytest.raises(AssertionError, match=r"container web on h1 cannot probe 10.64.1.3"):
        a_fleet("error")[0].host("h1").container("web").reaches("db")


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("target", ["db", "10.64.17.2"])
def test_datagrams_are_watched_for_where_they_go(arrives, target):
    fleet, (way, other) = a_fleet("timeout", arrives)
    assert bool(fleet.host("h1").container("web").reaches(target, 53, "udp")) == arrives
    watching = way if target == "db" else other
    assert [options["state"] for module, options in watching.asked if module == "probe_observer"] == [
        "started",
        "stopped",
    ]


def test_an_observer_that_was_ended_has_seen_nothing():
    fleet, (way, _other) = a_fleet("timeout", arrives=False)
    way.observes = False
    with pytest.raises(AssertionError, match=r"its observer was ended too early"):
        fleet.host("h1").container("web").reaches("db", 53, "udp")


def test_datagrams_to_nobody_known_prove_nothing():
    with pytest.raises(AssertionError, match=r"by UDP cannot be told"):
        a_fleet("timeout")[0].host("h1").container("web").reaches("10.9.8.7", 53, "udp")
    assert a_fleet("refused")[0].host("h1").container("web").reaches("10.9.8.7", 53, "udp")
