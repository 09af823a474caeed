# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures' view of hosts: which address is probed from where, the text of results, and errors."""

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


class FakeHost:
    """A host of testinfra whose modules return what the test sets."""

    def __init__(self, name, containers=(), outcome="reply", arrives=False):
        self.calls = []
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
        self.calls.append((module.rsplit(".", 1)[-1], options))
        return getattr(self, self.calls[-1][0])(**options)

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
        return {"arrivals": [{"token": token} for token in tokens], "complete": self.observes, "overflowed": []}


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
    """Hosts h1, which is under test, and h2; the fleet, and testinfra's hosts."""
    hosts = [
        FakeHost("h1", [WEB, DB, ALONE, SIDECAR, V6], outcome, arrives),
        FakeHost("h2", [REMOTE], outcome, arrives),
    ]
    fleet = ObservedFleet(
        lambda patterns, **options: hosts if (patterns, options) == (["ansible://all"], OPTIONS) else [], OPTIONS
    )
    fleet.add(hosts[0])
    return fleet, hosts


def test_a_host_is_read_once_until_forget():
    fleet, (tested, other) = a_fleet()
    host = fleet.host("h1")
    assert host.network("web").gateway == "10.64.1.1"
    assert host.network("web").subnet_v6 == "fd00:1::/64"
    assert host.network("web").containers == ["web", "db", "six"]
    assert [module for module, _options in tested.calls] == ["network_info"]
    fleet.forget()
    assert host.network("web").exists
    assert len(tested.calls) == 2
    assert not other.calls


def test_errors_name_what_exists_instead():
    host = a_fleet()[0].host("h1")
    assert not host.network("wbe").exists
    assert not host.container("x").is_running
    with pytest.raises(AssertionError, match=r"host h1 has no network 'wbe'; it has: web$"):
        assert host.network("wbe").gateway
    with pytest.raises(AssertionError, match=r"host h1 has no running container 'x'; it has: web, db, alone"):
        assert host.container("x").mode
    with pytest.raises(AssertionError, match=r"the inventory has no host 'h3'; it has: h1, h2$"):
        host.fleet.host("h3")
    with pytest.raises(AssertionError, match=r"is not attached to network 'lab'; it is attached to: db, web$"):
        host.container("db").address_on("lab")
    with pytest.raises(AssertionError, match=r"is attached to 2 networks \(db, web\)\. Use address_on"):
        assert host.container("db").address


def test_interfaces_and_ports_of_a_container():
    fleet, _hosts = a_fleet()
    web = fleet.host("h1").container("web")
    assert web.interface("eth0")["peer"] == "veth1"
    assert [entry["host_port"] for entry in web.published(80)] == [8080, 8081]
    assert [entry["host_port"] for entry in web.published(53, "udp")] == [5353]
    assert web.published(53) == []
    with pytest.raises(AssertionError, match=r"container web on h1 has no interface 'eth1'; it has: lo, eth0$"):
        web.interface("eth1")


def test_the_error_of_a_module_contains_its_message():
    fleet, (tested, _other) = a_fleet()
    tested.network_info = lambda: {"failed": True, "msg": "cannot connect to the engine"}
    with pytest.raises(AssertionError, match=r"host h1: network_info failed: cannot connect to the engine"):
        assert fleet.host("h1").network("web").exists


def test_a_host_without_ansible_is_rejected():
    tested = FakeHost("h1")
    tested.backend.HAS_RUN_ANSIBLE = False
    tested.backend.get_pytest_id = lambda: "ssh://h1"
    with pytest.raises(AssertionError, match=r"ssh://h1 is not connected through Ansible.*--hosts=ansible://"):
        ObservedFleet(lambda *_hosts: [], OPTIONS).add(tested)


