# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of real hosts (observed/*.json) and what the parsers return for them.

observed/record.py records the answers of a host on which observed/example.sh ran. FLEETNET_RECORD=1 records what the
parsers return for them; read the difference.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    direct_routing,
    fill_gateways,
    manages_firewall,
    parse_containers,
    parse_control_path,
    parse_engine,
    parse_name_servers,
    parse_networks,
    parse_stopped,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.ipam_config import IPAM_LABEL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import (
    parse_links,
    parse_routes,
)

GOLDENS = sorted(Path(__file__).parent.glob("*.json"), key=lambda path: path.name)


def parse(answers: dict[str, t.Any]) -> dict[str, t.Any]:
    links = parse_links(answers["links"])
    networks = parse_networks(answers["networks"])
    fill_gateways(networks, links)
    return {
        "engine": parse_engine(answers["version"], answers["info"], iptables=None),
        "networks": networks,
        "containers": parse_containers(answers["containers"], answers["details"]),
        "links": links,
        "routes": parse_routes(answers["routes4"], 4) + parse_routes(answers["routes6"], 6),
    }


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_answers_of_a_real_host(path: Path) -> None:
    golden = json.loads(path.read_text())
    found = parse(golden["answers"])
    if os.environ.get("FLEETNET_RECORD"):
        golden["observed"] = found
        path.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert found == golden["observed"]


def test_goldens_of_all_engines_exist() -> None:
    assert [path.stem for path in GOLDENS] == [
        "20.10",
        "26.1",
        "28.5",
        "29.0",
        "29.0_nftables",
        "29.7",
        "29.7_nftables",
    ]


def test_all_engines_report_the_same_networks_alike() -> None:
    def reported(path: Path) -> t.Any:
        observed = parse(json.loads(path.read_text())["answers"])
        networks = [
            (network["name"], network["driver"], network["managed"], network["internal"], network["ipv6"])
            + tuple(subnet["gateway"] is None for subnet in network["subnets"])
            for network in observed["networks"]
        ]
        containers = [
            (container["name"], container["mode"])
            + tuple((endpoint["network"], tuple(endpoint["aliases"])) for endpoint in container["networks"])
            for container in observed["containers"]
        ]
        return networks, containers

    first, *others = (reported(path) for path in GOLDENS)
    for other in others:
        assert other == first


def test_without_details_a_container_has_neither_pid_nor_aliases() -> None:
    answers = json.loads(GOLDENS[-1].read_text())["answers"]
    detailed = {
        container["name"]: container for container in parse_containers(answers["containers"], answers["details"])
    }
    for container in parse_containers(answers["containers"]):
        assert container["pid"] is None
        for endpoint in container["networks"]:
            assert endpoint["aliases"] is None
            endpoint["aliases"] = next(
                known["aliases"]
                for known in detailed[container["name"]]["networks"]
                if known["network"] == endpoint["network"]
            )
        assert dict(container, pid=detailed[container["name"]]["pid"]) == detailed[container["name"]]


def test_fixed_addresses_are_those_of_the_configuration() -> None:
    settings = {"IPAMConfig": {"IPv4Address": "172.18.0.10"}, "IPAddress": "172.18.0.10", "IPPrefixLen": 16}
    networks = {"shop": settings, "other": {"IPAMConfig": {}, "IPAddress": "172.19.0.2", "IPPrefixLen": 16}}
    listed = [{"Id": "0" * 64, "Names": ["/db"], "NetworkSettings": {"Networks": networks}}]
    (container,) = parse_containers(listed)
    assert [endpoint.get("fixed") for endpoint in container["networks"]] == [None, ["172.18.0.10"]]
    assert parse_stopped(listed) == [{"name": "db", "networks": ["other", "shop"], "fixed": ["172.18.0.10"]}]


def test_names_of_legacy_links_are_ignored() -> None:
    (container,) = parse_containers([{"Id": "0" * 64, "Names": ["/other/db", "/db1"]}])
    assert container["name"] == "db1"
    assert container["mode"] == "bridge"


def test_a_shared_namespace_whose_owner_is_stopped_has_its_id() -> None:
    listed = [{"Id": "0" * 64, "Names": ["/side"], "HostConfig": {"NetworkMode": "container:" + "1" * 64}}]
    assert parse_containers(listed)[0]["mode"] == "container:" + "1" * 64


def test_an_unnamed_bridge_and_another_driver() -> None:
    plain = {"Id": "abcdef0123456789", "Scope": "local", "IPAM": {"Config": None}}
    bridge, macvlan = parse_networks(
        [dict(plain, Name="lan", Driver="macvlan"), dict(plain, Name="db", Driver="bridge", Labels=None, Options=None)]
    )
    assert (bridge["name"], bridge["bridge"]) == ("db", "br-abcdef012345")
    assert macvlan["bridge"] is None


