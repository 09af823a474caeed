# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts between the plan and the hosts' reports."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import (
    Conflicts,
    check_conflicts,
    plan_around,
)

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "networks": ["web"]}
HOSTS = {
    "h1": {"ansible_host": "192.0.2.1", "underlay_address_v6": "2001:db8::1"},
    "h2": {"ansible_host": "192.0.2.2", "underlay_address_v6": "2001:db8::2"},
}
DUAL = {**FLEET, "supernet_v6": "fd00:64::/48"}


def network(name, subnet, bridge=None, labeled=False, adopted=False):
    labels = {"io.fleetnet.managed": "true"} if labeled else {}
    managed = labeled or adopted
    return {"name": name, "bridge": bridge, "managed": managed, "labels": labels, "subnets": [{"subnet": subnet}]}


def link(name, *addresses):
    return {"name": name, "addresses": list(addresses)}


def route(destination, gateway=None, device="eth0", protocol=3):
    return {"destination": destination, "gateway": gateway, "device": device, "protocol": protocol}


def report(**parts):
    return {"networks": [], "links": [], "routes": [], "resolver": [], "control_path": None, **parts}


FREE = {
    "an empty report": report(),
    "the declared network exists already": report(
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
    "a managed network that is no longer declared": report(
        networks=[network("old", "10.64.2.0/24", "fn-old", labeled=True)], links=[link("fn-old", "10.64.2.1/24")]
    ),
    "a managed route to a peer": report(routes=[route("10.64.16.0/20", "192.0.2.2", protocol=213)]),
    "an unmanaged route to a peer, the same": report(routes=[route("10.64.16.0/20", "192.0.2.2")]),
    "a default route": report(routes=[route("default", "192.0.2.254"), route("0.0.0.0/0", "192.0.2.254")]),
    "a VPN's two halves of a default route": report(routes=[route("0.0.0.0/1", "192.0.2.9"), route("128.0.0.0/1")]),
    "IPv6": report(links=[link("eth0", "fe80::1/64")], routes=[route("fe80::/64")], resolver=["fd00::53"]),
    "IPv6 as planned": report(
        networks=[network("web", "fd00:64:0:1::/64", "fn-web"), network("x", "fd00:64:0:80::/64", "br-2")],
        links=[link("fn-web", "fd00:64:0:1::1/64")],
        routes=[route("fd00:64:0:100::/56", "2001:db8::2"), route("::/0", "fe80::9"), route("2000::/3", "fe80::9")],
        resolver=["fe80::53%eth0"],
    ),
}


OWN_DOCKER0 = {
    "supernet": "10.64.0.0/12",
    "networks": [{"name": "web", "subnets": {"h1": "172.17.0.0/16"}}],
    "default_bridge": {"keep": True},
}


def test_docker0_that_is_kept_has_addresses():
    docker0 = report(networks=[network("bridge", "172.17.0.0/16", "docker0")])
    with pytest.raises(Conflicts, match=r"h2: Docker network bridge \(172.17.0.0/16\) overlaps network web on host h1"):
        check_conflicts(plan_of(OWN_DOCKER0, HOSTS), {"h2": docker0})
    check_conflicts(plan_of({**OWN_DOCKER0, "default_bridge": {}}, HOSTS), {"h2": docker0})
    block = report(networks=[network("bridge", "10.64.16.0/24", "docker0")])
    check_conflicts(plan_of(OWN_DOCKER0, HOSTS), {"h2": block})


@pytest.mark.parametrize("name", FREE)
def test_free(name):
    check_conflicts(plan_of(DUAL, HOSTS), {"h1": FREE[name]})


H2 = "Set docker_fleet_reservations.h2 to 10.64.32.0/20, which is free on all hosts."
TAKEN = {
    "a LAN": (
        report(links=[link("eth0", "10.64.16.7/24")], routes=[route("10.64.16.0/24", protocol=2)]),
        "host h1: address 10.64.16.7/24 of interface eth0 (10.64.16.0/24) overlaps the block of host h2 "
        "(10.64.16.0/20). " + H2,
    ),
    "a static route to somewhere else": (
        report(routes=[route("10.64.16.0/28", "192.0.2.254")]),
        "host h1: route to 10.64.16.0/28 via 192.0.2.254 on eth0 (10.64.16.0/28) overlaps the block of host h2 "
        "(10.64.16.0/20). " + H2,
    ),
    "a route without gateway and device": (
        report(routes=[route("10.64.16.0/20", device=None)]),
        "host h1: route to 10.64.16.0/20 (10.64.16.0/20) overlaps the block of host h2 (10.64.16.0/20). " + H2,
    ),
    "a route to a peer through another gateway": (
        report(routes=[route("10.64.16.0/20", "192.0.2.3")]),
        "host h1: route to 10.64.16.0/20 via 192.0.2.3 on eth0 (10.64.16.0/20) overlaps the block of host h2 "
        "(10.64.16.0/20). " + H2,
    ),
    "a VPN that covers the supernet": (
        report(routes=[route("10.0.0.0/8", "192.0.2.9", "tun0")]),
        "host h1: route to 10.0.0.0/8 via 192.0.2.9 on tun0 (10.0.0.0/8) overlaps the block of host h1 (10.64.0.0/20) "
        "and 1 more. If nothing there uses addresses of the block of host h1, add 10.0.0.0/8 to "
        "docker_fleet_default_bridge.allow_overlap. Otherwise: set docker_fleet_supernet to 172.16.0.0/12, which is "
        "free on all hosts.",
    ),
    "a VPN in a table of its own": (
        report(routes=[{**route("10.0.0.0/8", None, "tun0"), "table": 52}]),
        "host h1: route to 10.0.0.0/8 on tun0 in table 52 (10.0.0.0/8) overlaps the block of host h1 (10.64.0.0/20) "
        "and 1 more. If the host's rules ('ip rule') prefer routes of table main, add 10.0.0.0/8 to "
        "docker_fleet_default_bridge.allow_overlap. Otherwise: set docker_fleet_supernet to 172.16.0.0/12, which is "
        "free on all hosts.",
    ),
    "a wide LAN": (
        report(links=[link("eth0", "10.1.2.3/8")], routes=[route("10.0.0.0/8", protocol=2)]),
        "host h1: address 10.1.2.3/8 of interface eth0 (10.0.0.0/8) overlaps the block of host h1 (10.64.0.0/20) and 1 "
        "more. If nothing there uses addresses of the block of host h1, add 10.0.0.0/8 to docker_fleet_default_bridge."
        "allow_overlap. Otherwise: set docker_fleet_supernet to 172.16.0.0/12, which is free on all hosts.",
    ),
    "an unmanaged Docker network that covers the supernet": (
        report(networks=[network("lab", "10.0.0.0/8", "br-1")]),
        "host h1: Docker network lab (10.0.0.0/8) overlaps the block of host h1 (10.64.0.0/20) and 1 more. Set "
        "docker_fleet_supernet to 172.16.0.0/12, which is free on all hosts.",
    ),
    "an unmanaged Docker network": (
        report(networks=[network("lab", "10.64.1.0/25", "br-1")]),
        "host h1: Docker network lab (10.64.1.0/25) overlaps the block of host h1 (10.64.0.0/20). "
        "Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free on all hosts.",
    ),
    "an adopted network that is no longer declared": (
        report(networks=[network("lab", "10.64.1.0/25", "br-1", adopted=True)]),
        "host h1: Docker network lab (10.64.1.0/25) overlaps the block of host h1 (10.64.0.0/20). "
        "Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free on all hosts.",
    ),
    "a name server": (
        report(resolver=["10.64.17.53"]),
        "host h1: name server 10.64.17.53 (10.64.17.53/32) overlaps the block of host h2 (10.64.16.0/20). " + H2,
    ),
    "the controller": (
        report(control_path={"client": "10.64.16.1", "server": "192.0.2.1"}),
        "host h1: Ansible controller 10.64.16.1 (10.64.16.1/32) overlaps the block of host h2 (10.64.16.0/20). " + H2,
    ),
    "an IPv6 LAN": (
        report(links=[link("eth0", "fd00:64:0:101::7/64")]),
        "host h1: address fd00:64:0:101::7/64 of interface eth0 (fd00:64:0:101::/64) overlaps the block of host h2 "
        "(fd00:64:0:100::/56). Set docker_fleet_reservations.h2 to fd00:64:0:200::/56, which is free on all hosts.",
    ),
    "an IPv6 VPN": (
        report(routes=[route("fd00::/16", "fe80::9", "wg0")]),
        "host h1: route to fd00::/16 via fe80::9 on wg0 (fd00::/16) overlaps the block of host h1 (fd00:64::/56) and 1 "
        "more. If nothing there uses addresses of the block of host h1, add fd00::/16 to docker_fleet_default_bridge."
        "allow_overlap. Otherwise: set docker_fleet_supernet_v6 to fd01::/48, which is free on all hosts.",
    ),
    "an IPv6 name server": (
        report(resolver=["fd00:64::53"]),
        "host h1: name server fd00:64::53 (fd00:64::53/128) overlaps the block of host h1 (fd00:64::/56). "
        "Set docker_fleet_reservations.h1 to fd00:64:0:200::/56, which is free on all hosts.",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name):
    found, message = TAKEN[name]
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(DUAL, HOSTS), {"h1": found})
    assert [str(conflict) for conflict in caught.value.conflicts] == [message]


def test_a_pinned_network():
    fleet = {**FLEET, "networks": [{"name": "old", "subnet": "172.30.1.0/24", "hosts": "h1"}]}
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(fleet, HOSTS), {"h2": report(routes=[route("172.30.0.0/16", "192.0.2.254")])})
    assert [str(conflict) for conflict in caught.value.conflicts] == [
        "host h2: route to 172.30.0.0/16 via 192.0.2.254 on eth0 (172.30.0.0/16) overlaps network old (172.30.1.0/24). "
        "If nothing there uses addresses of network old, add 172.30.0.0/16 to docker_fleet_default_bridge."
        "allow_overlap. Otherwise: set docker_fleet_networks[0].subnet to 10.0.0.0/24, which is free on all hosts."
    ]


