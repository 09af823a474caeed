# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chain judges connections to each published port."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    PUBLISHED,
    PUBLISHED_AT,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_services import (
    ProxiedPort,
    Service,
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


@pytest.mark.parametrize(
    ("listed", "bridge"),
    [
        ([WEB, DB], "fn-db"),
        # an internal network has no default route
        ([WEB, network("db", "fn-db", Internal=True)], "fn-web"),
    ],
)
def test_a_port_is_forwarded_to_the_network_with_the_default_route(listed: list[t.Any], bridge: str) -> None:
    two = published(("::1", 8080, 80), networks=("web", "db"))
    assert published_ports([two], listed) == [ProxiedPort(6, "::1", "tcp", 8080, bridge, 80)]
    # engines from 28 on have priorities
    two["NetworkSettings"]["Networks"]["web"]["GwPriority"] = 1
    assert published_ports([two], listed)[0].bridge == "fn-web"


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
    ports = [ProxiedPort(4, "", "tcp", number, "fn-4", number) for number in range(70, 100)]
    found = verdicts(4, services, ports)
    assert found[PUBLISHED] == {f"tcp . {number} : goto published_4_{number}" for number in (80, 90)}
    assert services.read == 1
