# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan whose leases do not match the blocks that hosts use, for example without the lock file."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.used_blocks import (
    UsedBlocks,
    check_used_blocks,
)

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "supernet_v6": "fd00:64::/48", "networks": ["web"]}
HOSTS = {
    f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"2001:db8::{number}"}
    for number in (1, 2, 3)
}


LABELS = {"io.fleetnet.managed": "true"}


def reports_of(plan, unreachable=()):
    """What the hosts report once the plan is applied."""
    reports = {}
    for host in plan.hosts:
        networks = [
            {"name": network.name, "managed": True, "labels": LABELS, "subnets": [{"subnet": str(subnet)}]}
            for network, subnet in plan.networks_of(host)
        ]
        docker0 = [{"subnet": str(subnet)} for subnet in plan.default_bridge(host)]
        networks.append({"name": "bridge", "managed": False, "subnets": docker0})
        routes = [
            {"destination": str(block), "gateway": gateway, "protocol": 213}
            for peer in plan.hosts
            if peer is not host
            for block, gateway in zip(plan.blocks(peer), (peer.underlay, peer.underlay_v6), strict=False)
        ]
        routes.append({"destination": "default", "gateway": "192.0.2.254", "protocol": 3})
        reports[host.name] = {"networks": networks, "routes": routes}
    return {name: report for name, report in reports.items() if name not in unreachable}


def test_hosts_that_use_their_blocks():
    plan = plan_of(FLEET, HOSTS)
    check_used_blocks(plan, reports_of(plan))
    check_used_blocks(plan, {})


@pytest.mark.parametrize("order", list(itertools.permutations(HOSTS)))
def test_without_the_lock_file_no_host_gets_the_block_of_another(order):
    before = plan_of(FLEET, HOSTS)
    plan = plan_of(FLEET, {name: HOSTS[name] for name in order})
    if plan.leases == before.leases:
        check_used_blocks(plan, reports_of(before))
        return
    with pytest.raises(UsedBlocks) as caught:
        check_used_blocks(plan, reports_of(before))
    moved = {name for name in HOSTS if plan.leases.of(4).blocks[name] != before.leases.of(4).blocks[name]}
    assert {each.host for each in caught.value.used} == moved


def test_the_remedy_restores_the_leases():
    before = plan_of(FLEET, HOSTS)
    plan = plan_of(FLEET, dict(reversed(HOSTS.items())))
    with pytest.raises(UsedBlocks) as caught:
        check_used_blocks(plan, reports_of(before))
    reservations = {each.host: [] for each in caught.value.used}
    for each in caught.value.used:
        reservations[each.host].append(str(each.block))
    again = plan_of({**FLEET, "reservations": reservations}, dict(reversed(HOSTS.items())))
    assert again.leases == before.leases
    assert "reservations to {h1: [10.64.0.0/20, fd00:64::/56], h3: [" in str(caught.value)
    check_used_blocks(again, reports_of(before))


def test_the_message_names_the_hosts_and_the_remedies():
    fleet = {"supernet": "10.64.0.0/12", "networks": ["web"]}
    before = plan_of(fleet, HOSTS)
    with pytest.raises(UsedBlocks) as caught:
        check_used_blocks(plan_of(fleet, dict(reversed(HOSTS.items()))), reports_of(before, unreachable=["h1"]))
    assert str(caught.value) == (
        "The lock file does not match the blocks that the hosts use. No host was changed:\n"
        "  - host h1 uses 10.64.0.0/20 (route on host h3), which the plan leases to host h3\n"
        "  - host h3 uses 10.64.32.0/20 (network web), which the plan leases to host h1\n"
        "Restore the lock file from version control. If it is lost, set docker_fleet_reservations to {h1: "
        "10.64.0.0/20, h3: 10.64.32.0/20}. To give the hosts other addresses, which recreates their networks, add -e "
        "docker_fleet_renumber=true."
    )


def test_a_wrong_route_is_not_held_against_a_host_that_reports_itself():
    plan = plan_of(FLEET, HOSTS)
    reports = reports_of(plan)
    for route in reports["h2"]["routes"]:
        if route["gateway"] == plan.hosts[2].underlay:
            route["gateway"] = plan.hosts[0].underlay
    check_used_blocks(plan, reports)


def test_docker0_alone_is_no_evidence():
    """A host that was removed keeps docker0's address, also when it returns with another block."""
    before = plan_of({**FLEET, "networks": []}, {"h1": HOSTS["h1"]})
    plan = plan_of({**FLEET, "networks": []}, dict(reversed(HOSTS.items())))
    check_used_blocks(plan, reports_of(before))


def test_an_adopted_network_is_no_evidence():
    """Its subnet was never leased. In the block of another host, it is a conflict."""
    plan = plan_of(FLEET, HOSTS)
    taken = {"subnet": str(plan.leases.of(4).blocks["h2"].at(1 << 8, 24))}
    network = {"name": "shop", "managed": True, "labels": {}, "subnets": [taken]}
    check_used_blocks(plan, {"h1": {"networks": [network]}})
    with pytest.raises(UsedBlocks):
        check_used_blocks(plan, {"h1": {"networks": [{**network, "labels": LABELS}]}})