def test_a_subnet_of_a_network_of_one_host_that_an_undeclared_network_of_another_has():
    """Its packets would be taken for those of the other host."""
    fleet = {**FLEET, "networks": [{"name": "old", "subnet": "172.18.0.0/16", "hosts": "h1"}]}
    taken = report(networks=[network("lab", "172.18.0.0/24", "br-12")])
    with pytest.raises(Conflicts, match=r"host h2: Docker network lab \(172.18.0.0/24\) overlaps network old \(172.18"):
        check_conflicts(plan_of(fleet, HOSTS), {"h1": report(), "h2": taken})


MOVE_H2 = (
    "et docker_fleet_reservations.h2 to 10.64.32.0/20, which is free on all hosts, and add -e "
    "docker_fleet_renumber=true, which recreates the networks of host h2."
)
# Of blocks that are in use, no remedy changes the host that holds it, unless the addresses must stay where they are.
IN_USE = {
    "a static route to somewhere else": (
        report(routes=[route("10.64.16.0/28", "192.0.2.254")]),
        "host h1: route to 10.64.16.0/28 via 192.0.2.254 on eth0 (10.64.16.0/28) overlaps the block of host h2 "
        "(10.64.16.0/20). Delete the route ('ip route del 10.64.16.0/28 via 192.0.2.254 dev eth0'), and its "
        "configuration. If its addresses must stay there: s" + MOVE_H2,
    ),
    "a blackhole route to a peer's block": (
        report(routes=[{**route("10.64.16.0/20", device=None), "type": "blackhole"}]),
        "host h1: blackhole route to 10.64.16.0/20 (10.64.16.0/20) overlaps the block of host h2 (10.64.16.0/20). "
        "Delete the route ('ip route del blackhole 10.64.16.0/20'), and its configuration. If its addresses must stay "
        "there: s" + MOVE_H2,
    ),
    "a blackhole route next to the wide route of a VPN, which leaves no free block": (
        report(routes=[{**route("10.64.16.0/20", device=None), "type": "blackhole"}, route("10.0.0.0/8", "192.0.2.9")]),
        "host h1: blackhole route to 10.64.16.0/20 (10.64.16.0/20) overlaps the block of host h2 (10.64.16.0/20). "
        "Delete the route ('ip route del blackhole 10.64.16.0/20'), and its configuration.",
    ),
    "a route to a peer's block in another table": (
        report(routes=[{**route("10.64.16.0/20", "192.0.2.9", "wg0"), "table": 52}]),
        "host h1: route to 10.64.16.0/20 via 192.0.2.9 on wg0 in table 52 (10.64.16.0/20) overlaps the block of host "
        "h2 (10.64.16.0/20). Delete the route ('ip route del 10.64.16.0/20 via 192.0.2.9 dev wg0 table 52'), and its "
        "configuration. If its addresses must stay there: s" + MOVE_H2,
    ),
    "an unmanaged Docker network": (
        report(networks=[network("lab", "10.64.16.0/25", "br-1")]),
        "host h1: Docker network lab (10.64.16.0/25) overlaps the block of host h2 (10.64.16.0/20). Recreate the "
        "Docker network without a subnet: its engine then assigns one of the host's own pool. If its addresses "
        "must stay there: s" + MOVE_H2,
    ),
    "a LAN": (
        report(links=[link("eth0", "10.64.16.7/24")]),
        "host h1: address 10.64.16.7/24 of interface eth0 (10.64.16.0/24) overlaps the block of host h2 "
        "(10.64.16.0/20). S" + MOVE_H2,
    ),
    "a name server": (
        report(resolver=["10.64.16.9"]),
        "host h1: name server 10.64.16.9 (10.64.16.9/32) overlaps the block of host h2 (10.64.16.0/20). S" + MOVE_H2,
    ),
    "an IPv6 route": (
        report(routes=[route("fd00:64:0:101::/64", "fe80::9", "tun0")]),
        "host h1: route to fd00:64:0:101::/64 via fe80::9 on tun0 (fd00:64:0:101::/64) overlaps the block of host h2 "
        "(fd00:64:0:100::/56). Delete the route ('ip -6 route del fd00:64:0:101::/64 via fe80::9 dev tun0'), and its "
        "configuration. If its addresses must stay there: set docker_fleet_reservations.h2 to fd00:64:0:200::/56, "
        "which is free on all hosts, and add -e docker_fleet_renumber=true, which recreates the networks of host h2.",
    ),
}


