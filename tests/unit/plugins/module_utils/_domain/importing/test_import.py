# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the import (golden/importing/*): reports in, declaration with comments and lock file out."""

from __future__ import annotations

import dataclasses
import os

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_fleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing import (
    imported_fleet,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.document import (
    import_document,
    import_summary,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_fleet import (
    FoundFleet,
    import_fleet,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.renumbering import renumbering
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import Conflicts, plan_around
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import make_plan
from ansible_collections.fleetnet.docker.plugins.plugin_utils.commented_yaml import render

from ..planning import GOLDEN, message_of
from .observed_hosts import found_fleet
from .random_hosts import random_hosts

CASES = sorted(path.name for path in (GOLDEN / "importing").iterdir())


def case_of(name: str) -> FoundFleet:
    return found_fleet(yaml.safe_load((GOLDEN / "importing" / name / "input.yml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    found = case_of(name)
    imported = import_fleet(found)
    outputs = {
        "declaration.yml": render(import_document(found, imported), "docker_fleet"),
        "lock.yml": lockfile.render(imported.leases),
        "summary.txt": "\n".join(import_summary(found, imported)) + "\n",
    }
    for file, text in outputs.items():
        path = GOLDEN / "importing" / name / file
        if os.environ.get("FLEETNET_RECORD"):  # read the difference before committing it
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_file_contains_the_declaration(name):
    found = case_of(name)
    imported = import_fleet(found)
    declared = {f"docker_fleet_{key}": value for key, value in imported.variables.items()}
    sections = import_document(found, imported)
    assert yaml.safe_load(render(sections, "docker_fleet")) == {"docker_fleet": {"vars": declared}}
    assert yaml.safe_load(render(sections, None)) == declared


def test_no_text_of_a_host_is_a_template_or_ends_a_comment():
    found = case_of("attack")
    text = render(import_document(found, import_fleet(found)), None)
    values = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert "{{" not in values
    assert "{%" not in values
    assert yaml.safe_load(text)["docker_fleet_policy"] == [
        {"from": "any", "to": "shop", "protocol": "tcp", "ports": [22]}
    ]


def test_a_fleet_that_is_declared_is_not_imported():
    found = found_fleet({"declared": {"networks": ["web"]}, "hosts": {"h1": {"address": "192.0.2.1"}}})
    assert message_of(import_fleet, found) == (
        "docker_fleet_networks: '...': is declared already, and the import would declare it again. Remove it from the "
        "inventory, or do without the import: adopt: true takes over networks that exist."
    )


def test_many_networks_make_no_block_smaller():
    """Hosts with the same subnets, and one that reports names without end."""
    stacks = [{"name": f"stack{n}", "subnets": [f"172.{18 + n}.0.0/16"]} for n in range(8)]
    hosts = {f"h{n}": {"address": f"192.0.2.{n}", "networks": stacks, "crowd": {"stack0": 300}} for n in range(1, 21)}
    names = [{"name": f"n{n}", "subnets": [f"172.{n // 256}.{n % 256}.0/24"]} for n in range(18 * 256, 21 * 256)]
    found = found_fleet({"hosts": {**hosts, "liar": {"address": "192.0.2.99", "networks": names}}})
    imported = import_fleet(found)
    assert max(map(len, import_summary(found, imported))) < 2000
    assert {key: value for key, value in imported.variables.items() if "net" in key and value} == {
        "supernet": "10.64.0.0/12"
    }
    moved = [crossing.moved for crossing in imported.crossings if crossing.moved is not None]
    assert len(moved) == 19 * 8 + len(names)
    assert {place.subnets[0].length for place in moved if place.name != "stack0"} == {24}
    assert {place.subnets[0].length for place in moved if place.name == "stack0"} == {22}


def test_no_host_opens_a_port_of_another_host():
    web = {"name": "web", "on": {"shop": "172.18.0.2"}, "publishes": ["80/tcp", "22/tcp", "53/udp"]}
    shop = {"name": "web", "on": {"shop": "172.19.0.2"}, "publishes": ["80/tcp", "80/udp"]}
    networks = {"h1": "172.18.0.0/16", "h2": "172.19.0.0/16"}
    hosts = {
        host: {
            "address": f"192.0.2.{number}",
            "networks": [{"name": "shop", "subnets": [networks[host]]}],
            "containers": [container],
        }
        for number, (host, container) in enumerate({"h1": web, "h2": shop}.items(), 1)
    }
    found = found_fleet({"hosts": hosts})
    imported = import_fleet(found)
    assert imported.variables["policy"] == [{"from": "any", "to": "shop", "protocol": "tcp", "ports": [80]}]
    assert imported.publishers == ("80 web on h1, 80 web on h2",)
    assert [line for line in import_summary(found, imported) if "not reached" in line] == [
        "  not reached from the networks above: tcp/22 of web, udp/53 of web, network shop of host h1 (172.18.0.0/16)",
        "  not reached from the networks above: udp/80 of web, network shop of host h2 (172.19.0.0/16)",
    ]


def test_networks_that_contradict_what_is_declared_are_left_out():
    names = {"lan": "192.168.0.0/20", "mine": "172.18.0.0/16", "inside": "10.64.7.0/24"}
    networks = [{"name": name, "subnets": [subnet]} for name, subnet in names.items()]
    bridge = {"name": "bridge0", "subnets": ["172.20.0.0/16"], "options": {"com.docker.network.bridge.name": "fn-mine"}}
    own = {"host_networks": [{"name": "mine", "subnet": "172.19.4.0/24"}]}
    supernet = {"supernet": "10.64.0.0/12", "reservations": {"h1": "10.64.16.0/20", "h2": "10.64.32.0/20"}}
    hosts = {
        "h1": {
            "address": "192.0.2.1",
            "networks": [*networks, bridge, {"name": "fine", "subnets": ["172.21.0.0/16"]}],
        },
        "h2": {"address": "192.168.1.20", "variables": own},
    }
    imported = import_fleet(found_fleet({"hosts": hosts, "declared": supernet}))
    assert [network.name for network in imported.networks] == ["fine"]
    assert {each.place.name: each.reason for each in imported.left_out} == {
        "lan": "its subnet 192.168.0.0/20 overlaps an address of host h2 (192.168.1.20)",
        "mine": "its name is that of a network of docker_fleet_host_networks of host h2",
        "inside": "its subnet 10.64.7.0/24 overlaps the supernet (10.64.0.0/12)",
        "bridge0": "its bridge is that of a network of docker_fleet_host_networks of host h2",
    }


LAN = {"name": "lan", "driver": "macvlan", "options": {"parent": "eth1"}}


@pytest.mark.parametrize(
    ("ip_range", "host", "reason"),
    [
        ("10.7.0.128/26", "h1", None),
        ("10.7.0.64/26", "h1", "its engine would assign addresses of docker_fleet_host_networks[0] of host h2"),
        ("10.7.0.64/26", "h3", "its engine would assign addresses of docker_fleet_host_networks[0] of host h2"),
        ("10.7.0.96/27", "h1", "its engine would assign addresses of docker_fleet_host_networks[0] of host h2"),
        (None, "h1", "its engine would assign addresses of docker_fleet_host_networks[0] of host h2"),
        ("10.7.0.128/26", "h2", "its subnet 10.7.0.0/24 overlaps docker_fleet_host_networks[0] of host h2"),
    ],
)
def test_a_network_on_the_lan_is_imported_beside_one_of_another_host(ip_range, host, reason):
    subnet = {"subnet": "10.7.0.0/24", "gateway": "10.7.0.1", "ip_range": ip_range}
    hosts = {name: {"address": f"192.0.2.{number}"} for number, name in enumerate(("h1", "h2", "h3"), 1)}
    hosts[host]["networks"] = [{**LAN, "subnets": [subnet]}]
    own = {"name": "own", "driver": "macvlan", "subnet": "10.7.0.0/24", "gateway": "10.7.0.1"}
    own.update(ip_range="10.7.0.64/26", driver_options={"parent": "eth2"})
    hosts["h2"]["variables"] = {"host_networks": [own]}
    imported = import_fleet(found_fleet({"hosts": hosts}))
    assert [network.name for network in imported.networks] == ([] if reason else ["lan"])
    assert [each.reason.partition(" (")[0] for each in imported.left_out] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("hosts", "supernet", "length"),
    [(4, "10.96.0.0/17", None), (3, "10.96.0.0/18", 21), (5, "10.96.0.0/18", 22), (16, "10.96.0.0/18", 22)],
)
def test_hosts_fit_into_a_declared_supernet(hosts, supernet, length):
    described = {f"h{number}": {"address": f"192.0.2.{number}"} for number in range(1, hosts + 1)}
    imported = import_fleet(found_fleet({"hosts": described, "declared": {"supernet": supernet}}))
    assert imported.variables.get("host_prefix_length") == length


BOTH = {
    "h1": {
        "address": "192.0.2.1",
        "networks": [
            {"name": "four", "subnets": ["172.18.0.0/16"]},
            {"name": "six", "subnets": ["fd00:1::/64"]},
            {"name": "both", "subnets": ["172.19.0.0/16", "fd00:2::/64"]},
        ],
    }
}
V6 = "fd00:64::/44"


def test_a_supernet_for_ipv6_keeps_no_ipv4_network_out():
    found = found_fleet({"hosts": BOTH, "declared": {"supernet_v6": V6}})
    given = dataclasses.replace(found, given={"supernet_v6"})
    first = import_fleet(given)
    assert [network.name for network in first.networks] == ["both", "four", "six"]
    assert (first.variables["supernet"], first.variables["supernet_v6"]) == ("10.64.0.0/12", V6)
    # added to an earlier import, whose file is not part of the inventory
    before = import_fleet(found_fleet({"hosts": BOTH}))
    assert [network.name for network in before.networks] == ["four"]
    added = import_fleet(dataclasses.replace(given, held=before.leases))
    assert added.variables == first.variables
    # declared in the inventory, for a fleet of IPv6 only
    only = import_fleet(found)
    assert [network.name for network in only.networks] == ["six"]
    assert "supernet" not in only.variables
    hosts = {"h1": {**BOTH["h1"], "networks": BOTH["h1"]["networks"][1:2]}}
    none = import_fleet(
        dataclasses.replace(found_fleet({"hosts": hosts, "declared": {"supernet_v6": V6}}), given={"supernet_v6"})
    )
    assert "supernet" not in none.variables


def test_no_bridge_name_keeps_the_network_of_another_host_out():
    option = "com.docker.network.bridge.name"
    evil = {"name": "evil", "subnets": ["172.18.0.0/16"], "options": {option: "fn-shop"}}
    same = {"name": "same", "subnets": ["172.19.0.0/16"], "options": {option: "br-shop"}}
    shop = {"name": "shop", "subnets": ["172.20.0.0/16"], "options": {option: "br-shop"}}
    hosts = {
        "h1": {"address": "192.0.2.1", "networks": [evil, same]},
        "h2": {"address": "192.0.2.2", "networks": [shop]},
    }
    imported = import_fleet(found_fleet({"hosts": hosts}))
    names = {item["name"]: item.get("bridge_name") for item in imported.variables["networks"]}
    assert names == {"evil": None, "same": "br-shop", "shop": None}
    assert "is already used" in imported.without["shop"]["bridge_name"]


def test_a_renumbering_without_free_addresses_is_listed():
    route = {"gateway": "192.0.2.9", "device": "eth0", "protocol": 3, "table": 254, "type": "unicast", "metric": 0}
    private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
    networks = [{"name": "shop", "subnets": ["172.18.0.0/16"]}]
    hosts = {f"h{number}": {"address": f"192.0.2.{number}", "networks": networks} for number in (1, 2)}
    hosts["h1"]["routes"] = [{"destination": block, **route} for block in private]
    found = found_fleet({"hosts": hosts, "declared": {"supernet": "198.18.0.0/15"}})
    imported = import_fleet(found)
    assert [step.is_possible for step in renumbering(imported, found.names)] == [False, True]
    text = render(import_document(found, imported), None)
    assert "No private subnet of its size is free on all hosts, so that no other subnet is proposed." in text


def test_sources_are_listed_also_if_there_are_steps_only():
    networks = [{"name": f"n{number}", "subnets": [f"172.18.{number}.0/24"]} for number in range(30)]
    hosts = {f"h{number}": {"address": f"192.0.2.{number}", "networks": networks} for number in (1, 2)}
    found = found_fleet({"hosts": hosts})
    imported = import_fleet(found)
    assert imported.networks == ()
    text = " ".join(render(import_document(found, imported), None).replace("\n#", "").split())
    head = text.partition("docker_fleet_supernet")[0]
    assert "Run site.yml on all hosts: with --limit, the other hosts have no route for replies" in head
    assert all(f"172.18.{number}.0" in head and f"10.80.{number}.0" in head for number in range(30))
    about = (
        "Services of other hosts see its containers with the address of host h{} before this step, and with {} after it"
    )
    assert about.format(1, "172.18.29.0") in text  # keeps its addresses
    moving = text[text.index(about.format(2, "10.80.29.0")) :]
    gap = "until the run of site.yml without --limit, its containers reach no services of other hosts."
    assert gap in moving.partition("Add to docker_fleet_networks")[0]
    (line,) = [line for line in import_summary(found, imported) if "source of connections" in line]
    assert line.endswith("and 40 more")


def _named_first(hosts):
    found = found_fleet(
        {
            "hosts": {
                name: {"address": f"192.0.2.{n}", "networks": networks}
                for n, (name, networks) in enumerate(hosts.items(), 1)
            }
        }
    )
    return [line for line in import_summary(found, import_fleet(found)) if "examine first" in line]


def test_a_host_that_keeps_networks_of_many_out_is_named_first():
    """Each of its networks shares addresses with one other, in part with the same subnet."""
    hosts = {f"h{n}": [{"name": "shop", "subnets": [f"172.{17 + n}.0.0/16"]}] for n in range(1, 6)}
    same = [{"name": f"n{n}", "subnets": [f"172.{17 + n}.0.0/16"]} for n in range(1, 4)]
    part = [{"name": f"n{n}", "subnets": [f"172.{17 + n}.7.0/24"]} for n in range(1, 6)]
    line = "  examine first: host {} shares addresses with {} networks of {}, which are not declared for that reason"
    assert _named_first({**hosts, "liar": [*same, *part[3:]]}) == [line.format("liar", 5, "5 other hosts")]
    # two of them, neither of which keeps a network out alone
    both = _named_first({**hosts, "liar": part, "second": part})
    assert both[:2] == [line.format(name, 5, "5 other hosts") for name in ("liar", "second")]
    one = [{"name": "wide", "subnets": ["172.18.0.0/16"]}]
    many = [{"name": f"n{n}", "subnets": [f"172.18.{n}.0/24"]} for n in range(3)]
    assert _named_first({"h1": many, "liar": one}) == [line.format("liar", 3, "1 other host")]


def test_networks_of_one_host_that_overlap_are_left_out_at_once(monkeypatch):
    odd = [{"name": f"n{n}", "subnets": [f"172.18.0.0/{16 + n % 8}"]} for n in range(400)]
    over = {"name": "over", "subnets": ["172.17.128.0/24"]}  # docker0 has 172.17.0.0/16
    fine = {"name": "fine", "subnets": ["172.21.0.0/16"]}
    found = found_fleet({"hosts": {"h1": {"address": "192.0.2.1", "networks": [*odd, over, fine]}}})
    plans = []

    def counting(*arguments):
        plans.append(arguments)
        return make_plan(*arguments)

    monkeypatch.setattr(imported_fleet, "make_plan", counting)
    imported = import_fleet(found)
    assert [network.name for network in imported.networks] == ["fine"]
    reasons = {each.place.name: each.reason for each in imported.left_out}
    assert len(reasons) == 401
    assert reasons["n0"] == "it shares addresses with network n8 of the same host"
    assert reasons["over"] == "it shares addresses with network bridge of the same host"
    assert len(plans) < 4


def test_hosts_with_the_subnets_of_the_same_engine_are_not_named_first():
    networks = [{"name": f"n{n}", "subnets": [f"172.{18 + n}.0.0/16"]} for n in range(4)]
    assert _named_first({f"h{n}": networks for n in range(1, 5)}) == []


@pytest.mark.parametrize("name", ["same_subnets", "sizes"])
def test_each_step_can_be_taken_as_described(name):
    """Without --limit, the first item of a step is refused, and the second one is not."""
    found = case_of(name)
    imported = import_fleet(found)
    networks = {item["name"]: item for item in imported.variables["networks"]}
    reports = {host: {**each, "networks": list(each["networks"])} for host, each in found.reports.items()}

    def plan(item, hosts):
        networks[item["name"]] = item
        fleet = parse_fleet({**imported.variables, "networks": list(networks.values()), "policy": []})
        seen = {host: reports[host] for host in hosts}
        return plan_around(lambda avoid: make_plan(fleet, found.hosts, {}, imported.leases, False, avoid), seen)

    steps = renumbering(imported, found.names)
    assert steps
    for step in steps:
        place, moved = step.place, step.crossing.moved
        if moved is None:
            plan(step.first, found.names)
            continue
        with pytest.raises(Conflicts):
            plan(step.first, found.names)
        plan(step.first, [place.host])
        plan(step.then, [place.host])
        here = reports[place.host]["networks"]
        here[here.index(place.network)] = moved.network
        leased = plan(step.then, found.names)
        assert leased.leases == imported.leases


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
@pytest.mark.parametrize("mtu", ["\u00b2", "9" * 5000, "-1", "1_400", " 1400", "\u0661\u0664\u0660\u0660", "14\\n"])
def test_no_option_ends_the_import(driver, mtu):
    options = {"com.docker.network.driver.mtu": mtu, "parent": "eth0"}
    odd = {"name": "odd", "driver": driver, "subnets": ["172.18.0.0/16"], "options": options}
    hosts = {"h1": {"address": "192.0.2.1", "networks": [odd, {"name": "fine", "subnets": ["172.21.0.0/16"]}]}}
    imported = import_fleet(found_fleet({"hosts": hosts}))
    assert "fine" in [network.name for network in imported.networks]
    assert all("mtu" not in item for item in imported.variables["networks"])


@pytest.mark.parametrize("seed", range(60))
def test_random_hosts_are_imported_and_a_second_import_changes_nothing(seed):
    case = random_hosts(seed)
    found = found_fleet(case)
    imported = import_fleet(found)
    text = render(import_document(found, imported), None)
    assert yaml.safe_load(text) == {f"docker_fleet_{key}": value for key, value in imported.variables.items()}
    again = dataclasses.replace(found, held=imported.leases)
    second = import_fleet(again)
    assert render(import_document(again, second), None) == text
    assert second.leases == imported.leases
    declared = {id(place) for network in imported.networks for place in network.places}
    others = {id(each.place) for each in (*imported.left_out, *imported.crossings)}
    assert not declared & others
    assert len(declared) + len(others) == sum(len(each["networks"]) for each in case["hosts"].values())
