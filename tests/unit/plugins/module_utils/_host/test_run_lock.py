# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a host: one run at a time has it, whatever dies."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.run_lock import LEASE, Run
from ansible_collections.fleetnet.docker.plugins.module_utils._host.run_lock import HostLock

ALICE, BOB = Run("1", "ctl1", "alice"), Run("2", "ctl2", "bob")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.at: dict[float, t.Callable[[], None]] = {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock(tmp_path: pathlib.Path, clock: Clock) -> HostLock:
    return HostLock(str(tmp_path / "run/fleetnet/run-lock.json"), clock, clock.sleep)


def test_another_run_is_refused_and_named(lock: HostLock) -> None:
    lock.claim(ALICE)
    lock.claim(ALICE)
    with pytest.raises(FleetnetError, match=r"'alice on ctl1, since .* UTC': another run changes this host"):
        lock.claim(BOB)
    assert lock.holder(ALICE) is None
    held = lock.holder(BOB)
    assert held is not None
    assert held.run == ALICE


def test_a_released_lock_is_free(lock: HostLock, tmp_path: pathlib.Path) -> None:
    lock.release(ALICE)
    assert not (tmp_path / "run").exists()
    lock.claim(ALICE)
    lock.release(BOB)
    assert lock.holder(BOB) is not None
    lock.release(ALICE)
    assert [path.name for path in (tmp_path / "run/fleetnet").iterdir()] == ["run-lock.json.lock"]
    lock.claim(BOB)


def test_the_lock_is_private(lock: HostLock, tmp_path: pathlib.Path) -> None:
    lock.claim(ALICE)
    assert (tmp_path / "run/fleetnet/run-lock.json").stat().st_mode & 0o777 == 0o600


def test_it_waits_for_another_run(lock: HostLock, clock: Clock) -> None:
    lock.claim(ALICE)
    clock.at[1010.0] = lambda: lock.release(ALICE)
    lock.claim(BOB, wait=60)
    assert clock.now == 1010.0
    clock.at[1015.0] = lambda: lock.release(BOB)
    with pytest.raises(FleetnetError, match="bob on ctl2"):
        lock.claim(ALICE, wait=3)
    assert clock.now == 1013.0


def test_the_lock_of_a_dead_controller_expires(lock: HostLock, clock: Clock) -> None:
    lock.claim(ALICE)
    clock.now += LEASE - 1
    with pytest.raises(FleetnetError, match="expires in 1 min"):
        lock.claim(BOB)
    clock.now += 1
    assert lock.holder(BOB) is None
    lock.claim(BOB)
    with pytest.raises(FleetnetError, match="bob on ctl2"):
        lock.keep(ALICE.id)
    lock.release(ALICE)
    assert lock.holder(ALICE) is not None


def test_a_module_of_the_run_prolongs_the_lock_and_takes_none(lock: HostLock, clock: Clock) -> None:
    lock.keep(ALICE.id)
    lock.claim(BOB)
    lock.release(BOB)
    lock.claim(ALICE)
    clock.now += LEASE - 1
    lock.keep(ALICE.id)
    clock.now += LEASE - 1
    assert lock.holder(BOB) is not None
    clock.now += 1
    lock.keep("another")
    lock.claim(BOB)


def test_a_file_that_is_damaged_excludes_no_run(lock: HostLock, tmp_path: pathlib.Path) -> None:
    lock.claim(ALICE)
    (tmp_path / "run/fleetnet/run-lock.json").write_text("{")
    lock.keep(BOB.id)
    lock.claim(BOB)


PROCESS = """
import sys
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.run_lock import Run
from ansible_collections.fleetnet.docker.plugins.module_utils._host.run_lock import HostLock
sys.stdin.readline()
try:
    HostLock(sys.argv[1]).claim(Run(sys.argv[2], "c", "u"))
    print("has it")
except FleetnetError:
    print("refused")
"""


def test_of_processes_that_claim_at_the_same_moment_one_has_the_lock(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "run-lock.json")
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, path, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(6)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].strip() for process in processes]
    assert sorted(said) == ["has it"] + ["refused"] * 5
