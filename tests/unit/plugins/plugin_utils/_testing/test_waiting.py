# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a state."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing import waiting


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that advances only while a test sleeps; the list has what it slept."""
    slept: list[float] = []
    monkeypatch.setattr(waiting.time, "sleep", slept.append)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: sum(slept))
    return slept


def test_the_accepted_state_is_returned_without_a_delay(clock):
    assert waiting.wait_until("web runs", lambda: "running") == "running"
    assert clock == []


def test_the_state_is_read_until_it_is_accepted(clock):
    states = iter([3, 4, 5, 6])
    assert waiting.wait_until("five", lambda: next(states), lambda state: state == 5, pause=2) == 5
    assert clock == [2, 2]


def test_the_error_has_what_was_awaited_and_the_last_state(clock):
    states = iter(range(100))
    with pytest.raises(AssertionError, match=r"^web runs: not so within 3 s\. The last state is: 4$"):
        waiting.wait_until("web runs", lambda: next(states), lambda _state: False, limit=3, pause=1)
    assert len(clock) == 4
