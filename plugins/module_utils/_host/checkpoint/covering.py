# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a host's changes: it excludes the undo of a checkpoint while a module changes the host."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import (
    Deadline,
    Progress,
    is_of,
    parse_deadline,
    parse_progress,
    seconds_left,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import ASKED as ASKED_FOR
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import UndoReport, parse_report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import (
    holder_text,
    open_lock,
    running_holder,
    wait_for_lock,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text

FOLDER = f"{STATE_FOLDER}/checkpoint"
LOCK = f"{RUN_FOLDER}/checkpoint.lock"
SAVED, APPLIED, ASKED, REPORT = "saved.json", "applied.json", "undo-asked", "report.json"
RUN_OPTION: t.Mapping[str, t.Any] = {"run": {"type": "str"}}
_WAIT = 30.0  # seconds that a module waits for the lock
_POLL = 1.0
TIME_IS_OVER = (
    "the changes of this play are undone, because the time of its checkpoint is over, or the host rebooted. This task "
    "changes nothing. Set a longer confirm_timeout, and run again."
)


def boot_time() -> float:
    """Seconds since the boot of the host, also while it sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_identity(proc: str = "/proc") -> str:
    """Identifies this boot. A container has the boot id of its machine, and a first process of its own."""
    with open(f"{proc}/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    with open(f"{proc}/1/stat", encoding="utf-8", errors="replace") as file:
        return f"{boot}/{file.read().rpartition(')')[2].split()[19]}"


class CheckpointLock:
    """The lock, and when the host undoes the change of the checkpoint in a folder."""

    def __init__(self, path: str = FOLDER, lock: str = LOCK) -> None:
        self.path = path
        self._lock = lock

    def lock(self, wait: float = _WAIT) -> t.TextIO | None:
        """Exclude others until the returned file is closed, also by the end of the process. None after ``wait`` s."""
        file = open_lock(self._lock)
        if not wait_for_lock(file, wait):
            file.close()
            return None
        with contextlib.suppress(OSError):  # an undo must not fail because of a full disk
            file.truncate(0)
            file.write(holder_text())
            file.flush()
        return file

    def holder(self) -> int | None:
        """The number of the process that has had the lock last; None if it has ended."""
        return running_holder(read_text(self._lock) or "")

    def deadline(self) -> Deadline | None:
        """That of the checkpoint which is neither confirmed nor undone. Raises FleetnetError if it cannot be read."""
        text = read_text(self._file(SAVED))
        try:
            return None if text is None else parse_deadline(text)
        except ValueError as error:
            raise self._unreadable(error) from error

    def progress(self, deadline: Deadline) -> Progress:
        """What followed the checkpoint."""
        return parse_progress(read_text(self._file(APPLIED)), undo=read_text(self._file(ASKED)) == deadline.id)

    def left(self, deadline: Deadline) -> float:
        """Seconds until the host undoes the change."""
        return seconds_left(deadline, self.progress(deadline), boot_identity(), boot_time())

    def report(self) -> UndoReport | None:
        """The report of the last undo, until the next checkpoint."""
        return parse_report(read_text(self._file(REPORT)))

    def covers(self, deadline: Deadline | None, run: str | None) -> bool:
        """Whether the checkpoint covers a change of this run.

        Raises FleetnetError if the time of this run's checkpoint is over: its play may rely on what is undone.
        """
        report = self.report() if deadline is None else None
        undone = report is not None and report.reason != ASKED_FOR and report.run != "" and report.run == run
        if undone or (deadline is not None and is_of(deadline, run or "") and self.left(deadline) <= 0):
            raise FleetnetError(TIME_IS_OVER)
        return deadline is not None and is_of(deadline, run or "")

    def _unreadable(self, error: ValueError) -> FleetnetError:
        return FleetnetError(
            f"{self._file(SAVED)}: is not a checkpoint that this release can read ({error}). Delete it to keep the "
            "host as it is."
        )

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)


@contextlib.contextmanager
def excluding_undo(run: str | None, checkpoint: CheckpointLock | None = None) -> t.Iterator[None]:
    """Exclude other changes of the host, and undos, during the block: a change of the run that ``run`` identifies.

    Waits for the undo of a change that is not confirmed, unless its checkpoint covers this one. Raises FleetnetError
    before the block if the undo does not end, another module has the lock, or the time of this run's checkpoint is
    over.
    """
    checkpoint = checkpoint or CheckpointLock()
    lock = _locked(checkpoint)
    try:
        deadline = checkpoint.deadline()
        if not checkpoint.covers(deadline, run) and deadline is not None:
            lock.close()
            lock = _after(checkpoint, deadline)
        yield
    finally:
        lock.close()


def _after(checkpoint: CheckpointLock, deadline: Deadline) -> t.TextIO:
    """The lock, after the undo. It has the lock while it runs."""
    end = time.monotonic() + checkpoint.left(deadline) + _WAIT
    while True:
        time.sleep(_POLL)
        lock = _locked(checkpoint)
        pending = checkpoint.deadline()
        if pending is None:
            return lock
        lock.close()
        if time.monotonic() > end:
            raise FleetnetError(
                "the host has changes that are neither confirmed nor undone. Nothing was changed. Undo them with the "
                f"module network_checkpoint (state: undone, id: {pending.id}), and run again."
            )


def _locked(checkpoint: CheckpointLock) -> t.TextIO:
    lock = checkpoint.lock()
    if lock is None:
        raise FleetnetError(
            "another run changes this host, or the host undoes changes that were not confirmed. Nothing was changed. "
            "Wait until it ends, and run again."
        )
    return lock
