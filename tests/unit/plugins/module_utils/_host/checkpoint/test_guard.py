# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change is guarded by a checkpoint, covered by that of its play, or waits for an undo."""

from __future__ import annotations

import dataclasses
import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Kernel
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import checkpoints as checkpoints_file
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import covering, guard
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import excluding_undo
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import try_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

from .systemd_host import REPORT, RISKS, RUN, Host, applied


def task(systemd: Host, **params: t.Any) -> Task:
    given = {
        "checkpoint": "7",
        "confirm": True,
        "confirm_timeout": 60,
        "docker_host": "unix:///run/docker.sock",
        "run": RUN,
    }
    return Task({**given, **params}, False, systemd, systemd.warned.append)


@pytest.fixture
def guarded(systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CheckpointFolder", lambda: systemd.folder)
    monkeypatch.setattr(checkpoints_file, "Checkpoints", lambda _commands, _folder=None: checkpoints)


@pytest.mark.usefixtures("guarded")
def test_a_guarded_change_is_armed_and_ends(systemd: Host) -> None:
    with guard.guarded(task(systemd), RISKS, covered=False) as (records, data):
        assert isinstance(records, Checkpoints)
        assert not applied(systemd)
    assert data["checkpoint"]["id"] == "7"
    assert data["checkpoint"]["risks"] == [{"kind": "routes", "names": ["10.0.0.0/8 via 192.0.2.1"]}]
    assert applied(systemd)


@pytest.mark.usefixtures("guarded")
def test_a_part_that_fails_ends_the_change_and_an_error_of_the_code_does_not(systemd: Host) -> None:
    with pytest.raises(FleetnetError) as failed, guard.guarded(task(systemd), RISKS, covered=False):
        raise FleetnetError("networks: no.")
    assert failed.value.result["checkpoint"]["id"] == "7"
    assert applied(systemd)
    systemd.folder.end()
    with pytest.raises(ZeroDivisionError), guard.guarded(task(systemd), RISKS, covered=False):
        raise ZeroDivisionError
    assert not applied(systemd)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    ("risks", "params"),
    [((), {}), (RISKS, {"confirm": False}), (RISKS, {"checkpoint": None})],
)
def test_other_changes_are_not_guarded(systemd: Host, risks: t.Any, params: dict[str, t.Any]) -> None:
    with guard.guarded(task(systemd, **params), risks, covered=False) as (_records, data):
        assert data == {}
    assert systemd.ran == []
    assert systemd.folder.pending() is None


@pytest.mark.usefixtures("guarded")
def test_an_earlier_change_is_settled_and_that_of_a_play_covers(systemd: Host, checkpoints: Checkpoints) -> None:
    assert not guard.settle(task(systemd))
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    assert guard.settle(task(systemd))
    with guard.guarded(task(systemd), RISKS, covered=True) as (_records, data):
        assert data == {}
        assert systemd.folder.lock(0) is None  # its undo waits
    systemd.folder.end()
    with (
        pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"),
        guard.guarded(task(systemd), RISKS, covered=True),
    ):
        pass
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    systemd.timer = "inactive"
    assert not guard.settle(task(systemd))
    assert systemd.warned[0].startswith("an earlier run: the changes of this run are undone, because")


@pytest.mark.usefixtures("guarded")
def test_the_checkpoint_of_another_play_or_one_whose_time_is_over_covers_nothing(
    systemd: Host, checkpoints: Checkpoints
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    systemd.timer = "inactive"
    assert not guard.settle(task(systemd, run="another"))  # it was undone first
    assert systemd.folder.pending() is None
    assert systemd.warned[0].startswith("an earlier run: the changes of this run are undone, because")
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    systemd.folder.record_applied(-1e6, Kernel({}, {}))
    with pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"):
        guard.settle(task(systemd))
    systemd.folder.end(REPORT._replace(run=RUN))
    for refused in (lambda: guard.settle(task(systemd)), lambda: excluding_undo(RUN, systemd.folder).__enter__()):
        with pytest.raises(FleetnetError, match="of this play are undone, because the time of its checkpoint is over"):
            refused()
    with excluding_undo("another", systemd.folder):
        assert not guard.settle(task(systemd, run="another"))
    systemd.folder.end(REPORT._replace(run=RUN, reason="asked"))
    with excluding_undo(RUN, systemd.folder):
        assert not guard.settle(task(systemd))


def test_a_single_part_excludes_undos(systemd: Host) -> None:
    with excluding_undo(RUN, systemd.folder):
        assert systemd.folder.lock(0) is None
        assert systemd.folder.holder() == os.getpid()
    free = systemd.folder.lock(0)
    assert free is not None
    free.close()


def test_a_single_part_is_covered_by_the_checkpoint_of_its_play_and_waits_for_undos(
    systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    with excluding_undo(RUN, systemd.folder):
        assert systemd.folder.pending() is not None
    slept: list[float] = []
    monkeypatch.setattr(covering.time, "sleep", lambda seconds: (slept.append(seconds), systemd.folder.end(REPORT)))
    with excluding_undo("another", systemd.folder):
        assert (systemd.folder.pending(), systemd.folder.lock(0)) == (None, None)
    assert slept == [1.0]


def test_a_single_part_changes_nothing_if_the_undo_does_not_end(
    systemd: Host, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN, manual=True)
    checkpoints.applied()
    times = iter([0.0, 479.0, 481.0])
    monkeypatch.setattr(covering.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(covering.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(covering, "wait_for_lock", lambda file, _seconds: try_lock(file))
    with (
        pytest.raises(FleetnetError, match=r"network_checkpoint \(state: undone, id: 6\), and run again"),
        excluding_undo(None, systemd.folder),
    ):
        raise AssertionError
    lock = systemd.folder.lock(0)
    times = iter([0.0, 419.0, 481.0])
    with (
        pytest.raises(FleetnetError, match=rf"process {os.getpid()} has changed this host for minutes"),
        excluding_undo(RUN, systemd.folder),
    ):
        raise AssertionError
    assert lock is not None
    lock.close()


@pytest.mark.parametrize(("check_mode", "docker_host"), [(True, "unix:///a"), (False, "tcp://192.0.2.1:2376")])
def test_a_prediction_and_another_host_need_no_lock(
    systemd: Host, monkeypatch: pytest.MonkeyPatch, check_mode: bool, docker_host: str
) -> None:
    def locked(_run: str) -> t.Any:
        raise AssertionError

    monkeypatch.setattr(covering, "excluding_undo", locked)
    with covering.alone(RUN, check_mode, docker_host):
        pass
    with pytest.raises(AssertionError), covering.alone(RUN, check_mode=False):
        pass
    predicted = dataclasses.replace(task(systemd), check_mode=True)
    assert alone.apply_alone(lambda given: {"given": given.params["run"]}, predicted) == {"given": RUN}


@pytest.mark.usefixtures("guarded")
def test_an_earlier_change_that_cannot_be_undone_ends_the_task(systemd: Host, checkpoints: Checkpoints) -> None:
    checkpoints.take("6", 60, RISKS, "unix:///run/docker.sock", RUN)
    checkpoints._release()
    systemd.timer, systemd.undoes, systemd.problems = "inactive", False, ("networks: no.",)
    with pytest.raises(
        FleetnetError, match=r"an earlier run: .* NOT restored: networks: no\. Repair the host, and run"
    ):
        guard.settle(task(systemd))
