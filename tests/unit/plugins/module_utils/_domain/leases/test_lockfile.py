# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid lock files, each with the message (golden/lock_errors.yml), and valid manual edits."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook

from ..planning import GOLDEN, assert_golden, plan_of

CASES = yaml.safe_load((GOLDEN / "lock_errors.yml").read_text(encoding="utf-8"))
FLEET = {"supernet": "10.64.0.0/12", "networks": ["web"]}
HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}
GOOD = lockfile.render(plan_of(FLEET, HOSTS).leases)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_broken(case):
    lines: list[str | None] = list(GOOD.splitlines())
    for number, line in case.get("lines", {}).items():
        lines[number - 1] = line
    text = case.get("only", "\n".join(line for line in lines[: case.get("cut")] if line is not None))
    with pytest.raises(lockfile.BrokenLockFile) as caught:
        lockfile.parse(text, "fleet.lock.yml")
    assert str(caught.value) == (
        f"lock file fleet.lock.yml: {case['message']}. The file was not changed. Restore it from version control."
    )


def test_a_truncated_lock_file_is_invalid():
    for length in range(len(GOOD) - len("\n")):
        with pytest.raises(lockfile.BrokenLockFile):
            lockfile.parse(GOOD[:length], "lock")
    assert lockfile.parse(GOOD[:-1], "lock") == lockfile.parse(GOOD, "lock")


def test_golden():
    book = plan_of({**FLEET, "networks": []}, {"h2": HOSTS["h2"]}, held=plan_of(FLEET, HOSTS).leases).leases
    assert_golden("lock_files.yml", {"current": GOOD, "departed": lockfile.render(book)})


def test_it_is_valid_yaml():
    document = yaml.safe_load(GOOD)["docker_fleet_leases"]["vars"]
    assert document["networks"] == {"docker0": "0.0.0.0/24", "web": "0.0.1.0/24"}
    assert document["hosts"] == {"h1": "10.64.0.0/20", "h2": "10.64.16.0/20"}


def test_names_that_are_not_text_in_yaml():
    hosts = {
        name: {"ansible_host": f"192.0.2.{number}"} for number, name in enumerate(["no", "1e3", "a'b", "é", "h:1", "#"])
    }
    leases = plan_of(FLEET, hosts).leases
    text = lockfile.render(leases)
    assert lockfile.parse(text, "lock") == leases
    assert set(yaml.safe_load(text)["docker_fleet_leases"]["vars"]["hosts"]) == set(hosts)


def test_comments_and_other_quotes_are_accepted():
    text = GOOD.replace("      h1: 10.64.0.0/20", '  # the first\n      "h1":  10.64.0.0/20   # moved here in May')
    assert lockfile.parse(text, "lock") == lockfile.parse(GOOD, "lock")


def test_a_departed_name_keeps_its_lease_until_it_is_reclaimed():
    book = plan_of({**FLEET, "networks": []}, {"h2": HOSTS["h2"]}, held=plan_of(FLEET, HOSTS).leases).leases
    departed = (
        "    departed:\n      networks:\n        web: 0.0.1.0/24\n"
        "      # These may still use their blocks: remove_host has not reached them.\n"
        "      hosts:\n        h1: 10.64.0.0/20\n"
    )
    assert departed in lockfile.render(book)
    assert book.departed() == {"h1", "web"}
    assert "h1" not in lockfile.render(book.reclaimed(["h1"], unreachable=True))
    # declared names keep their leases if they are reclaimed
    assert book.reclaimed(["h2", "h1", "web"], unreachable=True).of(4).blocks == book.of(4).blocks


def departed_h1(removed):
    held = plan_of(FLEET, HOSTS).leases.with_removed(removed)
    return plan_of(FLEET, {"h2": HOSTS["h2"]}, held=held).leases


def test_the_block_of_a_host_that_may_still_use_it_is_released_only_by_consent():
    book = departed_h1([])
    with pytest.raises(InvalidValue) as caught:
        book.reclaimed(["h1"], unreachable=False)
    assert str(caught.value) == (
        "docker_fleet_reclaim: 'h1': may still use 10.64.0.0/20: it left the group, and playbooks/remove_host.yml has "
        "not reached it since. Add it to the inventory, in any group, and run that playbook with -e "
        "docker_fleet_remove=h1. If the host no longer exists, add -e docker_fleet_remove_unreachable=true."
    )
    assert book.reclaimed(["h1"], unreachable=True).departed_hosts() == {}
    assert book.reclaimed(["web", "h7"], unreachable=False) == book


def test_the_block_of_a_removed_host_is_released_without_further_consent():
    book = departed_h1(["h1"])
    text = lockfile.render(book)
    assert "      hosts: {}\n      removed_hosts:\n        h1: 10.64.0.0/20\n" in text
    assert "may still use" not in text
    assert lockfile.parse(text, "lock") == book
    assert book.reclaimed(["h1"], unreachable=False) == LeaseBook(
        tuple(dataclasses.replace(leases, departed_blocks={}) for leases in book.families)
    )
    returned = plan_of(FLEET, HOSTS, held=book).leases
    assert returned == plan_of(FLEET, HOSTS).leases
    # it leaves again, and this time the playbook does not run
    assert plan_of(FLEET, {"h2": HOSTS["h2"]}, held=returned).leases == departed_h1([])


def test_ipv6_can_be_added_later_and_moves_nothing():
    book = plan_of(FLEET, HOSTS).leases
    hosts = {name: {**own, "underlay_address_v6": f"2001:db8::{name[1:]}"} for name, own in HOSTS.items()}
    both = plan_of({**FLEET, "supernet_v6": "fd00:64::/48"}, hosts, held=book).leases
    assert both.of(4) == book.of(4)
    assert "  web: 0.0.1.0/24 0:0:0:1::/64\n" in lockfile.render(both)
    assert "  h2: 10.64.16.0/20 fd00:64:0:100::/56\n" in lockfile.render(both)


def test_offsets_in_large_blocks_of_ipv6():
    hosts = {"h1": {"ansible_host": "192.0.2.1", "underlay_address_v6": "2001:db8::1"}}
    fleet = {**FLEET, "supernet_v6": "fd00::/12", "host_prefix_length_v6": 24}
    book = plan_of(fleet, hosts).leases
    text = lockfile.render(book)
    assert "    pools: 0.0.8.0/21 0:80:0:0::/25\n" in text
    assert lockfile.parse(text, "lock") == book
