# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of a host's generations, and what a run records in it, also if it fails or is killed."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    KEPT,
    Origin,
    run_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host import generations
from ansible_collections.fleetnet.docker.plugins.module_utils._host.generations import GenerationFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import recorded
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

ORIGIN = Origin("1f3870be", 1769855760.0, "controller1", "alice")
ONE, TWO = {"networks": {"networks": [{"name": "web"}]}}, {"networks": {"networks": []}}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> GenerationFolder:
    return GenerationFolder(str(tmp_path / "fleetnet" / "generations"))


def numbers(folder: GenerationFolder) -> list[int]:
    return [each.number for each in folder.read()]


def test_only_root_can_read_them(folder: GenerationFolder, tmp_path: pathlib.Path) -> None:
    folder.record(ORIGIN, ONE, {})
    path = tmp_path / "fleetnet" / "generations"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "1.json").stat().st_mode) == 0o600


def test_a_run_with_the_same_options_records_nothing(folder: GenerationFolder) -> None:
    assert [folder.record(ORIGIN, each, {}) for each in (ONE, ONE, TWO, TWO, ONE)] == [1, 1, 2, 2, 3]
    assert numbers(folder) == [1, 2, 3]


def test_a_run_that_changes_the_host_is_incomplete_until_it_ends(folder: GenerationFolder) -> None:
    folder.record(ORIGIN, ONE, {})
    number = folder.begin(ORIGIN, TWO, "404f8ee6")
    assert [(each.number, each.complete) for each in folder.read()] == [(1, True), (2, False)]
    assert folder.complete(number, {"mtu": 1450}) == 2
    newest = folder.read()[-1]
    assert (newest.complete, newest.daemon, newest.restores, newest.options) == (True, {"mtu": 1450}, "404f8ee6", TWO)


def test_a_run_that_only_repairs_the_host_leaves_no_generation_of_its_own(folder: GenerationFolder) -> None:
    folder.record(ORIGIN, ONE, {"mtu": 1450})
    assert folder.complete(folder.begin(ORIGIN, ONE), {"mtu": 1450}) == 1
    assert numbers(folder) == [1]


def test_the_oldest_ones_are_deleted_when_a_run_ends(folder: GenerationFolder) -> None:
    for _round in range(KEPT):
        folder.record(ORIGIN, ONE, {})
        folder.record(ORIGIN, TWO, {})
    last = 2 * KEPT
    assert numbers(folder) == list(range(last - KEPT + 1, last + 1))
    number = folder.begin(ORIGIN, ONE)
    assert len(numbers(folder)) == KEPT + 1  # the run may fail
    folder.complete(number, {})
    assert numbers(folder) == list(range(number - KEPT + 1, number + 1))


