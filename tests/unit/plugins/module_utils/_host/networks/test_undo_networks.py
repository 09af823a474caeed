# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of networks is undone, whether it was complete or killed; a killed undo is completed by the next one."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    networks_text,
    parse_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import (
    current_networks,
    undo_networks,
)

from .networks_runs import Json, plan_on
from .test_executor import RECREATE
from .test_kills import HOST, Life, Process, killed, prepared


def undo(docker: t.Any, files: dict[str, str], journal: Journal, life: Life | None = None) -> list[str]:
    process = Process(docker, files, life)
    return undo_networks(process, process, journal)


def saved(docker: t.Any, items: list[Json], options: Json, planned: bool) -> Journal:
    """The former networks: those that the plan changes, or all of them."""
    if not planned:
        return parse_networks(current_networks(HOST, docker))
    return parse_networks(networks_text(HOST, plan_on(docker, *items, allow_disconnect=True, **options).steps))


# Without a plan, containers that joined a network which stays are those of users, and stay.
CASES = [
    pytest.param(*case.values, planned, id=f"{case.id}, {'planned' if planned else 'not known'}")
    for case in RECREATE
    for planned in (True, False)
    if planned or case.id != "only others connected"
]


@pytest.mark.parametrize(("items", "options", "planned"), CASES)
def test_a_complete_change_is_undone_also_if_the_undo_is_killed(
    items: list[Json], options: Json, planned: bool, record_property: t.Callable[[str, object], None]
) -> None:
    points = 0
    while True:
        docker, files = prepared("28.5.2"), {}
        old = docker.state()
        journal = saved(docker, items, options, planned)
        Process(docker, files).execute(*items, **options)
        assert docker.state() != old
        was_killed = killed(undo, docker, files, journal, Life(points // 2, bool(points % 2)))
        if was_killed:
            undo(docker, files, journal)
        assert docker.state() == old, f"killed at {points // 2}"
        assert undo(docker, files, journal) == []
        if not was_killed:
            break
        points += 1
    assert points > 4
    record_property("kill_positions", points)


@pytest.mark.parametrize(("items", "options"), RECREATE)
def test_a_change_that_was_killed_at_any_point_is_undone(items: list[Json], options: Json) -> None:
    docker = prepared("28.5.2")
    old = docker.state()
    life = Life()
    Process(docker, {}, life).execute(*items, **options)
    for number in range(life.actions):
        for after_effect in (False, True):
            docker, files = prepared("28.5.2"), {}
            journal = saved(docker, items, options, planned=True)
            assert killed(Process(docker, files, Life(number, after_effect)).execute, *items, **options)
            undo(docker, files, journal)
            assert docker.state() == old, f"killed at {number} ({after_effect})"
            assert files == {}
