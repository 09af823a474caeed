# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may take the lock of a host."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.run_lock import (
    LEASE,
    Run,
    RunLock,
    RunLockHeld,
    claimed,
    holder_of,
    lock_text,
    parse_lock,
)

ALICE = Run("1", "ctl1", "alice")
AGAIN = Run("2", "ctl1", "alice")  # in another shell
BOB = Run("3", "ctl2", "bob")
NOON = 1738324800.0
HELD = RunLock(ALICE, NOON, 100.0 + LEASE)


@pytest.mark.parametrize(
    ("lock", "run", "now", "other"),
    [
        (None, BOB, 100, False),
        (HELD, ALICE, 200, False),
        (HELD, BOB, 200, True),
        (HELD, AGAIN, 200, True),
        (HELD, BOB, 100 + LEASE - 1, True),
        (HELD, BOB, 100 + LEASE, False),
    ],
)
def test_one_run_has_the_lock_until_it_expires(lock: RunLock, run: Run, now: float, other: bool) -> None:
    assert (holder_of(lock, run, now) is lock and lock is not None) == other
    if other:
        with pytest.raises(RunLockHeld):
            claimed(lock, run, now, NOON)
    else:
        assert claimed(lock, run, now, NOON).expires == now + LEASE


def test_a_run_that_takes_the_lock_again_prolongs_it_and_keeps_its_time() -> None:
    again = claimed(HELD, ALICE, 500, NOON + 400)
    assert again == RunLock(ALICE, NOON, 500 + LEASE)


def test_an_expired_lock_is_taken_over_with_a_new_time() -> None:
    assert claimed(HELD, BOB, 5000, NOON + 4900) == RunLock(BOB, NOON + 4900, 5000 + LEASE)


def test_the_error_names_the_run_its_time_and_what_to_do() -> None:
    with pytest.raises(RunLockHeld) as caught:
        claimed(HELD, BOB, 700, NOON + 600)
    assert str(caught.value) == (
        "/run/fleetnet/run-lock.json: 'alice on ctl1, since 2025-01-31 12:00:00 UTC': another run changes this host. "
        "Wait until it ends, or set docker_fleet_run_wait to the number of seconds to wait for it. If that run no "
        "longer exists, the lock expires in 21 min; to release it before, delete the file."
    )


def test_the_text_is_read_as_it_was_written() -> None:
    assert parse_lock(lock_text(HELD), 100) == HELD


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"id": "1", "controller": "c", "user": "u", "since": "x", "expires": 5}),
        json.dumps({"id": "1", "controller": "c", "user": "u", "since": 1e300, "expires": 5}),
        json.dumps({"id": "1", "controller": "c", "user": "u", "since": 5}),
        # of another clock: it would never expire
        json.dumps({"id": "1", "controller": "c", "user": "u", "since": 5, "expires": 1e9}),
    ],
)
def test_what_is_not_a_lock_excludes_no_run(text: str | None) -> None:
    assert parse_lock(text, 100) is None
