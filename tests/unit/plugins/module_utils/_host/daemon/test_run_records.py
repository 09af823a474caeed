# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of a run: what the daemon read at its start, and what a killed run leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import run_records
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords, UnfinishedRun
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit

NAME = "docker.service"
WEB = RunningContainer("1", "web", True)


@pytest.fixture
def records(tmp_path: Path) -> RunRecords:
    return RunRecords(NAME, str(tmp_path))


def unit(invocation: str = "a", started: float = 2e9) -> DaemonUnit:
    return DaemonUnit(NAME, "active", 0, invocation, started, ())


def test_a_begun_run_is_unfinished_until_it_ends(records: RunRecords, tmp_path: Path) -> None:
    assert records.unfinished_run() is None
    records.begin_run("before", [WEB])
    assert records.unfinished_run() == UnfinishedRun("before", (WEB,))
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    records.end_run()
    assert records.unfinished_run() is None
    records.end_run()


def test_a_record_that_cannot_be_replaced_stays(records: RunRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that fails to record itself must not hide an earlier one."""
    records.begin_run("before", [WEB])

    def fail(_path: str, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_records, "write_atomically", fail)
    with pytest.raises(OSError, match="No space left"):
        records.begin_run("after", [])
    assert records.unfinished_run() == UnfinishedRun("before", (WEB,))


def test_a_damaged_record_is_no_record(records: RunRecords, tmp_path: Path) -> None:
    records.begin_run("before", [WEB])
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    assert records.unfinished_run() is None


def test_what_the_daemon_read(records: RunRecords, tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"mtu": 1400}')
    changed = path.stat().st_ctime
    assert records.startup_config(unit(started=changed + 1), str(path), '{"mtu": 1400}') == {"mtu": 1400}
    assert records.startup_config(unit(started=changed - 1), str(path), '{"mtu": 1400}') is None
    assert records.startup_config(unit(), str(path), None) == {}
    records.record_startup_config(unit("a"), {"mtu": 1300})
    assert records.startup_config(unit("a", changed - 1), str(path), '{"mtu": 1400}') == {"mtu": 1300}
    assert records.startup_config(unit("b", changed - 1), str(path), '{"mtu": 1400}') is None


def test_a_second_run_names_the_first(records: RunRecords) -> None:
    holder = rf"another run \(process {os.getpid()}\) is changing the daemon"
    with records.locked(), pytest.raises(FleetnetError, match=holder), records.locked():
        pass
    with records.locked():
        pass