def provisioned(number, **parts):
    """The report of a host that uses its block."""
    web = {"name": "web", "bridge": "fn-web", "managed": True}
    web["subnets"] = [{"subnet": f"10.64.{16 * number - 15}.0/24"}, {"subnet": f"fd00:64:0:{number - 1}01::/64"}]
    given = report(**parts)
    return {**given, "networks": [web, *given["networks"]]}


@pytest.mark.parametrize("name", IN_USE)
def test_a_block_that_is_in_use(name):
    found, message = IN_USE[name]
    held = plan_of(DUAL, HOSTS).leases
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(DUAL, HOSTS, held=held), {"h1": provisioned(1, **found), "h2": provisioned(2)})
    assert [str(conflict) for conflict in caught.value.conflicts] == [message]


WIDER = {
    "a VPN's summary route": report(routes=[route("10.0.0.0/8", "192.0.2.9", "tun0")]),
    "a route to the whole supernet": report(routes=[route("10.64.0.0/12", "192.0.2.9", "tun0")]),
    "a blackhole route to private addresses": report(
        routes=[{**route("10.0.0.0/8", device=None), "type": "blackhole"}]
    ),
    "a blackhole route to the host's own block": report(
        routes=[{**route("10.64.0.0/20", device=None), "type": "blackhole"}]
    ),
    "a wide LAN": report(links=[link("eth0", "10.1.2.3/8")], routes=[route("10.0.0.0/8", protocol=2)]),
    "IPv6": report(routes=[route("fd00::/8", "fe80::9", "tun0")]),
}


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_route_is_no_conflict_with_blocks_that_are_in_use(name):
    held = plan_of(DUAL, HOSTS).leases
    reports = {"h1": {**provisioned(1), **{key: value for key, value in WIDER[name].items() if value}}}
    check_conflicts(plan_of(DUAL, HOSTS, held=held), reports)
    # a host that joins has a block that nothing uses yet
    hosts = {**HOSTS, "h3": {"ansible_host": "192.0.2.3", "underlay_address_v6": "2001:db8::3"}}
    joined = plan_of(DUAL, hosts, held=held)
    if "own block" in name:
        check_conflicts(joined, reports)
        return
    with pytest.raises(Conflicts, match="overlaps the block of host h3") as caught:
        check_conflicts(joined, reports)
    assert len(caught.value.conflicts) == 1


