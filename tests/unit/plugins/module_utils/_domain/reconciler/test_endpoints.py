# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of containers on several networks."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    BRIDGES,
    CLOSED_OUT,
    ENDPOINTS,
    INTERNAL,
    MACS,
    NO_ELEMENTS,
    PORTS,
    PUBLISHED,
    SOURCES,
    TARGETS,
    WITHIN,
    Elements,
    bridges_definition,
    bridges_of,
    elements_text,
    kept_elements,
    kept_lines,
    parse_saved,
    saved_text,
    set_definitions,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import (
    all_elements,
    endpoint_elements,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import BridgePort

MACS_OF = {"web": "02:42:0a:40:01:02", "db": "02:42:0A:40:02:02", "wide": "02:42:0a:40:03:02"}


def network(name: str, bridge: str | None = None, **fields: t.Any) -> dict[str, t.Any]:
    options = {"com.docker.network.bridge.name": bridge} if bridge else {}
    return {"Id": name * 8, "Name": name, "Driver": "bridge", "Internal": False, "Options": options, **fields}


def container(*ends: tuple[str, str, str]) -> dict[str, t.Any]:
    """A container with an end per network: its name and addresses."""
    attached = {
        name: {"NetworkID": name * 8, "MacAddress": MACS_OF[name], "IPAddress": four, "GlobalIPv6Address": six}
        for name, four, six in ends
    }
    return {"NetworkSettings": {"Networks": attached}}


WEB, DB = network("web", "fn-web"), network("db", "fn-db")
BOTH = container(("web", "10.64.1.2", "fd00:1::2"), ("db", "10.64.2.2", ""))


def found(elements: Elements) -> dict[tuple[str, str], frozenset[str]]:
    """The sets that have elements."""
    return {key: value for key, value in elements.items() if value}


def test_each_address_is_accepted_on_the_other_bridge() -> None:
    assert found(endpoint_elements([BOTH], [WEB, DB])) == {
        ("ip", ENDPOINTS): {'"fn-web" . 02:42:0a:40:01:02 . 10.64.2.2', '"fn-db" . 02:42:0a:40:02:02 . 10.64.1.2'},
        ("ip6", ENDPOINTS): {'"fn-db" . 02:42:0a:40:02:02 . fd00:1::2'},
    }


def test_a_port_is_bound_to_the_addresses_of_its_container() -> None:
    ports = [
        BridgePort("veth1", "fn-web", "02:42:0a:40:01:02"),
        # another container has changed its MAC address, or the port is that of another bridge
        BridgePort("veth2", "fn-web", "02:42:0a:40:01:03"),
        BridgePort("veth3", "fn-db", "02:42:0a:40:01:02"),
    ]
    elements = found(endpoint_elements([BOTH], [WEB, DB], ports))
    assert {name: value for (family, name), value in elements.items() if family == "bridge"} == {
        PORTS: {'"veth1"'},
        MACS: {'"veth1" . 02:42:0a:40:01:02'},
        SOURCES[4]: {'"veth1" . 02:42:0a:40:01:02 . 10.64.1.2', '"veth1" . 02:42:0a:40:01:02 . 10.64.2.2'},
        SOURCES[6]: {'"veth1" . 02:42:0a:40:01:02 . fd00:1::2'},
        TARGETS: {'"veth1" . 0xfd000001000000000000000000000002'},
    }


def test_a_port_of_an_internal_network_has_its_own_addresses_only() -> None:
    ports = [BridgePort("veth1", "fn-db", MACS_OF["db"].lower())]
    elements = found(endpoint_elements([BOTH], [WEB, network("db", "fn-db", Internal=True)], ports))
    assert elements["bridge", SOURCES[4]] == {'"veth1" . 02:42:0a:40:02:02 . 10.64.2.2'}
    assert ("ip", ENDPOINTS) not in elements


@pytest.mark.parametrize(
    ("containers", "networks"),
    [
        ([container(("web", "10.64.1.2", ""))], [WEB, DB]),
        ([BOTH], [WEB, network("db", "fn-db", Internal=True)]),
        ([BOTH], [WEB, network("db", Driver="macvlan")]),
        ([BOTH], [WEB, network("db", 'a" accept; "')]),
        ([BOTH], [WEB]),
        ([container(("web", "", ""), ("db", "10.64.2.2 }", ""))], [WEB, DB]),
        ([{"NetworkSettings": None}, {}], [WEB, DB]),
        ([], []),
    ],
    ids=["one network", "internal", "macvlan", "bridge name", "unknown network", "no address", "no networks", "empty"],
)
def test_nothing_is_accepted(containers: list[t.Any], networks: list[t.Any]) -> None:
    """A packet of an internal network leaves by no other bridge. Other drivers have no bridge."""
    assert endpoint_elements(containers, networks) == NO_ELEMENTS


def test_bridges_without_a_name_of_their_own() -> None:
    elements = endpoint_elements([BOTH], [network("web", Name="bridge"), network("db", Options=None)])
    assert elements["ip", ENDPOINTS] == {
        '"docker0" . 02:42:0a:40:01:02 . 10.64.2.2',
        '"br-dbdbdbdbdbdb" . 02:42:0a:40:02:02 . 10.64.1.2',
    }


def test_the_commands_replace_the_elements_of_the_sets_that_a_table_has() -> None:
    elements = {**NO_ELEMENTS, ("ip", ENDPOINTS): frozenset(("b", "a")), ("bridge", PORTS): frozenset(("c",))}
    block = "\n".join([*set_definitions("ip"), ""])
    assert elements_text("ip fleetnet", block, elements) == (
        "flush set ip fleetnet endpoints\nadd element ip fleetnet endpoints { a, b }\n"
    )
    assert elements_text("ip6 fleetnet", block, elements) == "flush set ip6 fleetnet endpoints\n"
    assert elements_text("ip fleetnet", "", elements) == ""


def test_networks_that_a_table_lists_are_found_by_their_name() -> None:
    """Another program may create one again: with another id, and so with another bridge."""
    block = "\n".join([*bridges_definition("ip", BRIDGES, ["web", "shop", "gone"]), ""])
    block += "\n".join([*bridges_definition("ip", INTERNAL, ["db"]), ""])
    # a list for a set of another kind is not one
    block += "\n".join([f"\t# {ENDPOINTS}: web", *set_definitions("ip"), ""])
    networks = [WEB, DB, network("shop"), {**network("web"), "Driver": "macvlan"}]
    elements = all_elements([], networks, [], {"ip fleetnet": block, "ip6 fleetnet": ""})
    assert elements["ip", BRIDGES] == {'"fn-web"', '"br-shopshopshop"'}
    assert elements["ip", INTERNAL] == {'"fn-db"'}
    assert elements["ip6", BRIDGES] == elements["ip", ENDPOINTS] == frozenset()
    assert elements_text("ip fleetnet", block, elements) == (
        "flush set ip fleetnet endpoints\n"
        "flush set ip fleetnet endpoint_bridges\n"
        'add element ip fleetnet endpoint_bridges { "br-shopshopshop", "fn-web" }\n'
        "flush set ip fleetnet endpoint_internal\n"
        'add element ip fleetnet endpoint_internal { "fn-db" }\n'
    )
    assert elements_text("ip fleetnet", "", elements) == ""


@pytest.mark.parametrize(
    ("subnet", "subnet_v6"), [("10.64.2.0/24", "fd00:2::/64"), ("10.64.2.2/32", "fd00:2::2/128"), ("0.0.0.0/0", "::/0")]
)
def test_an_address_of_a_kept_subnet_is_accepted_if_its_network_is_declared(subnet: str, subnet_v6: str) -> None:
    """Docker may give the subnet to another network, here to db."""
    both = container(("web", "10.64.1.2", "fd00:1::2"), ("db", "10.64.2.2", "fd00:2::2"))
    of_db = {"ip": '"fn-web" . 02:42:0a:40:01:02 . 10.64.2.2', "ip6": '"fn-web" . 02:42:0a:40:01:02 . fd00:2::2'}
    for declared, accepted in ((["web"], False), (["web", "db"], True)):
        blocks = {
            f"{family} fleetnet": "\n".join([*kept_lines([kept]), *bridges_definition(family, BRIDGES, declared), ""])
            for family, kept in (("ip", subnet), ("ip6", subnet_v6))
        }
        elements = all_elements([both], [WEB, DB], [], blocks)
        for family, element in of_db.items():
            assert (element in elements[family, ENDPOINTS]) is accepted
    # other subnets, and docker0, which no table lists
    blocks = {"ip fleetnet": "\n".join([*kept_lines(["10.64.3.0/24"]), ""])}
    assert of_db["ip"] in all_elements([both], [WEB, DB], [], blocks)["ip", ENDPOINTS]
    blocks = {"ip fleetnet": "\n".join([*kept_lines([subnet]), *bridges_definition("ip", BRIDGES, ["web"]), ""])}
    default = {**DB, "Name": "bridge", "Options": {"com.docker.network.bridge.name": "docker0"}}
    assert of_db["ip"] in all_elements([both], [WEB, default], [], blocks)["ip", ENDPOINTS]


LISTED = """
    set hosts {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }

    set endpoints {
        type ifname . ether_addr . ipv4_addr
        elements = { "fn-db" . 02:42:0a:40:12:02 . 10.64.17.2,
        "fn-web" . 02:42:0a:40:11:02 . 10.64.18.2 }
    }

    map endpoint_published {
        type inet_proto . inet_service : verdict
        elements = { tcp . 80 : goto published_db_0,
        tcp . 8080 : goto published_web_0,
        udp . 53 : drop }
    }

    map endpoint_published_at {
        type ipv4_addr . inet_proto . inet_service : verdict
    }
""".replace("    ", "\t")


def test_the_kernels_elements_for_tables_that_replace_those_that_it_has() -> None:
    """A chain that no longer exists is the one for a port of a container that may still run: it stays closed."""
    elements = kept_elements(
        {"ip fleetnet": LISTED, "ip6 fleetnet": ""}, {"ip fleetnet": "\tchain published_web_0 {\n"}
    )
    assert found(elements) == {
        ("ip", ENDPOINTS): {
            '"fn-db" . 02:42:0a:40:12:02 . 10.64.17.2',
            '"fn-web" . 02:42:0a:40:11:02 . 10.64.18.2',
        },
        ("ip", PUBLISHED): {"tcp . 80 : drop", "tcp . 8080 : goto published_web_0", "udp . 53 : drop"},
    }
    assert kept_elements({}, {"ip fleetnet": ""}) == NO_ELEMENTS


BRIDGES_NOW: Elements = {
    ("ip", BRIDGES): frozenset(['"br-shopshopshop"', '"fn-web"']),
    ("ip6", CLOSED_OUT): frozenset(['"br-shopshopshop"']),
    ("ip6", WITHIN): frozenset(['"br-shopshopshop" . "br-shopshopshop"']),
    ("ip", bridges_of("shop-1.a_b")): frozenset(['"br-shopshopshop"']),
}


def test_the_elements_of_published_ports_and_bridges_are_kept_over_a_boot() -> None:
    tables = {"ip fleetnet": "\tchain published_web_0 {\n", "ip6 fleetnet": ""}
    before = {**kept_elements({"ip fleetnet": LISTED}, tables), **BRIDGES_NOW}
    saved = parse_saved(saved_text(before))
    assert found(saved) == {("ip", PUBLISHED): before["ip", PUBLISHED], **BRIDGES_NOW}
    assert kept_elements({}, tables, saved) == saved
    # what the kernel has is newer
    assert kept_elements({"ip fleetnet": "", "ip6 fleetnet": ""}, tables, saved) == NO_ELEMENTS
    # in the tables of a new policy
    assert found(kept_elements({}, {"ip fleetnet": ""}, saved)) == {
        ("ip", PUBLISHED): {"tcp . 80 : drop", "tcp . 8080 : drop", "udp . 53 : drop"},
        **{key: bridges for key, bridges in BRIDGES_NOW.items() if key[0] == "ip"},
    }


def test_a_file_without_bridges_is_that_of_a_host_without_such_networks() -> None:
    text = saved_text({**NO_ELEMENTS, ("ip", PUBLISHED): frozenset(["tcp . 80 : drop"])})
    assert "bridges" not in text
    assert found(parse_saved(text)) == {("ip", PUBLISHED): {"tcp . 80 : drop"}}


@pytest.mark.parametrize(
    ("name", "element"),
    [
        (BRIDGES, "fn-web"),
        (BRIDGES, '"fn-web" . "fn-web"'),
        (BRIDGES, '"fn web"'),
        (BRIDGES, '"fn-web" }; delete table ip fleetnet'),
        (WITHIN, '"fn-web"'),
        (WITHIN, '"fn-web" . "fn-db"'),
        (BRIDGES, 5),
        (bridges_of("web"), '"fn-web" . "fn-web"'),
    ],
)
def test_a_file_with_a_bridge_that_is_not_valid_has_no_elements(name: str, element: object) -> None:
    text = saved_text(dict(NO_ELEMENTS))
    valid = '"fn-web" . "fn-web"' if name == WITHIN else '"fn-web"'
    assert found(parse_saved(json.dumps({**json.loads(text), f"ip {name}": [valid]}))) == {("ip", name): {valid}}
    assert parse_saved(json.dumps({**json.loads(text), f"ip {name}": [valid, element]})) == NO_ELEMENTS
    assert parse_saved("[]") == NO_ELEMENTS


@pytest.mark.parametrize("key", [f"bridge {BRIDGES}", BRIDGES, f"ip {bridges_of('a b')}", "ip hosts", "ip endpoints"])
def test_what_is_not_a_set_of_bridges_is_not_read_from_the_file(key: str) -> None:
    text = json.dumps({**json.loads(saved_text(dict(NO_ELEMENTS))), key: ['"fn-web"']})
    assert parse_saved(text) == NO_ELEMENTS


@pytest.mark.parametrize(
    "element", ["tcp . 80 : accept", "tcp . 80 : goto web }; delete table ip fleetnet", "tcp : drop", "", 5]
)
def test_a_file_that_is_not_valid_has_no_elements(element: object) -> None:
    assert parse_saved(saved_text({**NO_ELEMENTS, ("ip", PUBLISHED): frozenset(["tcp . 80 : drop"])})) != NO_ELEMENTS
    text = json.dumps({**json.loads(saved_text(NO_ELEMENTS)), "ip endpoint_published": [element]})
    assert parse_saved(text) == NO_ELEMENTS
    assert parse_saved(text[:-1]) == NO_ELEMENTS
