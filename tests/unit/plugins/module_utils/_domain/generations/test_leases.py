# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of generations, put back into the lock file."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.addresses import HostAddresses
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.leases import restored
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "networks": ["web", "db"]}
DUAL = {**FLEET, "supernet_v6": "fd00:64::/48"}
HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}
V6 = {"h1": {"underlay_address_v6": "2001:db8::1"}, "h2": {"underlay_address_v6": "2001:db8::2"}}


def book_of(fleet: dict[str, object], *hosts: str, held: LeaseBook | None = None) -> LeaseBook:
    return plan_of(fleet, {host: {**HOSTS[host], **(V6[host] if "supernet_v6" in fleet else {})} for host in hosts},
                   held=held).leases  # fmt: skip


def addresses(book: LeaseBook, *hosts: str) -> dict[str, HostAddresses]:
    """The addresses of hosts with these leases."""
    return {
        host: HostAddresses(
            tuple(leases.blocks[host] for leases in book.families),
            {
                name: tuple(
                    leases.blocks[host].at(leases.slots[name].offset, leases.slots[name].length)
                    for leases in book.families
                )
                for name in book.families[0].slots
            },
        )
        for host in hosts
    }


@pytest.mark.parametrize("fleet", [FLEET, DUAL])
def test_a_lock_file_that_has_the_leases_is_unchanged(fleet: dict[str, object]) -> None:
    book = book_of(fleet, "h1", "h2")
    assert restored(book, addresses(book, "h1", "h2")) == book
    assert restored(book, addresses(book, "h2")) == book
    assert restored(book, {}) == book


@pytest.mark.parametrize("fleet", [FLEET, DUAL])
def test_departed_leases_stay_departed(fleet: dict[str, object]) -> None:
    before = book_of(fleet, "h1", "h2")
    after = book_of({**fleet, "networks": ["web"]}, "h1", "h2", held=before)
    assert restored(after, addresses(before, "h1", "h2")) == after


def test_a_reclaimed_network_gets_its_place_again() -> None:
    before = book_of(FLEET, "h1", "h2")
    after = book_of({**FLEET, "networks": ["web"]}, "h1", "h2", held=before).reclaimed(["db"], unreachable=False)
    assert "db" not in lockfile.render(after)
    again = restored(after, addresses(before, "h1", "h2"))
    assert again.families[0].departed_slots == {"db": before.families[0].slots["db"]}
    assert book_of(FLEET, "h1", "h2", held=again) == before


def test_a_place_that_another_network_has_now_is_an_error() -> None:
    before = book_of(FLEET, "h1", "h2")
    without = book_of({**FLEET, "networks": ["web"]}, "h1", "h2", held=before).reclaimed(["db"], unreachable=False)
    after = book_of({**FLEET, "networks": ["web", "cache"]}, "h1", "h2", held=without)
    with pytest.raises(FleetnetError) as error:
        restored(after, addresses(before, "h1", "h2"))
    assert str(error.value) == (
        "network 'db': the place 0.0.2.0/24 in each block: the lock file leases it to 'cache' since. Leases do not "
        "move: choose a newer run."
    )


def test_a_reclaimed_host_gets_its_block_again() -> None:
    before = book_of(DUAL, "h1", "h2")
    gone = book_of(DUAL, "h2", held=before).with_removed(["h1"]).reclaimed(["h1"], unreachable=False)
    again = restored(gone, addresses(before, "h1", "h2"))
    assert lockfile.render(again) == lockfile.render(before)
    departed = book_of(DUAL, "h2", held=before).with_removed(["h1"])
    assert restored(departed, addresses(before, "h1")) == departed


def test_a_block_that_another_host_has_now_is_an_error() -> None:
    before = book_of(FLEET, "h1")
    gone = book_of(FLEET, "h2", held=book_of(FLEET, "h2")).families[0]
    assert gone.blocks["h2"] == before.families[0].blocks["h1"]
    with pytest.raises(FleetnetError) as error:
        restored(LeaseBook((gone,)), addresses(before, "h1"))
    assert str(error.value) == (
        "host 'h1': 10.64.0.0/20: the lock file leases it to 'h2' since. Leases do not move: choose a newer run."
    )


def test_a_renumbered_network_moves_back_on_all_hosts_or_on_none() -> None:
    other = book_of({**FLEET, "networks": ["db", "web"]}, "h1", "h2")
    book = book_of(FLEET, "h1", "h2")
    again = restored(book, addresses(other, "h1", "h2"))
    assert again.families[0].slots == other.families[0].slots
    with pytest.raises(FleetnetError) as error:
        restored(book, addresses(other, "h1"))
    assert str(error.value) == (
        "network 'db': it moves back to its former place in the blocks of all hosts, and host h2 would keep the newer "
        "one. Run playbooks/rollback.yml for the whole fleet, without --limit."
    )


def test_hosts_that_disagree_about_a_network_are_named() -> None:
    book, other = book_of(FLEET, "h1", "h2"), book_of({**FLEET, "networks": ["db", "web"]}, "h1", "h2")
    with pytest.raises(FleetnetError) as error:
        restored(book, {**addresses(book, "h1"), **addresses(other, "h2")})
    assert str(error.value) == (
        "hosts h1 and h2: network 'db': their generations have it at different places of their blocks (10.64.2.0/24, "
        "10.64.17.0/24). Choose a run after which both had the same, or one of the hosts with --limit."
    )


@pytest.mark.parametrize("fleet", [{**FLEET, "supernet": "10.96.0.0/12"}, {**FLEET, "host_prefix_length": 21}])
def test_leases_of_another_supernet_or_block_size_are_an_error(fleet: dict[str, object]) -> None:
    with pytest.raises(FleetnetError, match=r"^host h1: block .*: the generation has another supernet or block size"):
        restored(book_of(FLEET, "h1"), addresses(book_of(fleet, "h1"), "h1"))


def test_pinned_subnets_are_not_leases() -> None:
    book = book_of(FLEET, "h1", "h2")
    found = addresses(book, "h1")["h1"]
    pinned = HostAddresses(found.blocks, {**found.subnets, "legacy": addresses(book, "h2")["h2"].subnets["web"]})
    assert restored(book, {"h1": pinned}) == book
