# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 addresses of bridges: the file, and the options that are rejected."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.bridge_addresses import (
    addresses_text,
    parse_bridges,
)

from ..planning import plan_of

DUAL = {"supernet": "10.64.0.0/12", "supernet_v6": "fd00:64::/48", "backend": "none"}
SIX = "fd00:64:0:1::1/64"


def test_addresses_are_written_as_the_kernel_prints_them_sorted_by_bridge():
    items = [
        {"bridge_name": "fn-web", "address_v6": "FD00:64:0:2:0::1/64"},
        {"address": "10.64.1.1/24", "address_v6": SIX},
    ]
    assert addresses_text(parse_bridges(items)).splitlines()[1:] == [
        "address fd00:64:0:1::1/64 bridge 10.64.1.1/24",
        "address fd00:64:0:2::1/64 bridge fn-web",
    ]
    assert addresses_text([]) == ""


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            {"address": SIX, "address_v6": SIX},
            f"bridges[0].address: '{SIX}': is not an IPv4 address with a prefix length. Example: 10.64.1.1/24.",
        ),
        (
            {"address": "10.64.1.1/24", "address_v6": "fd00::1"},
            "bridges[0].address_v6: 'fd00::1': is not an IPv6 address with a prefix length. Example: "
            "fd00:64:0:1::1/64.",
        ),
        (
            {"address": "10.64.1.1/33", "address_v6": SIX},
            "bridges[0].address: '10.64.1.1/33': is not an IPv4 address with a prefix length. Example: 10.64.1.1/24.",
        ),
        (
            {"bridge_name": "fn web", "address_v6": SIX},
            "bridges[0].bridge_name: 'fn web': is not a valid interface name. Use letters, digits, '_', '.' and '-', "
            "and start with a letter or digit.",
        ),
    ],
)
def test_invalid_options(item, message):
    with pytest.raises(InvalidValue) as caught:
        parse_bridges([item])
    assert str(caught.value) == message


def planned(networks, **fleet):
    (part,) = slices(plan_of({**DUAL, "networks": networks, **fleet}, {"h1": {"ansible_host": "192.0.2.1"}})).values()
    return part.get("bridges")


DOCKER0 = {"address": "10.64.0.1/24", "address_v6": "fd00:64::1/64"}


def test_the_plan_has_the_bridges_with_ipv6_addresses():
    own = {"name": "own", "hosts": ["h1"], "subnet": ["172.30.1.0/24", "fd00:30::/64"], "internal": True, "gateway": -2}
    assert planned(["web", own, {"name": "lan", "driver": "macvlan", "subnet": "fd00:31::/64", "hosts": ["h1"]}]) == [
        DOCKER0,
        {"address": "10.64.1.1/24", "address_v6": "fd00:64:0:1::1/64"},
        {"address": "172.30.1.254/24", "address_v6": "fd00:30::ffff:ffff:ffff:fffe/64"},
    ]


def test_a_bridge_without_an_ipv4_address_is_found_by_its_name():
    six = {"name": "six", "hosts": ["h1"], "subnet": "fd00:30::/64"}
    assert planned([six]) == [DOCKER0, {"bridge_name": "fn-six", "address_v6": "fd00:30::1/64"}]
    assert planned(["web"], supernet=None, host_prefix_length=None)[0] == {
        "bridge_name": "docker0",
        "address_v6": "fd00:64::1/64",
    }


def isolated(version):
    options = {f"com.docker.network.bridge.gateway_mode_ipv{version}": "isolated"}
    return {"name": "in", "hosts": ["h1"], "subnet": ["172.30.1.0/24", "fd00:30::/64"], "internal": True,
            "driver_options": options}  # fmt: skip


def test_a_bridge_that_the_engine_gives_no_address_is_not_planned():
    assert planned([isolated(6)]) == [DOCKER0]
    assert planned([isolated(4)]) == [DOCKER0, {"bridge_name": "fn-in", "address_v6": "fd00:30::1/64"}]


def test_a_fleet_without_ipv6_has_no_bridges_to_restore():
    assert planned(["web"], supernet_v6=None) is None
