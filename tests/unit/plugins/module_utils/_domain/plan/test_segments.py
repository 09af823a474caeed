# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on the hosts' own segment: no two hosts assign one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import take_out
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices

from ..planning import plan_of

HOSTS = {f"h{number}": {"ansible_host": f"10.213.0.{10 + number}"} for number in (1, 2, 3)}
LAN = {
    "name": "lan",
    "driver": "macvlan",
    "driver_options": {"parent": "eth0"},
    "subnet": "172.18.0.0/24",
    "hosts": ["h2", "h3"],
}
RANGES = {"h2": "172.18.0.0/25", "h3": "172.18.0.128/25"}
OWN = {key: value for key, value in LAN.items() if key != "hosts"}


def plan(*networks, hosts=None):
    return plan_of({"supernet": "10.64.0.0/12", "networks": list(networks)}, hosts or HOSTS)


def own(**networks):
    return {name: {**HOSTS[name], "host_networks": [networks[name]] if name in networks else []} for name in HOSTS}


ONE_LAN = {**LAN, "subnet": "10.213.0.0/24"}
REFUSED = {
    "one network on two hosts": (
        (LAN,),
        HOSTS,
        "docker_fleet_networks[0].ip_range: '172.18.0.0/24': hosts h2, h3 would assign the same addresses on one "
        "segment. Set ip_range to one range for each host, as in {h2: 172.18.0.0/25, h3: 172.18.0.128/25}.",
    ),
    "with a range that the hosts share": (
        ({**LAN, "driver": "ipvlan", "ip_range": "172.18.0.64/26"},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: '172.18.0.64/26': hosts h2, h3 would assign the same addresses on one "
        "segment. Set ip_range to one range for each host, as in {h2: 172.18.0.0/25, h3: 172.18.0.128/25}.",
    ),
    "on all hosts, in the subnet of the hosts": (
        ({**ONE_LAN, "hosts": ["h1", "h2", "h3"], "gateway": "10.213.0.1"},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: '10.213.0.0/24': hosts h1, h2, h3 would assign the same addresses on one "
        "segment. Set ip_range to one range for each host, as in {h1: 10.213.0.64/26, h2: 10.213.0.128/26, "
        "h3: 10.213.0.192/26}.",
    ),
    "a host without a range": (
        ({**LAN, "ip_range": {"h2": "172.18.0.0/25"}},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: '172.18.0.0/25': hosts h3, h2 would assign the same addresses on one "
        "segment. Set ip_range to one range for each host, as in {h3: 172.18.0.0/25, h2: 172.18.0.128/25}.",
    ),
    "no room for a range of each host": (
        ({**LAN, "subnet": "172.18.0.0/30"},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: '172.18.0.0/30': hosts h2, h3 would assign the same addresses on one "
        "segment. Set ip_range to one range for each host, in a larger subnet.",
    ),
    "a range of a host that does not carry the network": (
        ({**LAN, "ip_range": {**RANGES, "h1": "172.18.0.0/28"}},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: 'h1': is not a host that carries the network. Valid names: h2, h3.",
    ),
    "networks of single hosts": (
        (),
        own(h2=OWN, h3={**OWN, "ip_range": "172.18.0.128/25"}),
        "host h3: docker_fleet_host_networks[0].ip_range: '172.18.0.128/25': overlaps 172.18.0.0/24 of "
        "docker_fleet_host_networks[0] on host h2, whose engine would assign the same addresses on this segment. Set "
        "ip_range to another part of the subnet.",
    ),
    "two networks in one subnet": (
        ({**LAN, "hosts": ["h1"]}, {**LAN, "name": "other", "hosts": ["h2"]}),
        HOSTS,
        "host h2: docker_fleet_networks[1].ip_range: '172.18.0.0/24': overlaps 172.18.0.0/24 of "
        "docker_fleet_networks[0] on host h1, whose engine would assign the same addresses on this segment. Set "
        "ip_range to another part of the subnet.",
    ),
    "the address of a host": (
        ({**ONE_LAN, "hosts": ["h2"], "ip_range": "10.213.0.0/28"},),
        HOSTS,
        "host h2: docker_fleet_networks[0].ip_range: '10.213.0.0/28': contains 10.213.0.11, the address of host h1, "
        "which the engine would assign to a container. Use a range without it, or reserve it in aux_addresses.",
    ),
    "a range by host for a bridge": (
        ({"name": "web", "ip_range": {"h1": "0.0.0.0/25"}},),
        HOSTS,
        "docker_fleet_networks[0].ip_range: {'h1': '0.0.0.0/25'}: is by host, which requires driver ipvlan or macvlan. "
        "Set one range for all hosts.",
    ),
    "a range by host outside of the subnet": (
        ({**LAN, "ip_range": {**RANGES, "h3": "172.18.1.0/25"}},),
        HOSTS,
        "docker_fleet_networks[0].ip_range.h3: '172.18.1.0/25': is not in the subnet 172.18.0.0/24. Use a part of it.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    networks, hosts, message = REFUSED[name]
    with pytest.raises(InvalidValue) as caught:
        plan(*networks, hosts=hosts)
    assert str(caught.value) == message


ALLOWED = {
    "a range for each host": (({**LAN, "ip_range": RANGES},), HOSTS),
    "one host": (({**LAN, "hosts": ["h2"]},), HOSTS),
    "hosts on different segments": ((LAN,), {**HOSTS, "h3": {**HOSTS["h3"], "link": "other"}}),
    "without a parent the engine isolates it": (({**LAN, "driver_options": {}},), HOSTS),
    "addresses of hosts that are reserved": (
        ({**ONE_LAN, "hosts": ["h2"], "aux_addresses": {name: HOSTS[name]["ansible_host"] for name in HOSTS}},),
        HOSTS,
    ),
    "networks of single hosts": (
        (),
        own(h2={**OWN, "ip_range": RANGES["h2"]}, h3={**OWN, "ip_range": RANGES["h3"]}),
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name):
    networks, hosts = ALLOWED[name]
    backend = {"backend": "none"} if name == "hosts on different segments" else {}
    assert plan_of({"supernet": "10.64.0.0/12", "networks": list(networks), **backend}, hosts)


def test_each_host_gets_its_range():
    parts = slices(plan({**LAN, "ip_range": RANGES}))
    assert {name: part["networks"][0]["ipam_config"] for name, part in parts.items() if part["networks"]} == {
        name: [{"subnet": "172.18.0.0/24", "ip_range": block}] for name, block in RANGES.items()
    }


def test_the_range_of_a_host_that_leaves_may_stay():
    fleet = plan({**LAN, "ip_range": RANGES})
    rest, _groups = take_out({"h3"}, fleet.fleet, list(HOSTS), {}, None)
    assert [set(network.host_ranges) for network in rest.networks] == [{"h2"}]
    left = plan_of(
        {"supernet": "10.64.0.0/12", "networks": [{**LAN, "hosts": ["h2"], "ip_range": RANGES}]},
        {name: HOSTS[name] for name in ("h1", "h2")},
        held=fleet.leases,
    )
    assert left.leases.departed() == {"h3"}
    again = {"supernet": "10.64.0.0/12", "reservations": {"h3": "10.64.32.0/20"}}
    assert plan_of(again, {"h1": HOSTS["h1"]}, held=fleet.leases).leases.departed() >= {"h2", "h3"}


@given(st.lists(st.sampled_from(["172.18.0.0/24", "172.18.0.0/25", "172.18.0.64/26", "172.18.0.128/26"]), min_size=2,
                max_size=3))  # fmt: skip
def test_no_address_is_assigned_by_two_hosts(blocks):
    """The plan accepts exactly the declarations in which the hosts' ranges are disjoint."""
    ranges = {f"h{number}": block for number, block in enumerate(blocks, 1)}
    parsed = [Prefix.parse(block) for block in blocks]
    disjoint = not any(one.overlaps(other) for number, one in enumerate(parsed) for other in parsed[:number])
    try:
        plan({**LAN, "hosts": list(ranges), "ip_range": ranges})
    except InvalidValue:
        assert not disjoint
    else:
        assert disjoint
