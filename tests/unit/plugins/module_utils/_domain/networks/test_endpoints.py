# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of containers: what engines answer, keep and reject."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_items import (
    EndpointItem,
    parse_endpoints,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_plan import (
    ContainerState,
    EndpointRequest,
    plan_endpoints,
    resolve,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import keeps_mac
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_attachment
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_support import (
    EngineFacts,
    check_engine,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    Definition,
    ObservedNetwork,
)

from ..planning import assert_golden, message_of

ADDRESS, OTHER = ipaddress.ip_address("10.64.1.2"), ipaddress.ip_address("10.64.1.3")
CHOSEN = Attachment("c1", "web", ipv4=ADDRESS, mac="02:42:0a:40:01:02")


@pytest.mark.parametrize(
    ("version", "before", "after", "kept"),
    [
        ((24, 0, 9), CHOSEN, OTHER, True),
        ((25, 0), CHOSEN, ADDRESS, True),
        ((25, 0), CHOSEN, OTHER, False),
        ((27, 5, 1), CHOSEN, ADDRESS, True),
        ((28, 0), CHOSEN, ADDRESS, False),
        ((29, 2, 9), CHOSEN, ADDRESS, False),
        ((29, 3), CHOSEN, OTHER, True),
        ((28, 0), Attachment("c1", "web", ipv4=ADDRESS), ADDRESS, True),
        ((26, 1), Attachment("c1", "web", ipv4=ADDRESS, mac="02:42:0a:40:01:03"), ADDRESS, False),
    ],
)
def test_mac_addresses_that_survive_a_reconnect(
    version: tuple[int, ...], before: Attachment, after: ipaddress.IPv4Address, kept: bool
) -> None:
    assert keeps_mac(before, Attachment("c1", "web", ipv4=after), version) is kept


def test_an_endpoint_is_found_by_the_id_of_its_network() -> None:
    """Networks may share a name, and engines before they start a container list no id."""
    network = ObservedNetwork("1" * 64, Definition("web"))
    other = {"NetworkID": "2" * 64, "IPAddress": "10.64.1.2"}
    right = {"NetworkID": "1" * 64, "IPAddress": "10.64.1.3", "MacAddress": "02:00:00:00:00:01", "GwPriority": 7}
    container: dict[str, t.Any] = {"Id": "c" * 64, "Name": "/shop"}

    def found(networks: dict[str, t.Any]) -> Attachment | None:
        return parse_attachment({**container, "NetworkSettings": {"Networks": networks}}, network)

    assert found({"web": other}) is None
    attachment = found({"web": other, "renamed": right})
    assert attachment is not None
    assert (str(attachment.ipv4), attachment.mac, attachment.gw_priority) == ("10.64.1.3", "02:00:00:00:00:01", 7)
    assert found({"web": None}) is not None
    assert found({"db": {"NetworkID": ""}}) is None
    assert parse_attachment(container, network) is None


def test_an_ambiguous_network_is_rejected() -> None:
    networks = [ObservedNetwork(number * 64, Definition("web")) for number in "12"]
    item = EndpointItem("networks[0]", "web")
    assert resolve([item], networks[:1], "present") == [(item, networks[0])]
    assert message_of(resolve, [item], networks, "present") == (
        "networks[0].name: 'web': is the name of 2 networks. Remove all but one."
    )
    assert resolve([item], [], "absent") == []
    assert message_of(resolve, [item], [], "present") == (
        "networks[0].name: 'web': is not an existing network. Create it first."
    )


@pytest.mark.parametrize(
    ("options", "version", "key"),
    [
        ({"driver": "overlay"}, (28, 5), "driver: 'overlay'"),
        ({"scope": "swarm"}, (28, 5), "scope: 'swarm'"),
        ({"scope": "global"}, (25, 0), "scope: 'global'"),
        ({"scope": "global"}, (26, 0), None),
        ({"ingress": True}, (28, 5), "ingress: True"),
    ],
)
def test_a_swarm_manager_is_required(options: dict[str, t.Any], version: tuple[int, ...], key: str | None) -> None:
    (item,) = parse_items([{"name": "web", **options}])
    wanted = Definition("web", **options)
    facts = EngineFacts(frozenset(["overlay"]))
    if key is None:
        check_engine(item, wanted, version, facts)
    else:
        assert message_of(check_engine, item, wanted, version, facts) == (
            f"networks[0] (web).{key}: requires a swarm manager, and this host is not one. Remove it."
        )
    check_engine(item, wanted, version, EngineFacts(frozenset(["overlay"]), swarm_manager=True))


def test_messages_of_endpoints() -> None:
    web = ObservedNetwork("1" * 64, Definition("web", blocks=(Block(ipaddress.ip_network("10.64.1.0/24")),)))
    bridge, config = (
        ObservedNetwork("2" * 64, Definition("bridge")),
        ObservedNetwork("3" * 64, Definition("config", config_only=True)),
    )
    block = Block(ipaddress.ip_network("172.18.0.0/16"), gateway=ipaddress.ip_address("172.18.0.1"))
    auto = ObservedNetwork("4" * 64, Definition("auto", blocks=(block,)))
    container = ContainerState("c1", "shop", True, "web", {})

    def message(options: dict[str, t.Any], version: tuple[int, ...] = (28, 5, 2), mode: str = "web") -> str:
        taken = {web.id: {"10.64.1.9": "other"}}
        accepted = {(auto.id, "172.18.0.9"): False}
        request = EndpointRequest(parse_endpoints([options]), version, taken=taken, accepted=accepted)
        state = dataclasses.replace(container, network_mode=mode)
        return message_of(plan_endpoints, request, state, [web, bridge, config, auto])

    assert_golden(
        "endpoint_errors.yml",
        [
            *(
                message({"name": "bridge", **option})
                for option in ({"ipv4_address": "10.64.1.2"}, {"ipv6_address": "fd00::2"}, {"aliases": ["www"]})
            ),
            message({"name": "config"}),
            message({"name": "web"}, mode="host"),
            message({"name": "web"}, mode="none"),
            message({"name": "web"}, mode="container:other"),
            message({"name": "web", "ipv4_address": "10.64.2.2"}),
            message({"name": "web", "ipv6_address": "fd00::2"}),
            message({"name": "web", "ipv4_address": "10.64.1.9"}),
            message({"name": "auto", "ipv4_address": "172.18.0.9"}),
            message({"name": "web", "gw_priority": 7}, (27, 5, 1)),
            message({"name": "web", "interface_name": "front"}, (27, 5, 1)),
            message({"name": "web", "mac_address": "02:00:00:00:00:01"}, (29, 2, 0)),
        ],
    )
