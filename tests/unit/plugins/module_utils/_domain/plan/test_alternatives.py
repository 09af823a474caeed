# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is leased or offered instead of addresses that hosts use."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import (
    Conflicts,
    check_conflicts,
    plan_around,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks

from ..planning import plan_of
from .test_conflicts import FLEET, HOSTS, link, network, report, route


def blocks_around(reports, fleet, held=None):
    plan = plan_around(lambda avoid: plan_of(fleet, HOSTS, held=held, avoid=avoid), reports)
    return {name: str(block) for name, block in plan.leases.of(4).blocks.items()}


def test_new_leases_avoid_what_the_hosts_report():
    reports = {
        "h1": report(resolver=["10.64.0.9"], links=[link("eth0", "10.64.32.7/24")]),
        "h2": report(networks=[network("lab", "10.64.16.0/24")]),
    }
    assert blocks_around(reports, FLEET) == {"h1": "10.64.48.0/20", "h2": "10.64.64.0/20"}
    assert blocks_around({"h1": report(routes=[route("10.64.0.0/14", "192.0.2.9")])}, FLEET)["h1"] == "10.68.0.0/20"


def avoided_by(reports):
    found = []
    plan_around(lambda avoid: plan_of(FLEET, HOSTS, avoid=avoid), reports, found.append)
    return [str(each) for each in found]


def test_what_moves_new_leases_of_other_hosts_is_named_with_who_reports_it():
    route_to_first = report(routes=[route("10.64.0.0/20", "192.0.2.9")])
    (message,) = avoided_by({"h2": route_to_first})
    assert re.fullmatch(
        r"host h2: route to 10\.64\.0\.0/20 .*\(10\.64\.0\.0/20\): new leases avoid it, which moves those of host "
        r"h1\. If these addresses are not in use, examine what reports them, and leave it out until then: "
        r"--limit '!h2'\.",
        message,
    )
    # The lease of the host that reports it moves, and with it the next one.
    (message,) = avoided_by({"h1": route_to_first})
    assert "moves those of host h2." in message
    # One route that hits several leases in turn is named once.
    (message,) = avoided_by({"h2": report(routes=[route("10.64.0.0/14", "192.0.2.9")])})
    assert message.startswith("host h2: route to 10.64.0.0/14")


def test_what_moves_only_leases_of_hosts_that_report_it_is_not_named():
    first, second = (report(routes=[route(block, "192.0.2.9")]) for block in ("10.64.0.0/20", "10.64.16.0/20"))
    assert avoided_by({"h1": first, "h2": first}) == []
    assert avoided_by({"h2": second}) == []
    assert avoided_by({"h1": report(), "h2": report()}) == []


def test_leases_reservations_and_a_full_supernet_are_not_avoided():
    name_server = {"h1": report(resolver=["10.64.0.9"])}
    with pytest.raises(Conflicts, match=r"Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free"):
        blocks_around(name_server, {**FLEET, "reservations": {"h1": "10.64.0.0/20"}})
    with pytest.raises(Conflicts, match=r"renumber=true, which recreates the networks of host h1"):
        blocks_around(name_server, FLEET, held=plan_of(FLEET, HOSTS).leases)
    with pytest.raises(Conflicts, match=r"No /20 is free in 10.64.0.0/19; set docker_fleet_supernet to 10.0.32.0/19"):
        blocks_around({"h1": report(resolver=["10.64.0.9", "10.0.0.9"])}, {**FLEET, "supernet": "10.64.0.0/19"})
    with pytest.raises(Conflicts, match=r"add 10.0.0.0/8 to docker_fleet_default_bridge.allow_overlap"):
        blocks_around({"h1": report(routes=[route("10.0.0.0/8", "192.0.2.9")])}, FLEET)


def test_all_conflicts_are_reported_at_once_and_each_is_offered_another_block():
    reports = {
        "h1": report(resolver=["10.64.0.9", "10.64.16.9"]),
        "h2": report(resolver=["10.64.0.9"], networks=[network("lab", "10.64.0.0/24")]),
    }
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(FLEET, HOSTS), reports)
    assert str(caught.value) == (
        "3 address conflict(s) between the plan and the hosts. No host was changed:\n"
        "  - hosts h1, h2: name server 10.64.0.9 (10.64.0.9/32) overlaps the block of host h1 (10.64.0.0/20). "
        "Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free on all hosts.\n"
        "  - host h1: name server 10.64.16.9 (10.64.16.9/32) overlaps the block of host h2 (10.64.16.0/20). "
        "Set docker_fleet_reservations.h2 to 10.64.48.0/20, which is free on all hosts.\n"
        "  - host h2: Docker network lab (10.64.0.0/24) overlaps the block of host h1 (10.64.0.0/20). "
        "Set docker_fleet_reservations.h1 to 10.64.32.0/20, which is free on all hosts."
    )


def test_a_supernet_that_is_full_is_replaced():
    def alternatives(*servers):
        with pytest.raises(Conflicts) as caught:
            check_conflicts(
                plan_of(FLEET, HOSTS), {"h1": report(routes=[route("10.0.0.0/8", "192.0.2.9")], resolver=servers)}
            )
        return [conflict.alternative for conflict in caught.value.conflicts]

    allow = (
        "if nothing there uses addresses of the block of host h1, add 10.0.0.0/8 to docker_fleet_default_bridge."
        "allow_overlap. Otherwise: "
    )
    assert alternatives("10.64.0.9", "172.16.0.9") == [
        f"{allow}no /12 is free in private address space",
        "no /20 is free in 10.64.0.0/12; no /12 is free in private address space",
    ]
    supernet = "set docker_fleet_supernet to 172.16.0.0/12, which is free on all hosts"
    assert alternatives("10.64.0.9", "10.64.16.9") == [
        allow + supernet,
        f"no /20 is free in 10.64.0.0/12; {supernet}",
        f"no /20 is free in 10.64.0.0/12; {supernet}",
    ]


def test_free_blocks():
    def free(within, length, *taken):
        found = FreeBlocks(Prefix.parse(text) for text in taken).take(Prefix.parse(within), length)
        return found and str(found)

    assert free("10.0.0.0/8", 12) == "10.0.0.0/12"
    assert free("10.0.0.0/8", 12, "10.0.0.0/8") is None
    assert free("10.0.0.0/8", 12, "0.0.0.0/0") is None
    assert free("10.0.0.0/8", 12, "10.0.0.0/12", "10.17.0.0/24") == "10.32.0.0/12"
    assert free("10.0.0.0/30", 31, "10.0.0.0/32", "10.0.0.1/32") == "10.0.0.2/31"
    assert free("10.0.0.0/24", 20) is None
    blocks = FreeBlocks([Prefix.parse("10.0.1.0/24")])
    wide = Prefix.parse("10.0.0.0/22")
    assert [str(blocks.take(wide, length)) for length in (24, 25, 24, 25, 24)] == [
        "10.0.0.0/24",
        "10.0.2.0/25",
        "10.0.3.0/24",
        "10.0.2.128/25",
        "None",
    ]


def test_another_pinned_subnet_is_offered_outside_of_the_supernet():
    fleet = {"supernet": "10.0.0.0/9", "networks": [{"name": "old", "subnet": "172.30.0.0/24", "hosts": ["h1"]}]}
    with pytest.raises(Conflicts) as caught:
        check_conflicts(plan_of(fleet, HOSTS), {"h1": report(resolver=["172.30.0.9"])})
    (conflict,) = caught.value.conflicts
    assert conflict.alternative == "set docker_fleet_networks[0].subnet to 10.128.0.0/24, which is free on all hosts"
