# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from fleetbed.mend import Do, ExistingContainer, plan

DESIRED = {"world": "w", "h1": "1"}


def there(name: str, status: str = "running", fingerprint: str = "") -> ExistingContainer:
    return ExistingContainer(f"id-{name}", name, status, fingerprint or DESIRED.get(name, ""))


@pytest.mark.parametrize(
    ("observed", "steps"),
    [
        pytest.param([there("world"), there("h1")], [], id="all is well"),
        pytest.param([there("world")], [(Do.CREATE, "h1")], id="one is missing"),
        pytest.param([], [(Do.CREATE, "world"), (Do.CREATE, "h1")], id="nothing is there"),
        pytest.param([there("world"), there("h1", "exited")], [(Do.START, "h1")], id="stopped"),
        pytest.param([there("world"), there("h1", "paused")], [(Do.UNPAUSE, "h1")], id="paused"),
        pytest.param([there("world"), there("h1", "restarting")], [], id="in the middle of a reboot"),
        pytest.param(
            [there("world"), there("h1", "created")], [(Do.REMOVE, "h1"), (Do.CREATE, "h1")], id="left unfinished"
        ),
        pytest.param(
            [there("world"), there("h1", fingerprint="old")],
            [(Do.REMOVE, "h1"), (Do.CREATE, "h1")],
            id="made by another recipe",
        ),
        pytest.param([there("world"), there("h1"), there("h2")], [(Do.REMOVE, "h2")], id="one too many"),
        pytest.param([there("world"), there("h1"), there("h1")], [(Do.REMOVE, "h1")], id="twice"),
    ],
)
def test_plan(observed: list[ExistingContainer], steps: list[tuple[Do, str]]) -> None:
    assert [(step.do, step.name) for step in plan(DESIRED, observed)] == steps


def test_steps_about_a_container_name_it_by_id() -> None:
    (step,) = plan({}, [there("h1")])
    assert (step.container, step.reason) == ("id-h1", "not wanted any more")