@pytest.mark.parametrize(
    ("config", "labels", "subnets"),
    [
        (None, {IPAM_LABEL: '[{"Subnet": "10.64.1.0/24"}]'}, ["10.64.1.0/24"]),
        ([{"Subnet": "10.64.2.0/24"}], {IPAM_LABEL: '[{"Subnet": "10.64.1.0/24"}]'}, ["10.64.2.0/24"]),
        (None, {IPAM_LABEL: "[]"}, []),
        (None, None, []),
        (None, {IPAM_LABEL: "[{"}, []),
        (None, {IPAM_LABEL: "1"}, []),
    ],
)
def test_subnets_of_a_configuration_network(config: t.Any, labels: t.Any, subnets: list[str]) -> None:
    """Engines from 29 on report none, and the label has those of a network of this collection."""
    network = {"Name": "cfg", "Id": "0" * 64, "Driver": "null", "Scope": "local", "ConfigOnly": True}
    (found,) = parse_networks([{**network, "Labels": labels, "IPAM": {"Config": config}}])
    assert [subnet["subnet"] for subnet in found["subnets"]] == subnets


def test_a_network_made_from_a_configuration_has_its_label_without_its_meaning() -> None:
    network = {"Name": "made", "Id": "0" * 64, "Driver": "bridge", "Scope": "local", "IPAM": {"Config": None}}
    (found,) = parse_networks([{**network, "Labels": {IPAM_LABEL: '[{"Subnet": "10.64.1.0/24"}]'}}])
    assert found["subnets"] == []


@pytest.mark.parametrize(
    ("argv", "configuration", "managed"),
    [
        ((), {}, True),
        ((), {"iptables": False}, False),
        (("dockerd", "--iptables=false"), {}, False),
        (("dockerd", "--iptables"), {}, True),
        (("dockerd", "--iptables=true", "--ip-masq=false"), {}, True),
        (("dockerd", "--ip6tables=false"), {}, True),
    ],
)
def test_whether_the_daemon_manages_the_firewall(
    argv: tuple[str, ...], configuration: dict[str, t.Any], managed: bool
) -> None:
    assert manages_firewall(argv, configuration) is managed


@pytest.mark.parametrize(
    ("argv", "configuration", "allowed", "mark"),
    [
        ((), {}, False, ""),
        (("dockerd", "--allow-direct-routing"), {}, True, ""),
        (("dockerd", "--bridge-accept-fwmark=0x10/0xf0"), {"allow-direct-routing": True}, True, "0x10/0xf0"),
        ((), {"allow-direct-routing": True, "bridge-accept-fwmark": "7"}, True, "7"),
        (("dockerd", "--allow-direct-routing=false"), {"allow-direct-routing": True}, False, ""),
    ],
)
def test_what_the_daemon_accepts_besides_published_ports(
    argv: tuple[str, ...], configuration: dict[str, t.Any], allowed: bool, mark: str
) -> None:
    assert direct_routing(argv, configuration) == (allowed, mark)


def test_routes_of_all_kinds() -> None:
    routes = [
        {"type": "1", "dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "table": "254", "protocol": "16"},
        {
            "type": "1",
            "dst": "10.1.0.1",
            "via": {"family": "inet6", "host": "fe80::1"},
            "dev": "eth0",
            "protocol": "213",
        },
        {"type": "6", "dst": "10.2.0.0/16", "table": "1000", "protocol": "213", "metric": 5},
        {"type": "2", "dst": "10.0.0.2", "dev": "eth0", "table": "255", "protocol": "2"},
        {"dst": "10.3.0.0/16", "protocol": "bird", "nexthops": [{"gateway": "10.0.0.3", "dev": "a"}, {"dev": "b"}]},
    ]
    reported = [tuple(route.values()) for route in parse_routes(routes, 4)]
    assert reported == [
        ("0.0.0.0/0", "10.0.0.1", "eth0", 16, 254, "unicast", None),
        ("10.1.0.1/32", "fe80::1", "eth0", 213, 254, "unicast", None),
        ("10.2.0.0/16", None, None, 213, 1000, "blackhole", 5),
        ("10.3.0.0/16", "10.0.0.3", "a", "bird", 254, "unicast", None),
        ("10.3.0.0/16", None, "b", "bird", 254, "unicast", None),
    ]


def test_name_servers() -> None:
    text = (
        "# made by hand\nsearch lan\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver\nnameserver 10.0.0.53\n"
    )
    assert parse_name_servers(text) == ["10.0.0.53", "fe80::1"]


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("10.0.0.1 50000 10.0.0.2 22", {"client": "10.0.0.1", "server": "10.0.0.2"}),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", {"client": "fe80::1", "server": "fe80::2"}),
        ("", None),
        (None, None),
    ],
)
def test_the_control_path(variable: str | None, path: dict[str, str] | None) -> None:
    assert parse_control_path(variable) == path


def test_types_of_routes() -> None:
    """``ip -N`` prints the numbers of linux/rtnetlink.h."""
    routes = [{"dst": "10.0.0.0/8", "type": str(number)} for number in range(12)]
    names = "unspec unicast local broadcast anycast multicast blackhole unreachable prohibit throw nat 11"
    assert [route["type"] for route in parse_routes(routes, 4)] == names.split()
    assert [route["type"] for route in parse_routes([{"dst": "default"}], 6)] == ["unicast"]
