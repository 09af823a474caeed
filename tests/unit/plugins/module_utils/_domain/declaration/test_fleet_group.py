# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group of a run's fleet, by what the inventory declares (golden/fleet_groups.yml; messages in its neighbor)."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import (
    Limit,
    check_one_fleet,
    choose_group,
    file_stem,
)

from ..planning import GOLDEN, assert_golden, message_of

CASES = yaml.safe_load((GOLDEN / "fleet_groups.yml").read_text(encoding="utf-8"))


def arguments(case):
    limit = Limit(",".join(case["limit"]), frozenset(case["limit"])) if "limit" in case else None
    return case["groups"], case.get("values", {}), limit


@pytest.mark.parametrize("case", [case for case in CASES if "fleet" in case], ids=lambda case: case["case"])
def test_the_fleet_of_a_run(case):
    assert choose_group(*arguments(case)) == case["fleet"]


def test_messages():
    found = {case["case"]: message_of(choose_group, *arguments(case)) for case in CASES if "fleet" not in case}
    others = {"/i/docker_fleet.lock.yml": ["h1", "h2"], "/i/edge.lock.yml": ["e1"]}
    found["a host in two lock files"] = message_of(check_one_fleet, "engines", ["h2"], "/i/engines.lock.yml", others)
    assert_golden("fleet_group_errors.yml", found)


def test_hosts_of_other_fleets_are_no_obstacle():
    check_one_fleet("engines", ["h3"], "/i/engines.lock.yml", {"/i/docker_fleet.lock.yml": ["h1", "h2"]})


def test_a_group_names_files_in_one_folder():
    assert file_stem("docker_fleet") == "docker_fleet"
    assert file_stem("../a b:c") == ".._a_b_c"