@pytest.mark.parametrize(
    ("source", "target", "network", "destination"),
    [
        ("web", "db", None, "10.64.1.3"),  # on the network that both are attached to
        ("web", "db", "db", "10.64.2.3"),
        ("web", "six", None, "fd00:1::6"),
        ("sidecar", "db", None, "10.64.1.3"),
        ("db", "sidecar", None, "10.64.1.2"),  # it shares web's namespace
        ("web", "10.9.8.7", None, "10.9.8.7"),
    ],
)
def test_the_probed_address(source, target, network, destination):
    fleet, (tested, _other) = a_fleet()
    assert fleet.host("h1").container(source).reaches(target, network=network)
    assert [(probe["source"], probe["destination"]) for probe in tested.sent] == [(source, destination)]


def test_containers_of_other_hosts():
    fleet, (tested, _other) = a_fleet()
    assert fleet.host("h1").container("web").reaches(fleet.host("h2").container("far"), 80)
    assert tested.sent[0]["destination"] == "10.64.17.2"
    assert (tested.sent[0]["protocol"], tested.sent[0]["port"]) == ("tcp", 80)


def test_attempts_are_set_for_all_but_udp():
    fleet, (tested, _other) = a_fleet(arrives=True)
    web = fleet.host("h1").container("web")
    assert web.reaches("db")
    assert web.reaches("db", 53, "udp")
    assert [probe.get("attempts") for probe in tested.sent] == [4, None]


def test_a_container_without_an_address_cannot_be_probed():
    web = a_fleet()[0].host("h1").container("web")
    with pytest.raises(AssertionError, match=r"container alone on h1 \(mode none\) has no address of its own"):
        web.reaches("alone")


@pytest.mark.parametrize(
    ("outcome", "reaches", "connects"),
    [("reply", True, True), ("refused", True, False), ("timeout", False, False), ("unreachable", False, False)],
)
def test_outcomes_that_count_as_reached_and_connected(outcome, reaches, connects):
    web = a_fleet(outcome)[0].host("h1").container("web")
    assert bool(web.reaches("db", 80)) == reaches
    assert bool(web.connects("db", 80)) == connects


def test_names_are_resolved_by_dockers_name_server():
    fleet, (tested, _other) = a_fleet()
    web = fleet.host("h1").container("web")
    tested.answers = {"db": ["10.64.1.3"], "x": None}
    assert web.resolves("db") == ["10.64.1.3"]
    assert web.resolves("x") == []
    (probe, _other) = tested.sent
    assert (probe["source"], probe["destination"], probe["protocol"]) == ("web", "127.0.0.11", "dns")


def test_the_text_of_a_result():
    web = a_fleet("refused")[0].host("h1").container("web")
    assert repr(web.reaches("db", 80)) == "container web on h1 -> container db on h1 (10.64.1.3) by tcp/80: refused"
    assert "nothing listens on the port" in repr(web.connects("db", 80))
    assert "dropped in one direction" in repr(a_fleet("timeout")[0].host("h1").container("web").reaches("10.9.8.7"))


def test_a_probe_that_cannot_be_sent_is_an_error():
    with pytest.raises(AssertionError, match=r"container web on h1 cannot probe 10.64.1.3"):
        a_fleet("error")[0].host("h1").container("web").reaches("db")


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("target", ["db", "10.64.17.2"])
def test_datagrams_are_observed_at_their_destination(arrives, target):
    fleet, (tested, other) = a_fleet("timeout", arrives)
    assert bool(fleet.host("h1").container("web").reaches(target, 53, "udp")) == arrives
    observing = tested if target == "db" else other
    assert [options["state"] for module, options in observing.calls if module == "probe_observer"] == [
        "started",
        "stopped",
    ]


def test_an_observer_that_ended_early_is_an_error():
    fleet, (tested, _other) = a_fleet("timeout", arrives=False)
    tested.observes = False
    with pytest.raises(AssertionError, match=r"the observer there did not record everything"):
        fleet.host("h1").container("web").reaches("db", 53, "udp")


def test_unanswered_datagrams_to_an_unknown_address_are_an_error():
    with pytest.raises(AssertionError, match=r"cannot determine whether .* by UDP"):
        a_fleet("timeout")[0].host("h1").container("web").reaches("10.9.8.7", 53, "udp")
    assert a_fleet("refused")[0].host("h1").container("web").reaches("10.9.8.7", 53, "udp")
