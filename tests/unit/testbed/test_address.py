# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from fleetbed import address
from fleetbed.errors import FleetError


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        pytest.param([], "10.213.0.0/24", id="nothing in use"),
        pytest.param(["10.213.0.0/24", "10.213.2.0/24"], "10.213.1.0/24", id="another fleet"),
        pytest.param(["10.213.0.7/32"], "10.213.1.0/24", id="a name server"),
        pytest.param(["0.0.0.0/0"], "10.213.0.0/24", id="a default route is ignored"),
        pytest.param(["10.0.0.0/8"], "192.168.128.0/24", id="a VPN"),
        pytest.param(["10.0.0.0/8", "192.168.0.0/16"], "198.18.0.0/24", id="all private addresses"),
    ],
)
def test_choose(taken: list[str], chosen: str) -> None:
    assert address.choose(map(IPv4Network, taken)) == IPv4Network(chosen)


def test_no_free_range() -> None:
    with pytest.raises(FleetError, match="no free address range found"):
        address.choose([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])


def test_ranges_do_not_overlap_with_containers() -> None:
    assert not any(space.overlaps(address.CONTAINERS) for space in address.RANGES)


def test_addresses_in_a_segment() -> None:
    subnet = IPv4Network("10.213.0.0/24")
    assert address.host(subnet, 1) == IPv4Address("10.213.0.11")
    addresses = [address.machine(subnet), address.world(subnet)]
    addresses += [address.host(subnet, number) for number in range(1, address.MAX_HOSTS + 1)]
    assert len(set(addresses)) == len(addresses)
    assert set(addresses) <= set(subnet.hosts())


def test_parse_ignores_invalid_networks() -> None:
    assert list(address.parse(["default", "fe80::1", "10.1.2.3/8", "10.1.2.3"])) == [
        IPv4Network("10.0.0.0/8"),
        IPv4Network("10.1.2.3/32"),
    ]
