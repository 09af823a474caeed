# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a state, for tests: the only place that does it."""

from __future__ import annotations

import time
import typing as t

# In seconds. A limit is not a delay: only a test that fails waits this long.
LIMIT = 120.0
PAUSE = 0.2

State = t.TypeVar("State")


def wait_until(
    what: str,
    read: t.Callable[[], State],
    accept: t.Callable[[State], t.Any] = bool,
    limit: float = LIMIT,
    pause: float = PAUSE,
) -> State:
    """Read a state until it is accepted, and return it.

    ``what`` is the awaited state as text. ``pause`` is the time between two readings, in seconds. Raises AssertionError
    with ``what`` and the last state if no state is accepted within ``limit`` seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        state = read()
        if accept(state):
            return state
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so within {limit:g} s. The last state is: {state!r}")
        time.sleep(pause)
