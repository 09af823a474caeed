# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint is taken before a change, and confirmed or undone; the program of the undo is complete."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import typing as t
import zipfile

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Kernel
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_FILE,
    BOOT_LINK,
    SERVICE,
    TIMER,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import UndoReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import checkpoints as checkpoints_file
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import covering, guard
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import excluding_undo
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.program import undo_program
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import try_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

RUN = "controller/user/1"
RISKS = (Risk("routes", ("10.0.0.0/8 via 192.0.2.1",)),)
REPORT = UndoReport("7", "unconfirmed", 60.0, (), ())


class Host:
    """systemd of a host. ``undoes``: a service that starts undoes the change at once."""

    def __init__(self, folder: CheckpointFolder) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.timer = "inactive"
        self.fails = False
        self.undoes = True
        self.problems: tuple[str, ...] = ()
        self.attempts = 0
        self.warned: list[str] = []

    def find(self, program: str) -> str:
        return f"/sbin/{program}"

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert stdin is None
        words = list(argv)
        if words[0].endswith("/ip"):
            return "[]"
        if words[0].endswith("tables"):
            return "-P FORWARD ACCEPT\n"
        if "python" in words[0]:
            return "3 11"
        if words[:2] == ["systemctl", "show"]:
            states = {TIMER: self.timer, SERVICE: "inactive"}
            return "\n".join(f"Id={unit}\nActiveState={states[unit]}\nUnitFileState=\n" for unit in words[4:])
        self.ran.append(" ".join(words[:3]))
        if words[0] == "systemd-run":
            assert os.path.exists(self.folder.program)
            assert self.folder.pending() is not None
            if self.fails:
                raise CommandFailed(argv, 1, "no D-Bus")
            self.timer = "active"
            if "--on-active=0" in words and self.undoes:
                self.folder.end(REPORT)
            elif "--on-active=0" in words and self.problems:
                self.attempts += 1
                self.folder.record_report(REPORT._replace(problems=self.problems, attempt=5))
        if words[:2] == ["systemctl", "stop"]:
            self.timer = "inactive"
        return ""


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(checkpoints_file, "require_systemd", lambda _commands: None)
    return Host(CheckpointFolder(str(tmp_path / "checkpoint"), str(tmp_path / "run/lock")))


@pytest.fixture
def checkpoints(host: Host, tmp_path: pathlib.Path) -> t.Iterator[Checkpoints]:
    found = Checkpoints(host, host.folder, str(tmp_path / "root"))
    yield found
    found._release()


def applied(host: Host) -> bool:
    pending = host.folder.deadline()
    return pending is not None and host.folder.progress(pending).applied is not None


def boot_files(tmp_path: pathlib.Path) -> list[bool]:
    return [os.path.lexists(f"{tmp_path}/root{path}") for path in (BOOT_FILE, BOOT_LINK)]


def test_a_change_is_confirmed(host: Host, checkpoints: Checkpoints, tmp_path: pathlib.Path) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert (host.timer, boot_files(tmp_path)) == ("active", [True, True])
    assert host.folder.lock(0) is None  # an undo waits
    checkpoints.applied()
    assert not checkpoints.confirm("another", RUN)
    assert not checkpoints.confirm(None, RUN)  # it is not of the play
    assert checkpoints.confirm("7", RUN)
    assert (host.timer, boot_files(tmp_path)) == ("inactive", [False, False])
    assert (checkpoints.pending(), checkpoints.report()) == (None, None)
    assert checkpoints.confirm("7", RUN)  # the answer may be lost
    assert not checkpoints.confirm("8", RUN)
    checkpoints.take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert host.folder.confirmed() is None


