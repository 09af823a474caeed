# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from fleetbed.repair import Action, ExistingContainer, plan

DESIRED = {"world": "w", "h1": "1"}


def existing(name: str, status: str = "running", fingerprint: str = "") -> ExistingContainer:
    return ExistingContainer(f"id-{name}", name, status, fingerprint or DESIRED.get(name, ""))


@pytest.mark.parametrize(
    ("observed", "steps"),
    [
        pytest.param([existing("world"), existing("h1")], [], id="complete"),
        pytest.param([existing("world")], [(Action.CREATE, "h1")], id="missing host"),
        pytest.param([], [(Action.CREATE, "world"), (Action.CREATE, "h1")], id="new fleet"),
        pytest.param([existing("world"), existing("h1", "exited")], [(Action.START, "h1")], id="stopped"),
        pytest.param([existing("world"), existing("h1", "paused")], [(Action.UNPAUSE, "h1")], id="paused"),
        pytest.param([existing("world"), existing("h1", "restarting")], [], id="rebooting"),
        pytest.param(
            [existing("world"), existing("h1", "created")],
            [(Action.REMOVE, "h1"), (Action.CREATE, "h1")],
            id="incomplete",
        ),
        pytest.param(
            [existing("world"), existing("h1", fingerprint="old")],
            [(Action.REMOVE, "h1"), (Action.CREATE, "h1")],
            id="created from another recipe",
        ),
        pytest.param(
            [existing("world"), existing("h1"), existing("h2")], [(Action.REMOVE, "h2")], id="unexpected host"
        ),
        pytest.param([existing("world"), existing("h1"), existing("h1")], [(Action.REMOVE, "h1")], id="duplicate"),
    ],
)
def test_plan(observed: list[ExistingContainer], steps: list[tuple[Action, str]]) -> None:
    assert [(step.action, step.name) for step in plan(DESIRED, observed)] == steps


def test_steps_on_a_container_contain_its_id() -> None:
    (step,) = plan({}, [existing("h1")])
    assert (step.container, step.reason) == ("id-h1", "no longer required")
