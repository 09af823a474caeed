# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge of this collection in place of docker0, and overlaps of docker0's subnet."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import (
    AddressesInUse,
    check_overlap,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.own_bridge import (
    check_unused,
    name_in,
    own_bridge,
    unit_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue

from ..planning import assert_golden, message_of


def test_the_unit_creates_the_bridge_before_the_daemon() -> None:
    bridge = own_bridge({"bridge": "br-own", "bip": "10.66.0.1/24", "bip6": "fd00::1/64", "mtu": 1400})
    assert bridge is not None
    text = unit_text(bridge, "/sbin/ip", "docker.service")
    assert "Before=docker.service\n" in text
    assert_golden("daemon/own_bridge.yml", text.splitlines())
    assert "ExecStart=/sbin/ip address add fd00::1/64 dev br-own\n" in text
    assert "ExecStart=/sbin/ip link set dev br-own mtu 1400 up\n" in text
    assert name_in(text) == "br-own"
    assert name_in(None) is None


@pytest.mark.parametrize("values", [{}, {"bip": "10.64.0.1/24"}, {"bridge": "docker0"}, {"bridge": "none"}])
def test_docker0_and_no_bridge_need_no_unit(values: dict[str, t.Any]) -> None:
    assert own_bridge(values) is None


INVALID: list[tuple[dict[str, t.Any], str]] = [
    ({"bridge": "br-own"}, "Set bip"),
    ({"bridge": "a-name-of-16-chars", "bip": "10.66.0.1/24"}, "is not a valid interface name"),
    ({"bridge": "lo", "bip": "10.66.0.1/24"}, "is the name of an interface that exists already"),
    ({"bridge": "x; reboot", "bip": "10.66.0.1/24"}, "is not a valid interface name"),
    ({"bridge": "none", "bip": "10.66.0.1/24"}, "Name one, or remove bip and bip6"),
]


@pytest.mark.parametrize(("values", "message"), INVALID)
def test_invalid_bridges_are_rejected(values: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        own_bridge(values)


def test_a_network_in_use_is_not_removed() -> None:
    check_unused({"Containers": {}})
    with pytest.raises(InvalidValue, match=r"1 running container \(web\) would lose their network"):
        check_unused({"Containers": {"1": {"Name": "web"}}})


def route(destination: str, device: str, gateway: str | None = None, protocol: int = 4) -> dict[str, t.Any]:
    return {"destination": destination, "device": device, "gateway": gateway, "protocol": protocol}


IN_USE = AddressesInUse(
    links=[
        {"name": "lo", "addresses": ["127.0.0.1/8"]},
        {"name": "docker0", "addresses": ["172.17.0.1/16"]},
        {"name": "eth0", "addresses": ["192.0.2.5/24", "fe80::1/64"]},
    ],
    routes=[
        route("0.0.0.0/0", "eth0", "192.0.2.1"),
        route("0.0.0.0/1", "tun0", "10.8.0.1"),
        route("172.17.0.0/16", "docker0"),
        route("10.70.0.0/16", "tun0", "10.8.0.1"),
        route("10.64.16.0/20", "eth0", "192.0.2.6", 213),
    ],
    networks=(("web", "10.71.0.0/24"),),
    name_servers=("10.72.0.53",),
    client="203.0.113.9",
)


OVERLAPS = [
    ("192.0.2.129/25", r"overlaps with the interface eth0 \(192\.0\.2\.5/24\)"),
    (
        "10.70.3.1/24",
        r"overlaps with the route to 10\.70\.0\.0/16 via 10\.8\.0\.1 dev tun0\. Choose another",
    ),
    ("10.71.0.1/16", r"overlaps with the Docker network web \(10\.71\.0\.0/24\)"),
    ("10.72.0.1/24", r"contains the name server 10\.72\.0\.53"),
    ("203.0.113.1/24", r"contains 203\.0\.113\.9, the source of this SSH connection"),
]


@pytest.mark.parametrize(("value", "message"), OVERLAPS)
def test_overlaps_are_rejected(value: str, message: str) -> None:
    with pytest.raises(FleetnetError, match=message):
        check_overlap("bip", value, ("docker0",), IN_USE, ())


@pytest.mark.parametrize("value", ["172.17.0.1/24", "10.64.17.1/24", "10.64.0.1/24", "fd00:64::1/64"])
def test_docker0_itself_own_routes_and_default_routes_do_not_count(value: str) -> None:
    check_overlap("bip", value, ("docker0",), IN_USE, ())


def test_an_overlap_with_a_network_but_not_an_address_can_be_allowed() -> None:
    check_overlap("bip", "10.70.3.1/24", ("docker0",), IN_USE, ("10.0.0.0/8",))
    with pytest.raises(FleetnetError, match="name server"):
        check_overlap("bip", "10.72.0.1/24", ("docker0",), IN_USE, ("0.0.0.0/0",))


def test_messages() -> None:
    endpoints = {"Containers": {str(number): {"Name": f"web{number}"} for number in range(1, 7)}}
    assert_golden(
        "daemon/own_bridge_errors.yml",
        [
            *(message_of(own_bridge, values) for values, _message in INVALID),
            message_of(check_unused, endpoints),
            *(message_of(check_overlap, "bip", value, ("docker0",), IN_USE, ()) for value, _message in OVERLAPS),
        ],
    )