def test_a_play_confirms_and_undoes_its_own_changes(checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    assert not checkpoints.confirm(None, "another")
    assert checkpoints.undo(None, "another") is checkpoints.undo("8", RUN) is None
    assert checkpoints.confirm(None, RUN)
    assert checkpoints.confirm(None, RUN)
    assert not checkpoints.confirm(None, "another")
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    assert checkpoints.undo(None, RUN) == REPORT
    assert not checkpoints.confirm(None, RUN)


def test_a_host_that_cannot_arm_the_undo_changes_nothing(
    host: Host, checkpoints: Checkpoints, tmp_path: pathlib.Path
) -> None:
    host.fails = True
    with pytest.raises(FleetnetError, match=r"the host cannot arm the undo of this change: .*no D-Bus\. Nothing was"):
        checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert (checkpoints.pending(), boot_files(tmp_path)) == (None, [False, False])
    free = host.folder.lock(0)
    assert free is not None
    free.close()


def test_a_change_whose_module_was_killed_is_not_confirmed(checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()  # the kernel does
    assert not checkpoints.confirm("7", RUN)
    assert checkpoints.report() == REPORT


def test_a_change_is_not_confirmed_too_late(host: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    host.folder.record_applied(-1e6, Kernel({}, {}))
    assert not checkpoints.confirm("7", RUN)
    assert checkpoints.report() == REPORT


def test_a_second_change_waits(host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.settle(host.warned.append)
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    with pytest.raises(FleetnetError, match=r"a run changes this host, and has not confirmed its changes \(7\)"):
        Checkpoints(host, host.folder).take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    monkeypatch.setattr(checkpoints_file.time, "sleep", lambda _seconds: host.folder.end(REPORT))
    checkpoints.settle(host.warned.append)
    assert [text[:14] for text in host.warned] == ["an earlier run"]
    assert host.ran.count("systemd-run --quiet --collect") == 1  # the timer was going to start it


def test_an_undo_that_nothing_starts_is_started(host: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    host.timer = "inactive"  # the run was killed before
    checkpoints.settle(host.warned.append)
    assert host.folder.pending() is None
    assert [text[:14] for text in host.warned] == ["an earlier run"]


def test_an_undo_that_does_not_end_is_an_error(
    host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    host.undoes = False
    monkeypatch.setattr(checkpoints_file, "_LONGEST_UNDO", -1.0)
    with pytest.raises(FleetnetError, match=r"the undo .* does not end\. See 'journalctl --unit fleetnet-checkpoint"):
        checkpoints.undo("7", RUN)
    assert host.folder.progress(checkpoints.pending().deadline).undo  # type: ignore[union-attr]


def test_an_undo_that_fails_is_reported(host: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    host.undoes, host.problems = False, ("networks: no.",)
    report = checkpoints.undo("7", RUN)
    assert report is not None
    assert report.problems == host.problems
    assert checkpoints.pending() is not None
    # After a repair it succeeds at once.
    host.problems, host.undoes = (), True
    checkpoints.settle(host.warned.append)
    assert (checkpoints.pending(), host.attempts) == (None, 1)


def test_a_run_reports_an_undo_after_all_of_its_attempts(
    host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    attempts = iter([1, 5])
    monkeypatch.setattr(
        checkpoints_file.time,
        "sleep",
        lambda _seconds: host.folder.record_report(REPORT._replace(problems=("no",), attempt=next(attempts))),
    )
    with pytest.raises(FleetnetError, match=r"NOT restored: no\. Repair the host"):
        checkpoints.settle(host.warned.append)
    assert next(attempts, None) is None


def test_a_request_for_an_undo_is_for_one_checkpoint(host: Host, checkpoints: Checkpoints) -> None:
    former = checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    host.folder.end()
    later = checkpoints.take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    host.folder.ask_for_undo(former)
    assert not host.folder.progress(later.deadline).undo
    host.folder.ask_for_undo(later)
    assert host.folder.progress(later.deadline).undo


def test_a_confirmation_that_was_killed_is_none_after_the_undo(host: Host, checkpoints: Checkpoints) -> None:
    taken = checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    host.folder.confirm(taken)
    host.folder.begin(taken, b"program")
    host.folder.confirm(taken)
    assert checkpoints.confirm("7", RUN)
    assert not checkpoints.confirm(None, RUN)  # no play took it
    host.folder.begin(taken, b"program")
    host.folder.end(REPORT)
    assert not checkpoints.confirm("7", RUN)


def task(host: Host, **params: t.Any) -> Task:
    given = {
        "checkpoint": "7",
        "confirm": True,
        "confirm_timeout": 60,
        "docker_host": "unix:///run/docker.sock",
        "run": RUN,
    }
    return Task({**given, **params}, False, host, host.warned.append)


@pytest.fixture
def guarded(host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CheckpointFolder", lambda: host.folder)
    monkeypatch.setattr(checkpoints_file, "Checkpoints", lambda _commands, _folder=None: checkpoints)


@pytest.mark.usefixtures("guarded")
def test_a_guarded_change_is_armed_and_ends(host: Host) -> None:
    with guard.guarded(task(host), RISKS, covered=False) as (records, data):
        assert isinstance(records, Checkpoints)
        assert not applied(host)
    assert data["checkpoint"]["id"] == "7"
    assert data["checkpoint"]["risks"] == [{"kind": "routes", "names": ["10.0.0.0/8 via 192.0.2.1"]}]
    assert applied(host)


@pytest.mark.usefixtures("guarded")
def test_a_part_that_fails_ends_the_change_and_an_error_of_the_code_does_not(host: Host) -> None:
    with pytest.raises(FleetnetError) as failed, guard.guarded(task(host), RISKS, covered=False):
        raise FleetnetError("networks: no.")
    assert failed.value.result["checkpoint"]["id"] == "7"
    assert applied(host)
    host.folder.end()
    with pytest.raises(ZeroDivisionError), guard.guarded(task(host), RISKS, covered=False):
        raise ZeroDivisionError
    assert not applied(host)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    ("risks", "params"),
    [((), {}), (RISKS, {"confirm": False}), (RISKS, {"checkpoint": None})],
)
def test_other_changes_are_not_guarded(host: Host, risks: t.Any, params: dict[str, t.Any]) -> None:
    with guard.guarded(task(host, **params), risks, covered=False) as (_records, data):
        assert data == {}
    assert host.ran == []
    assert host.folder.pending() is None


@pytest.mark.usefixtures("guarded")
def test_an_earlier_change_is_settled_and_that_of_a_play_covers(host: Host, checkpoints: Checkpoints) -> None:
    assert not guard.settle(task(host))
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    assert guard.settle(task(host))
    with guard.guarded(task(host), RISKS, covered=True) as (_records, data):
        assert data == {}
        assert host.folder.lock(0) is None  # its undo waits
    host.folder.end()
    with (
        pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"),
        guard.guarded(task(host), RISKS, covered=True),
    ):
        pass
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    host.timer = "inactive"
    assert not guard.settle(task(host))
    assert host.warned[0].startswith("an earlier run: the changes of this run are undone, because")


@pytest.mark.usefixtures("guarded")
def test_the_checkpoint_of_another_play_or_one_whose_time_is_over_covers_nothing(
    host: Host, checkpoints: Checkpoints
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    host.timer = "inactive"
    assert not guard.settle(task(host, run="another"))  # it was undone first
    assert host.folder.pending() is None
    assert host.warned[0].startswith("an earlier run: the changes of this run are undone, because")
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    host.folder.record_applied(-1e6, Kernel({}, {}))
    with pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"):
        guard.settle(task(host))
    host.folder.end(REPORT._replace(run=RUN))
    for refused in (lambda: guard.settle(task(host)), lambda: excluding_undo(RUN, host.folder).__enter__()):
        with pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"):
            refused()
    with excluding_undo("another", host.folder):
        assert not guard.settle(task(host, run="another"))
    host.folder.end(REPORT._replace(run=RUN, reason="asked"))
    with excluding_undo(RUN, host.folder):
        assert not guard.settle(task(host))


def test_a_single_part_excludes_undos(host: Host) -> None:
    with excluding_undo(RUN, host.folder):
        assert host.folder.lock(0) is None
        assert host.folder.holder() == os.getpid()
    free = host.folder.lock(0)
    assert free is not None
    free.close()


def test_a_single_part_is_covered_by_the_checkpoint_of_its_play_and_waits_for_undos(
    host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    with excluding_undo(RUN, host.folder):
        assert host.folder.pending() is not None
    slept: list[float] = []
    monkeypatch.setattr(covering.time, "sleep", lambda seconds: (slept.append(seconds), host.folder.end(REPORT)))
    with excluding_undo("another", host.folder):
        assert (host.folder.pending(), host.folder.lock(0)) == (None, None)
    assert slept == [1.0]


def test_a_single_part_changes_nothing_if_the_undo_does_not_end(
    host: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    times = iter([0.0, 89.0, 91.0])
    monkeypatch.setattr(covering.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(covering.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(covering, "wait_for_lock", lambda file, _seconds: try_lock(file))
    with (
        pytest.raises(FleetnetError, match=r"network_checkpoint \(state: undone, id: 6\), and run again"),
        excluding_undo(None, host.folder),
    ):
        raise AssertionError
    lock = host.folder.lock(0)
    with (
        pytest.raises(FleetnetError, match="another run changes this host, or the host undoes changes"),
        excluding_undo(RUN, host.folder),
    ):
        raise AssertionError
    assert lock is not None
    lock.close()


@pytest.mark.parametrize(("check_mode", "docker_host"), [(True, "unix:///a"), (False, "tcp://192.0.2.1:2376")])
def test_a_prediction_and_another_host_need_no_lock(
    host: Host, monkeypatch: pytest.MonkeyPatch, check_mode: bool, docker_host: str
) -> None:
    def locked(_run: str) -> t.Any:
        raise AssertionError

    monkeypatch.setattr(alone, "excluding_undo", locked)
    found = dataclasses.replace(task(host, docker_host=docker_host), check_mode=check_mode)
    assert alone.apply_alone(lambda given: {"given": given.params["run"]}, found) == {"given": RUN}


@pytest.mark.usefixtures("guarded")
def test_an_earlier_change_that_cannot_be_undone_ends_the_task(host: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    host.timer, host.undoes, host.problems = "inactive", False, ("networks: no.",)
    with pytest.raises(
        FleetnetError, match=r"an earlier run: .* NOT restored: networks: no\. Repair the host, and run"
    ):
        guard.settle(task(host))


def test_the_program_runs_with_nothing_but_the_standard_library(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "undo"
    path.write_bytes(undo_program())
    moved = tmp_path / "moved"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(moved, "w") as written:
        for name in archive.namelist():
            text = archive.read(name).decode()
            for folder in ("/var/lib/", "/run/"):
                text = text.replace(f'"{folder}', f'"{tmp_path}{folder}')
            written.writestr(name, text)
    ran = subprocess.run([sys.executable, "-IS", moved], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    assert (tmp_path / "run/fleetnet/checkpoint.lock").exists()


def test_equal_sources_make_equal_programs() -> None:
    assert undo_program() == undo_program()