def test_a_lease_that_was_never_applied_is_not_in_use():
    held = plan_of(FLEET, HOSTS).leases
    with pytest.raises(Conflicts, match="overlaps the block of host h1"):
        check_conflicts(plan_of(FLEET, HOSTS, held=held), {"h1": WIDER["a VPN's summary route"]})


@pytest.mark.parametrize("allowed", ["10.0.0.0/8", "0.0.0.0/0"])
def test_the_user_can_allow_a_route_by_name(allowed):
    fleet = {**FLEET, "default_bridge": {"allow_overlap": [allowed]}}
    routes = [route("10.0.0.0/8", "192.0.2.9"), {**route("10.64.0.0/16", "192.0.2.9"), "table": 52}]
    plan = plan_of(fleet, HOSTS)
    check_conflicts(plan, {"h1": report(routes=routes)})
    with pytest.raises(Conflicts):
        check_conflicts(plan_of(FLEET, HOSTS), {"h1": report(routes=routes)})
    # the addresses of an allowed route are offered
    with pytest.raises(Conflicts, match=r"Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free"):
        check_conflicts(plan, {"h1": report(routes=routes[:1], resolver=["10.64.0.9"])})
    # name servers, the controller and Docker networks are never allowed
    for found in (
        report(resolver=["10.64.0.9"]),
        report(control_path={"client": "10.64.16.1", "server": "192.0.2.1"}),
        report(networks=[network("lab", "10.64.16.0/25", "br-1")]),
    ):
        with pytest.raises(Conflicts):
            check_conflicts(plan, {"h1": found})


