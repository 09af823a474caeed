# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a host for one run of a playbook, in a file under /run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.run_lock import (
    LOCK_FILE,
    Run,
    RunLock,
    RunLockHeld,
    claimed,
    holder_of,
    lock_text,
    parse_lock,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import open_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically

_POLL_SECONDS = 0.5


def _boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HostLock:
    """The lock in the file at ``path``. ``clock`` counts the seconds since the boot."""

    def __init__(
        self,
        path: str = LOCK_FILE,
        clock: t.Callable[[], float] = _boot_time,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep

    def holder(self, run: Run) -> RunLock | None:
        """The lock if another run has it. Changes nothing."""
        now = self._clock()
        return holder_of(self._read(now), run, now)

    def claim(self, run: Run, wait: float = 0) -> None:
        """Take the lock, or prolong it; wait for another run. Raises FleetnetError if another run has it then."""
        deadline = self._clock() + wait
        while True:
            try:
                with self._alone():
                    now = self._clock()
                    write_atomically(self._path, lock_text(claimed(self._read(now), run, now, time.time())), mode=0o600)
                return
            except RunLockHeld as held:
                if self._clock() >= deadline:
                    raise FleetnetError(str(held)) from None
            self._sleep(_POLL_SECONDS)

    def keep(self, run_id: str) -> None:
        """Prolong the lock if the run has it. Raises FleetnetError if another run has it."""
        if not os.path.exists(self._path):
            return
        with self._alone():
            now = self._clock()
            lock = self._read(now)
            if lock is not None and lock.run.id == run_id:
                write_atomically(self._path, lock_text(claimed(lock, lock.run, now, lock.since)), mode=0o600)
            elif lock is not None and lock.expires > now:
                raise FleetnetError(str(RunLockHeld(lock, now)))

    def release(self, run: Run) -> None:
        """Release the lock, if the run has it."""
        if not os.path.exists(self._path):
            return
        with self._alone():
            lock = self._read(self._clock())
            if lock is not None and lock.run.id == run.id:
                remove(self._path)

    def _read(self, now: float) -> RunLock | None:
        return parse_lock(read_text(self._path), now)

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        """Exclude other processes while the file is read and replaced: some milliseconds."""
        with open_lock(f"{self._path}.lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
