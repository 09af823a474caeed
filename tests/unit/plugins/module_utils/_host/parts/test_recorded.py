# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A generation that cannot be recorded does not hide what was applied."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import recorded
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

PARAMS = {
    **{part.name: None for part in recorded.whole.PARTS},
    "state": "present",
    "generation": None,
    "run": "controller/user/1",
    "started": 7.0,
    "controller": "controller",
    "user": "user",
}


def test_the_failure_names_the_checkpoint_that_waits_for_its_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    class Damaged:
        def begin(self, *_arguments: t.Any) -> int:
            return 2

        def complete(self, *_arguments: t.Any) -> int:
            raise FleetnetError("/var/lib/fleetnet/generations/1.json: is not UTF-8 text.")

    def applied(_task: Task, _common: t.Any, begin: t.Callable[[], object]) -> dict[str, t.Any]:
        begin()
        return {"changed": True, "parts": {}, "operations": ["create network web"], "checkpoint": {"id": "7"}}

    monkeypatch.setattr(recorded, "GenerationFolder", Damaged)
    monkeypatch.setattr(recorded.whole, "apply", applied)
    task = Task(PARAMS, False, t.cast("t.Any", None), lambda _text: None)
    with pytest.raises(FleetnetError, match="is not UTF-8") as failed:
        recorded.apply(task, {})
    assert failed.value.result["checkpoint"] == {"id": "7"}
    assert failed.value.result["operations"] == ["create network web"]