def test_a_number_is_not_used_again_and_foreign_files_stay(folder: GenerationFolder, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fleetnet" / "generations"
    path.mkdir(parents=True)
    (path / "7.json").write_text("truncated", encoding="utf-8")
    (path / "notes.json").write_text("{}", encoding="utf-8")
    assert folder.record(ORIGIN, ONE, {}) == 8
    assert numbers(folder) == [8]
    folder.delete()
    assert os.listdir(path) == ["notes.json"]


def test_deleting_them_deletes_empty_folders(folder: GenerationFolder, tmp_path: pathlib.Path) -> None:
    folder.delete()
    folder.record(ORIGIN, ONE, {})
    folder.delete()
    assert os.listdir(tmp_path) == []


class Killed(BaseException):
    """The process is killed at this point."""


@pytest.mark.parametrize("step", ["begin", "complete"])
@pytest.mark.parametrize("position", range(8))
def test_a_run_that_is_killed_while_it_records_leaves_the_state_before_it(
    folder: GenerationFolder, monkeypatch: pytest.MonkeyPatch, step: str, position: int
) -> None:
    for _round in range(KEPT):
        folder.record(ORIGIN, ONE, {})
        folder.record(ORIGIN, TWO, {})
    before = folder.read()
    number = folder.begin(ORIGIN, ONE) if step == "complete" else 0
    changes = 0

    def dying(change: t.Callable[..., object]) -> t.Callable[..., object]:
        def replacement(*arguments: t.Any, **options: t.Any) -> object:
            nonlocal changes
            if changes == position:
                raise Killed
            changes += 1
            return change(*arguments, **options)

        return replacement

    for name in ("write_atomically", "remove"):
        monkeypatch.setattr(generations, name, dying(getattr(generations, name)))
    try:
        if step == "begin":
            folder.begin(ORIGIN, ONE)
        else:
            folder.complete(number, {})
    except Killed:
        assert position < 2
    else:
        assert changes <= position
    found = folder.read()
    complete = [each for each in found if each.complete and each.number <= before[-1].number]
    assert complete == before[len(before) - len(complete) :]
    assert len(complete) >= KEPT - 1


PARAMS = {
    "state": "present",
    "default_bridge": {"mtu": 1450, "allow_restart": True},
    "bridge_routing": None,
    "networks": {"networks": [{"name": "web"}]},
    "host_routes": None,
    "generation": None,
    "run": "controller1/alice/4711",
    "started": 5.0,
    "controller": "controller1",
    "user": "alice",
}


class AppliedParts:
    """Replaces the parts of the host. ``changes``: whether they change it; ``fails``: after the first change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: GenerationFolder) -> None:
        self.given: list[dict[str, t.Any]] = []
        self.changes = True
        self.fails = False
        self.before_change: list[tuple[int, bool]] = []
        self._folder = folder
        monkeypatch.setattr(recorded.whole, "apply", self._apply)
        monkeypatch.setattr(recorded, "GenerationFolder", lambda: folder)

    def _apply(self, task: Task, common: object, begin: t.Callable[[], object] = lambda: None) -> dict[str, t.Any]:
        assert common == {"docker_host": "unix:///there"}
        self.given.append({part.name: task.params[part.name] for part in recorded.whole.PARTS})
        if self.changes and not task.check_mode:
            begin()
            self.before_change = [(each.number, each.complete) for each in self._folder.read()]
            if self.fails:
                raise FleetnetError("networks: failed")
        return {"changed": self.changes, "parts": {"default_bridge": {"configured": {"mtu": 1450}}}}

    def run(self, check_mode: bool = False, **changed: t.Any) -> dict[str, t.Any]:
        task = Task({**PARAMS, **changed}, check_mode, t.cast(t.Any, None), lambda _text: None)
        return recorded.apply(task, {"docker_host": "unix:///there"})


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, folder: GenerationFolder) -> AppliedParts:
    return AppliedParts(monkeypatch, folder)


def test_a_run_records_what_it_applied(parts: AppliedParts, folder: GenerationFolder) -> None:
    assert parts.run()["generation"] == 1
    assert parts.before_change == [(1, False)]
    (found,) = folder.read()
    assert found.origin == Origin(run_id("controller1/alice/4711"), 5.0, "controller1", "alice")
    assert found.options == {"default_bridge": {"mtu": 1450}, "networks": {"networks": [{"name": "web"}]}}
    assert (found.daemon, found.complete, found.restores) == ({"mtu": 1450}, True, None)
    parts.changes = False
    assert parts.run()["generation"] == 1
    assert parts.run(networks={"networks": []})["generation"] == 2


def test_check_mode_records_nothing(parts: AppliedParts, folder: GenerationFolder) -> None:
    assert "generation" not in parts.run(check_mode=True)
    assert folder.read() == []


def test_a_run_that_fails_stays_incomplete(parts: AppliedParts, folder: GenerationFolder) -> None:
    parts.run()
    parts.fails = True
    with pytest.raises(FleetnetError):
        parts.run(networks={"networks": []})
    assert [(each.number, each.complete) for each in folder.read()] == [(1, True), (2, False)]
    parts.fails = False
    assert parts.run(networks={"networks": []})["generation"] == 3


def test_returning_to_a_generation_applies_its_options(parts: AppliedParts, folder: GenerationFolder) -> None:
    parts.run()
    parts.run(networks={"networks": []}, default_bridge={"mtu": 1400, "icc": False})
    consents = {"default_bridge": {"allow_restart": False}, "networks": {"allow_disconnect": True}}
    for check_mode in (True, False):
        parts.run(check_mode, generation=1, **consents)
        assert parts.given[-1] == {
            "default_bridge": {"mtu": 1450, "unset": ["icc"], "allow_restart": False},
            "bridge_routing": None,
            "networks": {"networks": [{"name": "web"}], "allow_disconnect": True},
            "host_routes": None,
        }
    assert folder.read()[-1].restores == folder.read()[0].origin.id
    with pytest.raises(InvalidValue, match="generation: 9: is not a generation of this host"):
        parts.run(generation=9)


def test_a_removal_deletes_the_generations(parts: AppliedParts, folder: GenerationFolder) -> None:
    parts.run()
    parts.run(check_mode=True, state="absent")
    assert numbers(folder) == [1]
    parts.run(state="absent")
    assert folder.read() == []