def test_the_remedies_end_the_conflict():
    """Each remedy that a message gives is applied: the plan then accepts the same reports."""
    for found, _message in TAKEN.values():
        with pytest.raises(Conflicts) as caught:
            check_conflicts(plan_of(DUAL, HOSTS), {"h1": found})
        message = str(caught.value)
        fleet = {**DUAL, "reservations": {}}
        for variable, block in re.findall(r"et docker_fleet_(\S+) to ([0-9a-f.:/]+),", message):
            key, _dot, host = variable.partition(".")
            fleet[key] = {host: block} if host else block
        plan_around(lambda avoid, fleet=fleet: plan_of(fleet, HOSTS, avoid=avoid), {"h1": found})
        for block in re.findall(r"add (\S+) to docker_fleet_default_bridge.allow_overlap", message):
            check_conflicts(plan_of({**DUAL, "default_bridge": {"allow_overlap": [block]}}, HOSTS), {"h1": found})
    held = plan_of(DUAL, HOSTS).leases
    for found, _message in IN_USE.values():
        reports = {"h1": provisioned(1, **found), "h2": provisioned(2)}
        with pytest.raises(Conflicts) as caught:
            check_conflicts(plan_of(DUAL, HOSTS, held=held), reports)
        message = str(caught.value)
        offers = re.findall(r"reservations\.(\S+) to ([0-9a-f.:/]+),", message)
        for host, block in offers:
            fleet = {**DUAL, "reservations": {host: block}}
            check_conflicts(plan_of(fleet, HOSTS, held=held, renumber=True), reports)
        for deleted in re.findall(r"'ip (?:-6 )?route del (?:blackhole )?([0-9a-f.:/]+)", message):
            left = [each for each in reports["h1"]["routes"] if each["destination"] != deleted]
            check_conflicts(plan_of(DUAL, HOSTS, held=held), {**reports, "h1": {**reports["h1"], "routes": left}})
            offers.append((None, deleted))
        assert offers


