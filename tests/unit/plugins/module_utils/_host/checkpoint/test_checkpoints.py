# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint is taken before a change, and confirmed or undone; the program of the undo is complete."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Kernel
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_FILE,
    BOOT_LINK,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import checkpoints as checkpoints_file
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.program import undo_program

from .systemd_host import REPORT, RISKS, RUN, Host


def boot_files(tmp_path: pathlib.Path) -> list[bool]:
    return [os.path.lexists(f"{tmp_path}/root{path}") for path in (BOOT_FILE, BOOT_LINK)]


def test_a_change_is_confirmed(systemd: Host, checkpoints: Checkpoints, tmp_path: pathlib.Path) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert (systemd.timer, boot_files(tmp_path)) == ("active", [True, True])
    assert systemd.folder.lock(0) is None  # an undo waits
    checkpoints.applied()
    assert not checkpoints.confirm("another", RUN)
    assert not checkpoints.confirm(None, RUN)  # it is not of the play
    assert checkpoints.confirm("7", RUN)
    assert (systemd.timer, boot_files(tmp_path)) == ("inactive", [False, False])
    assert (checkpoints.pending(), checkpoints.report()) == (None, None)
    assert checkpoints.confirm("7", RUN)  # the answer may be lost
    assert not checkpoints.confirm("8", RUN)
    checkpoints.take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert systemd.folder.confirmed() is None


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
    systemd: Host, checkpoints: Checkpoints, tmp_path: pathlib.Path
) -> None:
    systemd.fails = True
    with pytest.raises(FleetnetError, match=r"the host cannot arm the undo of this change: .*no D-Bus\. Nothing was"):
        checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    assert (checkpoints.pending(), boot_files(tmp_path)) == (None, [False, False])
    free = systemd.folder.lock(0)
    assert free is not None
    free.close()


def test_a_change_whose_module_was_killed_is_not_confirmed(checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()  # the kernel does
    assert not checkpoints.confirm("7", RUN)
    assert checkpoints.report() == REPORT


def test_a_change_is_not_confirmed_too_late(systemd: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    systemd.folder.record_applied(-1e6, Kernel({}, {}))
    assert not checkpoints.confirm("7", RUN)
    assert checkpoints.report() == REPORT


def test_a_second_change_waits(systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.settle(systemd.warned.append)
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    with pytest.raises(FleetnetError, match=r"a run changes this host, and has not confirmed its changes \(7\)"):
        Checkpoints(systemd, systemd.folder).take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    monkeypatch.setattr(checkpoints_file.time, "sleep", lambda _seconds: systemd.folder.end(REPORT))
    checkpoints.settle(systemd.warned.append)
    assert [text[:14] for text in systemd.warned] == ["an earlier run"]
    assert systemd.ran.count("systemd-run --quiet --collect") == 1  # the timer was going to start it


def test_an_undo_that_nothing_starts_is_started(systemd: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    systemd.timer = "inactive"  # the run was killed before
    checkpoints.settle(systemd.warned.append)
    assert systemd.folder.pending() is None
    assert [text[:14] for text in systemd.warned] == ["an earlier run"]


def test_an_undo_is_started_as_soon_as_a_module_ends(
    systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    lock = systemd.folder.lock()
    assert lock is not None
    monkeypatch.setattr(checkpoints_file.time, "sleep", lambda _seconds: lock.close())
    assert checkpoints.undo("7", RUN) == REPORT


def test_an_undo_that_does_not_end_is_an_error(
    systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    systemd.undoes = False
    monkeypatch.setattr(checkpoints_file, "LONGEST_UNDO", -1.0)
    with pytest.raises(FleetnetError, match=r"the undo .* does not end\. See 'journalctl --unit fleetnet-checkpoint"):
        checkpoints.undo("7", RUN)
    assert systemd.folder.progress(checkpoints.pending().deadline).undo  # type: ignore[union-attr]


def test_an_undo_that_fails_is_reported(systemd: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    systemd.undoes, systemd.problems = False, ("networks: no.",)
    report = checkpoints.undo("7", RUN)
    assert report is not None
    assert report.problems == systemd.problems
    assert checkpoints.pending() is not None
    # After a repair it succeeds at once.
    systemd.problems, systemd.undoes = (), True
    checkpoints.settle(systemd.warned.append)
    assert (checkpoints.pending(), systemd.attempts) == (None, 1)


def test_a_run_reports_an_undo_after_all_of_its_attempts(
    systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    attempts = iter([1, 5])
    monkeypatch.setattr(
        checkpoints_file.time,
        "sleep",
        lambda _seconds: systemd.folder.record_report(REPORT._replace(problems=("no",), attempt=next(attempts))),
    )
    with pytest.raises(FleetnetError, match=r"NOT restored: no\. Repair the host"):
        checkpoints.settle(systemd.warned.append)
    assert next(attempts, None) is None
    assert systemd.ran.count("systemd-run --quiet --collect") == 1  # between its attempts, no other undo is started


def test_a_request_for_an_undo_is_for_one_checkpoint(systemd: Host, checkpoints: Checkpoints) -> None:
    former = checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    systemd.folder.end()
    later = checkpoints.take("8", 60, RISKS, "unix:///run/docker.sock", RUN)
    systemd.folder.ask_for_undo(former)
    assert not systemd.folder.progress(later.deadline).undo
    systemd.folder.ask_for_undo(later)
    assert systemd.folder.progress(later.deadline).undo


def test_a_confirmation_that_was_killed_is_none_after_the_undo(systemd: Host, checkpoints: Checkpoints) -> None:
    taken = checkpoints.take("7", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints.applied()
    systemd.folder.confirm(taken)
    systemd.folder.begin(taken, b"program")
    systemd.folder.confirm(taken)
    assert checkpoints.confirm("7", RUN)
    assert not checkpoints.confirm(None, RUN)  # no play took it
    systemd.folder.begin(taken, b"program")
    systemd.folder.end(REPORT)
    assert not checkpoints.confirm("7", RUN)


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
