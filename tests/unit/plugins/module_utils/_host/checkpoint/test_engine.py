# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an undo restores daemon.json, and whether it restarts the engine."""

from __future__ import annotations

import os
import pathlib
import time
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import SavedDaemon
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import RELOAD, RESTART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DaemonPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import HostEngine, saved_daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit

SOCKET = "unix:///run/docker.sock"


class Host:
    """A daemon with its file; ``restored`` are the plans that the executor of default_bridge restored."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.file = folder / "daemon.json"
        self.invocation, self.active, self.started = "1", "active", time.time() + 60
        self.restored: list[DaemonPlan] = []
        self.records = RunRecords("docker.service", str(folder / "records"))

    def unit(self) -> DaemonUnit:
        return DaemonUnit("docker.service", self.active, 0, self.invocation, self.started, ("dockerd",))

    def restore(self, plan: DaemonPlan) -> None:
        self.restored.append(plan)

    def saved(
        self, before: str | None = "former", signal: str = RESTART, interim: str | None = "interim"
    ) -> SavedDaemon:
        plan = DaemonPlan(
            path=str(self.file),
            unit="docker.service",
            before=before,
            after="new",
            changes=(),
            signal=signal,
            stop=(),
            interrupted=(),
            resume=(RunningContainer("1", "web"),),
            interim_before=interim,
        )
        return saved_daemon(plan, "1")

    def undo(self, saved: SavedDaemon) -> list[str]:
        lines, invocation = HostEngine(t.cast("t.Any", None)).restore_daemon(SOCKET, saved)
        assert invocation == self.invocation
        return lines


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    monkeypatch.setattr(engine, "Daemon", lambda _commands, _unit: found)
    monkeypatch.setattr(engine, "RunRecords", lambda _unit: found.records)
    monkeypatch.setattr(engine, "DefaultBridgeExecutor", lambda *_arguments: found)
    monkeypatch.setattr(engine.own_bridge, "UNIT_FILE", str(tmp_path / "own.service"))
    found.file.write_text("former")
    return found


def test_a_file_that_did_not_change_needs_nothing(host: Host) -> None:
    assert host.undo(host.saved()) == []
    assert host.restored == []


def test_an_engine_that_has_not_read_the_new_file_goes_on(host: Host) -> None:
    host.file.write_text("new")
    assert host.undo(host.saved()) == [f"restore {host.file}"]
    (plan,) = host.restored
    assert (plan.before, plan.signal, plan.interim_before) == ("former", None, None)


def test_an_engine_that_runs_with_the_new_file_is_restarted(host: Host) -> None:
    host.file.write_text("new")
    host.invocation = "2"
    assert host.undo(host.saved()) == [f"restore {host.file}", "restart docker.service"]
    (plan,) = host.restored
    assert (plan.signal, plan.interim_before, plan.resume) == (RESTART, "interim", ())


def test_an_engine_that_does_not_run_is_started(host: Host) -> None:
    host.active = "failed"
    assert host.undo(host.saved()) == ["restart docker.service"]


def test_after_a_reboot_the_engine_has_read_the_former_file(host: Host) -> None:
    host.invocation = "2"
    assert host.undo(host.saved()) == []


def test_an_undo_that_was_killed_after_the_file_restarts_the_engine(host: Host) -> None:
    host.invocation, host.started = "2", time.time() - 60
    assert host.undo(host.saved()) == ["restart docker.service"]


def test_a_file_that_did_not_exist(host: Host) -> None:
    host.invocation = "2"
    assert host.undo(host.saved(before=None)) == [f"restore {host.file}", "restart docker.service"]
    host.file.unlink()
    saved = host.saved(before=None)
    assert host.undo(saved) == ["restart docker.service"]
    assert host.undo(saved._replace(invocation="2")) == []  # the next attempt


def test_a_file_that_was_reloaded_is_reloaded(host: Host) -> None:
    host.file.write_text("new")
    assert host.undo(host.saved(signal=RELOAD)) == [f"restore {host.file}", "reload docker.service"]
    assert host.restored[0].interim_before is None


def test_another_bridge_is_replaced(host: Host) -> None:
    pathlib.Path(engine.own_bridge.UNIT_FILE).write_text("unit")
    host.invocation = "2"
    host.undo(host.saved())
    assert (host.restored[0].own_unit, host.restored[0].own_unit_before) == ("unit", None)
    assert host.restored[0].signal == RESTART


def test_copies_and_records_of_the_change_are_deleted(host: Host, tmp_path: pathlib.Path) -> None:
    former = tmp_path / f"daemon.json.{os.getpid()}.2025-01-01@00:00:00~"
    former.write_text("of an earlier run")
    saved = host.saved()
    (tmp_path / f"daemon.json.{os.getpid()}.2025-01-02@00:00:00~").write_text("former")
    (tmp_path / ".daemon.json.abcdefgh").write_text("not moved yet")
    (tmp_path / ".daemon.json.swp").write_text("of an editor")
    host.records.begin_run("former", ())
    host.undo(saved)
    assert sorted(name for name in os.listdir(tmp_path) if "daemon.json" in name) == [
        ".daemon.json.swp",
        "daemon.json",
        former.name,
    ]
    assert host.records.unfinished_run() is None


def test_containers_that_must_run_are_started(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed: list[t.Any] = []
    monkeypatch.setattr(engine, "resume_containers", lambda connection, found: resumed.append((connection, found)))
    monkeypatch.setattr(engine, "connect", lambda docker_host: docker_host)
    HostEngine(t.cast("t.Any", None)).resume(SOCKET, host.saved().containers[0])
    assert resumed == [(SOCKET, [RunningContainer("1", "web")])]
