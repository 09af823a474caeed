# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a part is checked next."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.schedule import (
    LONGEST_PAUSE,
    POLL,
    RETRY,
    SETTLE,
    Attempts,
    Schedule,
)


@pytest.fixture
def idle() -> Schedule:
    """The schedule of a part that was checked at 0."""
    schedule = Schedule(-1)
    assert schedule.due == -1 + SETTLE
    schedule.started()
    schedule.checked(0, repaired=False)
    return schedule


def test_without_a_message_it_is_checked_rarely(idle: Schedule) -> None:
    assert idle.due == POLL


def test_the_messages_of_one_change_start_one_check(idle: Schedule) -> None:
    idle.changed(10)
    idle.changed(10 + SETTLE / 2)
    assert idle.due == 10 + SETTLE


def test_a_change_during_a_check_starts_another(idle: Schedule) -> None:
    idle.changed(10)
    idle.started()
    assert idle.due == float("inf")
    idle.changed(11)
    idle.checked(12, repaired=True)
    assert idle.due == 12


def test_a_check_that_failed_is_repeated(idle: Schedule) -> None:
    idle.started()
    idle.checked(10, repaired=False, failed=True)
    assert (idle.due, idle.repairs) == (10 + RETRY, 0)


def test_repairs_that_another_program_undoes_become_rarer_and_end_with_it(idle: Schedule) -> None:
    now, waits = 0.0, []
    for _repair in range(27):
        idle.changed(now)
        waits.append(idle.due - now)
        now = idle.due
        idle.started()
        idle.checked(now, repaired=True)
    assert waits[:21] == pytest.approx([SETTLE] * 21)
    assert waits[21:25] == pytest.approx([2, 4, 8, 16])
    assert max(waits) <= LONGEST_PAUSE
    assert idle.repairs == 27
    now = idle.due
    idle.started()
    idle.checked(now, repaired=False)
    idle.changed(now)
    assert idle.due == now + SETTLE


def test_what_fails_again_and_again_is_tried_after_pauses_that_grow() -> None:
    attempts = Attempts()
    now, pauses = 100.0, []
    assert attempts.due <= now
    for _time in range(8):
        attempts.failed(now, 0.5)
        pauses.append(attempts.due - now)
        now = attempts.due
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE]
    # one that lasted is tried again at once
    attempts.failed(now, 60.0)
    assert attempts.due == now
    attempts.failed(now, 0.0)
    assert attempts.due == now
    attempts.failed(now)
    assert attempts.due == now + 1