def test_the_name_of_a_network_cannot_look_like_a_line_about_another_host():
    name = "x (10.64.1.0/24) overlaps the block of host h2"
    with pytest.raises(Conflicts, match=rf"  - host h1: Docker network '{re.escape(name)}' \(10.64.0.0/24\) overlaps"):
        check_conflicts(plan_of(FLEET, HOSTS), {"h1": report(networks=[network(name, "10.64.0.0/24")])})


def test_a_conflict_on_many_hosts_is_one_line():
    hosts = {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in range(1, 9)}
    with pytest.raises(Conflicts, match=r"1 address conflict.*\n  - hosts h1, h2, h3, h4, h5 and 3 more: name server"):
        check_conflicts(plan_of(FLEET, hosts), dict.fromkeys(hosts, report(resolver=["10.64.0.9"])))


def test_a_host_that_reports_a_conflict_twice_is_named_once():
    networks = [network("x", "10.64.16.0/24", "br-1"), network("x", "10.64.16.0/24", "br-2")]
    with pytest.raises(Conflicts, match=r"\n  - host h1: Docker network x \(10.64.16.0/24\) overlaps"):
        check_conflicts(plan_of(FLEET, HOSTS), {"h1": report(networks=networks)})


KEPT = {**FLEET, "networks": ["db", {"name": "web", "subnets": {"h1": "172.18.0.0/16"}}]}
ITS_OWN = report(
    networks=[network("web", "172.18.0.0/16", "br-0123456789ab")],
    links=[link("br-0123456789ab", "172.18.0.1/16")],
    routes=[route("172.18.0.0/16", device="br-0123456789ab", protocol=2)],
)


def test_the_network_that_keeps_its_subnet_is_no_conflict():
    check_conflicts(plan_of(KEPT, HOSTS), {"h1": ITS_OWN})


def test_a_route_that_is_wider_than_a_kept_subnet_is_no_conflict():
    wide = [route("172.16.0.0/12", "192.0.2.254")]
    reports = {"h1": {**ITS_OWN, "routes": [*ITS_OWN["routes"], *wide]}, "h2": report(routes=wide)}
    check_conflicts(plan_of(KEPT, HOSTS), reports)


def test_a_kept_subnet_that_another_host_uses_is_a_conflict():
    taken = report(networks=[network("shop_default", "172.18.0.0/16", "br-12")])
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(KEPT, HOSTS), {"h1": ITS_OWN, "h2": taken})
    assert str(caught.value).splitlines()[1:] == [
        "  - host h2: Docker network shop_default (172.18.0.0/16) overlaps network web on host h1 (172.18.0.0/16). "
        "Recreate the Docker network without a subnet: its engine then assigns one of the host's own pool. If its "
        "addresses must stay there: leave h1 out of docker_fleet_networks[1].subnets: the network then leases a subnet "
        "of the host's block, which recreates it. If host h1 has it from another program and has not adopted it, "
        "remove it there first."
    ]


def test_the_subnet_of_a_network_that_is_given_back_stays_its_own():
    """The host that has it keeps it, so no network of another host gets it."""
    fleet = {**FLEET, "networks": [{"name": "web", "subnets": {"h2": "172.18.0.0/16"}}]}
    given_back = report(networks=[network("shop", "172.18.0.0/16", "br-1", adopted=True)])
    with pytest.raises(Conflicts, match=r"host h1: Docker network shop .* overlaps network web on host h2"):
        check_conflicts(plan_of(fleet, HOSTS), {"h1": given_back, "h2": report()})
