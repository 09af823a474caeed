# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the reconciler looks at files that others may change, with a clock of the test."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler import reconciler as module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.reconciler import Reconciler, Settings


class NoRuns:
    """No run was interrupted."""

    def exist(self) -> bool:
        return False

    def interrupted(self) -> bool:
        return False


class Turns:
    """Turns of a reconciler that receives no message. ``now`` is the time, ``slept`` the duration of the last turn."""

    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept = 1000.0, 0.0
        self.script, self.state_file = folder / "apply", folder / "state"
        settings = Settings(
            {"routes": str(self.script)}, str(folder / "nft"), str(folder / "engine"), str(folder / "pid"),
            str(folder / "control"), str(self.state_file), str(folder / "saved"), "1", lambda: (), (), NoRuns(),
        )  # fmt: skip
        self.reconciler = Reconciler(settings)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(self.reconciler._selector, "select", self._select)

    def _select(self, seconds: float) -> list[t.Any]:
        self.slept = seconds
        return []

    def turn(self) -> list[str]:
        """The parts in the state after a turn."""
        self.reconciler._turn()
        return list(json.loads(self.state_file.read_text("utf-8"))["parts"])

    def close(self) -> None:
        if self.reconciler._control is not None:
            self.reconciler._control.close()
        self.reconciler._selector.close()


@pytest.fixture
def turns(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Turns]:
    found = Turns(tmp_path, monkeypatch)
    yield found
    found.close()


def test_a_file_that_appears_after_a_look_is_found_without_a_message(turns: Turns) -> None:
    assert turns.turn() == []
    turns.script.write_text("#!/bin/sh\n")
    turns.script.chmod(0o755)
    turns.now += module._LOOK * 0.4  # a message
    assert turns.turn() == []
    assert turns.slept == pytest.approx(module._LOOK * 0.6)
    turns.now += turns.slept
    assert turns.turn() == ["routes"]
