# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is free and what is not: the plan against hosts' reports."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.proof import Conflicts, free_block, prove

from .planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "networks": ["web"]}
HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}


def network(name, subnet, bridge=None):
    return {"name": name, "bridge": bridge, "subnets": [{"subnet": subnet}]}


def link(name, *addresses):
    return {"name": name, "addresses": list(addresses)}


def route(destination, gateway=None, device="eth0", protocol=3):
    return {"destination": destination, "gateway": gateway, "device": device, "protocol": protocol}


def report(**parts):
    return {"networks": [], "links": [], "routes": [], "resolver": [], "control_path": None, **parts}


FREE = {
    "nothing": report(),
    "the declared network is there already": report(
        networks=[network("web", "10.64.1.0/24", "fn-web")],
        links=[link("fn-web", "10.64.1.1/24")],
        routes=[route("10.64.1.0/24", device="fn-web", protocol=2)],
    ),
    "docker0 is as planned": report(
        networks=[network("bridge", "10.64.0.0/24", "docker0")], links=[link("docker0", "10.64.0.1/24")]
    ),
    "a network from the host's own pool": report(
        networks=[network("shop_default", "10.64.8.0/24", "br-12")],
        links=[link("br-12", "10.64.8.1/24")],
        routes=[route("10.64.8.0/24", device="br-12", protocol=2)],
    ),
    "our route to a peer": report(routes=[route("10.64.16.0/20", "192.0.2.2", protocol=213)]),
    "a default route": report(routes=[route("default", "192.0.2.254"), route("0.0.0.0/0", "192.0.2.254")]),
    "a VPN's two halves of a default route": report(routes=[route("0.0.0.0/1", "192.0.2.9"), route("128.0.0.0/1")]),
    "IPv6": report(links=[link("eth0", "fe80::1/64")], routes=[route("fe80::/64")], resolver=["fd00::53"]),
}


@pytest.mark.parametrize("name", FREE)
def test_free(name):
    prove(plan_of(FLEET, HOSTS), {"h1": FREE[name]})


TAKEN = {
    "a LAN": (
        report(links=[link("eth0", "10.64.16.7/24")], routes=[route("10.64.16.0/24", protocol=2)]),
        "host h1: address 10.64.16.7/24 of link eth0 (10.64.16.0/24) overlaps the block of host h2 (10.64.16.0/20); "
        "10.64.32.0/20 is free on all hosts",
    ),
    "a static route to somewhere else": (
        report(routes=[route("10.64.16.0/28", "192.0.2.254")]),
        "host h1: route to 10.64.16.0/28 via 192.0.2.254 on eth0 (10.64.16.0/28) overlaps the block of host h2 "
        "(10.64.16.0/20); 10.64.32.0/20 is free on all hosts",
    ),
    "a VPN that covers the supernet": (
        report(routes=[route("10.0.0.0/8", "192.0.2.9", "tun0")]),
        "host h1: route to 10.0.0.0/8 via 192.0.2.9 on tun0 (10.0.0.0/8) overlaps the block of host h1 (10.64.0.0/20) "
        "and 1 more; 172.16.0.0/12 is free on all hosts and could be docker_fleet_supernet",
    ),
    "somebody's Docker network": (
        report(networks=[network("lab", "10.64.1.0/25", "br-1")]),
        "host h1: Docker network lab (10.64.1.0/25) overlaps the block of host h1 (10.64.0.0/20); "
        "10.64.32.0/20 is free on all hosts",
    ),
    "a name server": (
        report(resolver=["10.64.17.53"]),
        "host h1: name server 10.64.17.53 (10.64.17.53/32) overlaps the block of host h2 (10.64.16.0/20); "
        "10.64.32.0/20 is free on all hosts",
    ),
    "the controller": (
        report(control_path={"client": "10.64.16.1", "server": "192.0.2.1"}),
        "host h1: the address that Ansible comes in from, 10.64.16.1 (10.64.16.1/32) overlaps the block of host h2 "
        "(10.64.16.0/20); 10.64.32.0/20 is free on all hosts",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name):
    found, message = TAKEN[name]
    with pytest.raises(Conflicts) as caught:
        prove(plan_of(FLEET, HOSTS), {"h1": found})
    assert [str(conflict) for conflict in caught.value.conflicts] == [message]


def test_all_conflicts_are_told_at_once():
    with pytest.raises(Conflicts, match=r"in use elsewhere, in 3 place\(s\); no host was changed:\n  - host h1: .*\n"):
        prove(
            plan_of(FLEET, HOSTS),
            {"h1": report(resolver=["10.64.0.9", "10.64.16.9"]), "h2": report(resolver=["10.64.0.9"])},
        )


def test_free_block():
    def free(within, length, *taken):
        found = free_block(Prefix.parse(within), length, sorted(Prefix.parse(text) for text in taken))
        return found and str(found)

    assert free("10.0.0.0/8", 12) == "10.0.0.0/12"
    assert free("10.0.0.0/8", 12, "10.0.0.0/8") is None
    assert free("10.0.0.0/8", 12, "10.0.0.0/12", "10.17.0.0/24") == "10.32.0.0/12"
    assert free("10.0.0.0/30", 31, "10.0.0.0/32", "10.0.0.1/32") == "10.0.0.2/31"
    assert free("10.0.0.0/24", 20) is None
