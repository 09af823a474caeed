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
        pytest.param([], "10.213.0.0/24", id="nothing is taken"),
        pytest.param(["10.213.0.0/24", "10.213.2.0/24"], "10.213.1.0/24", id="another fleet"),
        pytest.param(["10.213.0.7/32"], "10.213.1.0/24", id="a name server"),
        pytest.param(["0.0.0.0/0"], "10.213.0.0/24", id="a default route takes nothing"),
        pytest.param(["10.0.0.0/8"], "192.168.128.0/24", id="a VPN"),
        pytest.param(["10.0.0.0/8", "192.168.0.0/16"], "198.18.0.0/24", id="all private addresses"),
    ],
)
def test_choose(taken: list[str], chosen: str) -> None:
    assert address.choose(map(IPv4Network, taken)) == IPv4Network(chosen)


def test_choose_from_nothing() -> None:
    with pytest.raises(FleetError, match="no address range is free"):
        address.choose([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])


def test_no_range_meets_the_containers() -> None:
    assert not any(space.overlaps(address.CONTAINERS) for space in address.RANGES)


def test_addresses_on_a_link() -> None:
    subnet = IPv4Network("10.213.0.0/24")
    assert address.host(subnet, 1) == IPv4Address("10.213.0.11")
    everybody = [address.machine(subnet), address.world(subnet)]
    everybody += [address.host(subnet, number) for number in range(1, address.MOST_HOSTS + 1)]
    assert len(set(everybody)) == len(everybody)
    assert set(everybody) <= set(subnet.hosts())


def test_parse_leaves_out_what_is_no_network() -> None:
    assert list(address.parse(["default", "fe80::1", "10.1.2.3/8", "10.1.2.3"])) == [
        IPv4Network("10.0.0.0/8"),
        IPv4Network("10.1.2.3/32"),
    ]
