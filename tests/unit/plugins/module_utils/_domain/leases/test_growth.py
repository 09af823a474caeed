# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations that contradict held leases, each with its remedy."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/19", "networks": ["web", {"name": "db", "prefix_length": 26}]}
HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}
HELD = plan_of(FLEET, HOSTS).leases
# without web and h1
LEFT = plan_of({**FLEET, "networks": ["db"]}, {"h2": HOSTS["h2"]}, held=HELD).leases

RENUMBER = (
    "add -e docker_fleet_renumber=true to assign new addresses to all hosts and networks, which recreates the networks."
)
CASES = {
    "a network grows": (
        {"networks": [{"name": "web", "prefix_length": 23}]},
        HOSTS,
        HELD,
        "docker_fleet_networks[0].prefix_length: 23: network 'web' holds a lease of /24, and leases do not move. Set "
        "prefix_length to 24, or declare a new network of /23.",
    ),
    "hosts grow": (
        {"host_prefix_length": 19},
        HOSTS,
        HELD,
        "docker_fleet_host_prefix_length: 19: hosts hold leases of /20 blocks, and leases do not move. Set it to 20. "
        "For networks that do not fit, pin a subnet outside of the supernet, or " + RENUMBER,
    ),
    "the supernet grows": (
        {"supernet": "10.64.0.0/12"},
        HOSTS,
        HELD,
        "docker_fleet_supernet: '10.64.0.0/12': the lock file holds leases from 10.64.0.0/19. Set it to that, or "
        + RENUMBER,
    ),
    "IPv4 leaves": (
        {"supernet": None, "supernet_v6": "fd00:64::/48"},
        {"h1": {"ansible_host": "2001:db8::1"}},
        HELD,
        "docker_fleet_supernet: None: is missing, and the lock file holds leases from 10.64.0.0/19. Set it to that, or "
        + RENUMBER,
    ),
    "a network that does not fit": (
        {"networks": ["db", {"name": "wide", "prefix_length": 21}]},
        HOSTS,
        LEFT,
        "docker_fleet_networks[1]: 'wide': no /21 is free in the hosts' blocks, which hold 3 leased networks and the "
        "engines' pools. To make it fit, set its prefix_length to 22 or longer, or reclaim the lease of a departed "
        "network (web) with -e docker_fleet_reclaim=web, or pin it to one host with subnet (outside of the supernet) "
        "and hosts.",
    ),
    "one host too many": (
        {},
        {"h2": HOSTS["h2"], "h3": {"ansible_host": "192.0.2.3"}},
        LEFT,
        "host h3: docker_fleet_supernet: '10.64.0.0/19': is too small: all 2 blocks of /20 are leased or reserved. "
        "Reclaim the block of a departed host (h1) with -e docker_fleet_reclaim=h1, or use a larger supernet or a "
        "longer docker_fleet_host_prefix_length for a new fleet.",
    ),
    "a reservation for a host that holds another block": (
        {"reservations": {"h1": "10.64.16.0/20"}},
        HOSTS,
        HELD,
        "host h1: docker_fleet_reservations.h1: '10.64.16.0/20': the host holds a lease of 10.64.0.0/20, and leases do "
        "not move. Remove the reservation, or add -e docker_fleet_renumber=true to move the host, which recreates its "
        "networks.",
    ),
    "a reservation of a block that another host holds": (
        {"reservations": {"h3": "10.64.0.0/20"}},
        {**HOSTS, "h3": {"ansible_host": "192.0.2.3"}},
        HELD,
        "host h3: docker_fleet_reservations.h3: '10.64.0.0/20': is leased to host h1. Reserve another block.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_growth(name):
    fleet, hosts, held, message = CASES[name]
    with pytest.raises(InvalidValue) as caught:
        plan_of({**FLEET, **fleet}, hosts, held=held)
    assert str(caught.value) == message


RENUMBERED = {
    "hosts grow": ({"host_prefix_length": 19, "supernet": "10.64.0.0/16"}, HOSTS),
    "the supernet grows": ({"supernet": "10.64.0.0/12"}, HOSTS),
    "IPv4 leaves": ({"supernet": None, "supernet_v6": "fd00:64::/48"}, {"h1": {"ansible_host": "2001:db8::1"}}),
    "two hosts swap their blocks": ({"reservations": {"h1": "10.64.16.0/20", "h2": "10.64.0.0/20"}}, HOSTS),
}


@pytest.mark.parametrize("name", RENUMBERED)
def test_renumbering_takes_consent_and_follows_the_declaration(name):
    fleet, hosts = RENUMBERED[name]
    declared = {**FLEET, **fleet}
    with pytest.raises(InvalidValue):
        plan_of(declared, hosts, held=HELD)
    book = plan_of(declared, hosts, held=HELD, renumber=True).leases
    assert book == plan_of(declared, hosts).leases
    assert plan_of(declared, hosts, held=book).leases == book


def test_renumbering_moves_only_what_contradicts_the_declaration():
    moved = plan_of({**FLEET, "supernet": "10.64.0.0/18"}, HOSTS).leases
    declared = {**FLEET, "supernet": "10.64.0.0/18", "reservations": {"h2": "10.64.32.0/20"}}
    book = plan_of(declared, HOSTS, held=moved, renumber=True).leases
    assert {host: str(block) for host, block in book.of(4).blocks.items()} == {
        "h1": "10.64.0.0/20",
        "h2": "10.64.32.0/20",
    }
    assert book.of(4).slots == moved.of(4).slots
    assert plan_of(FLEET, HOSTS, held=HELD, renumber=True).leases == HELD


def test_a_changed_default_moves_no_lease():
    """Neither the default of networks nor that of hosts."""
    plan = plan_of({**FLEET, "network_prefix_length": 25, "networks": ["web", "db", "new"]}, HOSTS, held=HELD)
    slots = plan.leases.of(4).slots
    assert {name: slots[name] for name in HELD.of(4).slots} == HELD.of(4).slots
    assert slots["new"].length == 25


def test_a_host_that_returns_gets_its_block_back():
    assert plan_of(FLEET, HOSTS, held=LEFT).leases.of(4).blocks == HELD.of(4).blocks
    assert plan_of(FLEET, HOSTS, held=LEFT).leases == HELD
