# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chain judges connections to each published port."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    CHAINS,
    PUBLISHED,
    PUBLISHED_AT,
    elements_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_services import (
    ProxiedPort,
    Service,
    bridge_of,
    combined_name,
    service_comment,
    services_of,
    verdicts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import (
    all_elements,
    published_ports,
)

from ..reconciler.test_endpoints import DB, WEB, container, network

SERVICES = [
    Service("fn-web", "tcp", 0, 79, "published_web_0"),
    Service("fn-web", "tcp", 80, 80, "published_web_1"),
    Service("fn-web", "tcp", 81, 65535, "published_web_0"),
]
BLOCK = "".join(f"\t{service_comment(each)}\n" for each in SERVICES) + "\tchain published_web_0 {\n"


def published(*ports: tuple[str, int, int], networks: tuple[str, ...] = ("web",)) -> dict[str, t.Any]:
    ends = [(name, f"10.64.1.{number}", "") for number, name in enumerate(networks, 2)]
    listed = [{"IP": ip, "PublicPort": public, "PrivatePort": private, "Type": "tcp"} for ip, public, private in ports]
    return {**container(*ends), "Ports": [*listed, {"PrivatePort": 7, "Type": "tcp"}]}


def test_the_services_of_a_table() -> None:
    assert services_of(BLOCK) == SERVICES


def test_services_of_a_network_that_others_may_create_are_those_of_the_bridge_that_it_has() -> None:
    block = BLOCK.replace("fn-web", bridge_of("shop-1.a_b"))
    for bridges in ((), ("br-0123456789ab",), ("br-0123456789ab", "fn-web")):
        assert services_of(block, {"shop-1.a_b": bridges, "web": ["fn-db"]}) == [
            each._replace(bridge=bridge) for each in SERVICES for bridge in bridges
        ]
    shop = {**WEB, "Name": "shop-1.a_b", "Options": None}
    found = all_elements([published(("", 8080, 80))], [shop, DB], [], {"ip fleetnet": block})
    assert found["ip", PUBLISHED] == {"tcp . 8080 : goto published_web_1"}


@pytest.mark.parametrize(
    ("ports", "everywhere", "at"),
    [
        ([("0.0.0.0", 8080, 80)], {"tcp . 8080 : goto published_web_1"}, set()),
        ([("0.0.0.0", 8080, 81)], {"tcp . 8080 : goto published_web_0"}, set()),
        ([("", 8080, 80)], {"tcp . 8080 : goto published_web_1"}, set()),
        ([("192.0.2.1", 8080, 80)], set(), {"192.0.2.1 . tcp . 8080 : goto published_web_1"}),
        ([("::", 8080, 80), ("2001:db8::1", 8080, 80)], set(), set()),
        # two containers cannot publish one port, but the engine's list may have old entries
        ([("0.0.0.0", 8080, 80), ("0.0.0.0", 8080, 81)], {"tcp . 8080 : goto published_web_1"}, set()),
        ([], set(), set()),
    ],
)
def test_elements(ports: list[tuple[str, int, int]], everywhere: set[str], at: set[str]) -> None:
    found = all_elements([published(*ports)], [WEB, DB], [], {"ip fleetnet": BLOCK, "ip6 fleetnet": ""})
    assert (found["ip", PUBLISHED], found["ip", PUBLISHED_AT]) == (everywhere, at)
    assert (found["ip6", PUBLISHED], found["ip6", PUBLISHED_AT]) == (set(), set())


def test_without_chains_there_are_no_elements() -> None:
    found = all_elements([published(("0.0.0.0", 8080, 80))], [WEB], [], {})
    assert found["ip", PUBLISHED] == set()


TWO = published(("::1", 8080, 80), networks=("web", "db"))
SIX = {"IPv6Gateway": "fd00::1", "GlobalIPv6Address": "fd00::2"}


@pytest.mark.parametrize(
    ("web", "db", "listed", "bridges"),
    [
        ({}, {}, [WEB, DB], ("fn-db", "fn-web")),
        # an internal network has no default route
        ({}, {}, [WEB, network("db", "fn-db", Internal=True)], ("fn-web",)),
        ({}, {"GwPriority": 1}, [WEB, network("db", "fn-db", Internal=True)], ("fn-web",)),
        ({"Gateway": "10.64.1.1"}, {}, [WEB, DB], ("fn-web", "fn-db")),
        ({"Gateway": "10.64.1.1"}, {"Gateway": "10.64.2.1", **SIX}, [WEB, DB], ("fn-db", "fn-web")),
        ({"Gateway": "10.64.1.1", **SIX}, {"Gateway": "10.64.2.1"}, [WEB, DB], ("fn-web", "fn-db")),
        # engines from 28 on have priorities
        ({"GwPriority": 1}, {}, [WEB, DB], ("fn-web",)),
        ({"GwPriority": 1}, {"GwPriority": 1}, [WEB, DB], ("fn-db", "fn-web")),
        ({}, {"GwPriority": -1}, [WEB, DB], ("fn-web",)),
        # but one without IPv6 leaves the port to one with IPv6
        ({"GwPriority": 1}, SIX, [WEB, DB], ("fn-web", "fn-db")),
    ],
)
def test_the_networks_to_which_a_port_may_be_forwarded(
    web: dict[str, t.Any], db: dict[str, t.Any], listed: list[t.Any], bridges: tuple[str, ...]
) -> None:
    two = copy.deepcopy(TWO)
    two["NetworkSettings"]["Networks"]["web"].update(web)
    two["NetworkSettings"]["Networks"]["db"].update(db)
    assert published_ports([two], listed) == [ProxiedPort(6, "::1", "tcp", 8080, bridges, 80)]


def chains_of(*services: Service, bridges: tuple[str, ...] = ("fn-web", "fn-db")) -> tuple[set[str], set[str]]:
    found = verdicts(4, services, [ProxiedPort(4, "", "tcp", 8080, bridges, 80)])
    return {each.split(" : goto ")[1] for each in found[PUBLISHED]}, set(found[CHAINS])


def test_limited_networks_of_a_container_apply_wherever_the_engine_forwards_its_port() -> None:
    web, db = (Service(f"fn-{name}", "tcp", 0, 65535, f"published_{name}_0") for name in ("web", "db"))
    limited = db._replace(limited=True)
    assert chains_of(web, db) == ({"published_web_0"}, set())
    assert chains_of(web, limited) == ({"published_db_0"}, set())
    assert chains_of(web, limited, bridges=("fn-web",)) == ({"published_web_0"}, set())
    # a network that is not declared has no chain
    assert chains_of(limited) == ({"published_db_0"}, set())
    assert chains_of(db) == ({"published_db_0"}, set())
    name = combined_name(["published_db_0", "published_web_0"])
    assert chains_of(limited, web._replace(limited=True)) == ({name}, {f"{name} published_db_0 published_web_0"})
    assert services_of(f"\t{service_comment(limited)}\n") == [limited]


def test_a_combined_chain_drops_what_one_of_them_does_not_accept() -> None:
    block = (
        '\tchain a {\n\t\tiifname "fn-a" accept\n\t\tip saddr 192.0.2.1 accept comment "accept"\n'
        "\t\tcounter drop\n\t}\n"
        "\tchain b {\n\t\taccept\n\t}\n"
    )
    assert elements_text("ip fleetnet", block, {("ip", CHAINS): frozenset(("endpoint_1 a b",))}).splitlines() == [
        "add chain ip fleetnet endpoint_1_0",
        "flush chain ip fleetnet endpoint_1_0",
        'add rule ip fleetnet endpoint_1_0 iifname "fn-a" return',
        'add rule ip fleetnet endpoint_1_0 ip saddr 192.0.2.1 return comment "accept"',
        "add rule ip fleetnet endpoint_1_0 counter drop",
        "add chain ip fleetnet endpoint_1_1",
        "flush chain ip fleetnet endpoint_1_1",
        "add rule ip fleetnet endpoint_1_1 return",
        "add chain ip fleetnet endpoint_1",
        "flush chain ip fleetnet endpoint_1",
        "add rule ip fleetnet endpoint_1 jump endpoint_1_0",
        "add rule ip fleetnet endpoint_1 jump endpoint_1_1",
    ]
    assert elements_text("ip6 fleetnet", block, {("ip", CHAINS): frozenset(("endpoint_1 a b",))}) == ""


def test_ports_of_containers_without_a_bridge() -> None:
    assert published_ports([{"Ports": [{"IP": "::", "PublicPort": 1, "PrivatePort": 1, "Type": "tcp"}]}], [WEB]) == []


class Counted(list[Service]):
    """Services that count how often they are read."""

    read = 0

    def __iter__(self) -> t.Iterator[Service]:
        self.read += 1
        return super().__iter__()


def test_a_large_range_of_ports_does_not_read_the_services_for_each_port() -> None:
    """The reconciler does nothing else meanwhile: 5000 ports times 300 networks took five seconds."""
    services = Counted(
        [Service(f"fn-{n}", "tcp", low, low, f"published_{n}_{low}") for n in range(5) for low in (80, 90)]
    )
    ports = [ProxiedPort(4, "", "tcp", number, ("fn-4",), number) for number in range(70, 100)]
    found = verdicts(4, services, ports)
    assert found[PUBLISHED] == {f"tcp . {number} : goto published_4_{number}" for number in (80, 90)}
    assert services.read == 1
