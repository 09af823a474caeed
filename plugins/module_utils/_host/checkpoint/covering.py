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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    parse_report,
    unrestored_message,
)
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
# An undo restarts the engine at most twice, in seconds.
LONGEST_UNDO = 420.0
_POLL = 1.0
_LOCAL = "unix://"
_Saved = t.TypeVar("_Saved")
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
        return self._saved(parse_deadline)

    def progress(self, deadline: Deadline) -> Progress:
        """What followed the checkpoint."""
        return parse_progress(deadline, read_text(self._file(APPLIED)), read_text(self._file(ASKED)))

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

    def busy(self) -> str | None:
        """The error that a process does not end its change of the host; None if none has the lock."""
        lock = self.lock(0)
        if lock is not None:
            lock.close()
            return None
        return (
            f"process {self.holder() or 'unknown'} has changed this host for minutes, and does not end. This task "
            "changes nothing. Wait until it ends, or end it, and run again."
        )

    def _saved(self, parse: t.Callable[[str], _Saved]) -> _Saved | None:
        text = read_text(self._file(SAVED))
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise FleetnetError(
                f"{self._file(SAVED)}: is not a checkpoint that this release can read ({error}). Delete it to keep the "
                "host as it is."
            ) from error

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)


@contextlib.contextmanager
def excluding_undo(run: str | None, checkpoint: CheckpointLock | None = None) -> t.Iterator[None]:
    """Exclude other changes of the host, and undos, during the block: a change of the run that ``run`` identifies.

    Waits for the undo of a change that is not confirmed, unless its checkpoint covers this one. Raises FleetnetError
    before the block if the undo does not end or restore everything, another module does not end, or the time of this
    run's checkpoint is over.
    """
    with _after_undos(run, checkpoint or CheckpointLock()):
        yield


def _after_undos(run: str | None, checkpoint: CheckpointLock) -> t.TextIO:
    """The lock, when the host has nothing to undo but what this run covers."""
    end, waited_for = 0.0, ""
    while True:
        lock = checkpoint.lock()
        deadline = checkpoint.deadline()
        if lock is not None:
            try:
                if checkpoint.covers(deadline, run) or deadline is None:
                    return lock
            except FleetnetError:
                lock.close()
                raise
            lock.close()
        pending = deadline.id if deadline else "-"
        if pending != waited_for:  # another one has its own time
            end = time.monotonic() + LONGEST_UNDO + (checkpoint.left(deadline) if deadline else 0.0)
            waited_for = pending
        report = checkpoint.report()
        if deadline is not None and report is not None and report.gave_up:
            raise FleetnetError(f"an earlier run: {unrestored_message(report, checkpoint.path)}")
        if time.monotonic() > end:
            raise FleetnetError(
                checkpoint.busy()
                or "the host has changes that are neither confirmed nor undone. This task changes nothing. Undo them "
                "with the module network_checkpoint "
                f"(state: undone, id: {deadline.id if deadline else ''}), and run again."
            )
        time.sleep(_POLL)


@contextlib.contextmanager
def alone(run: str | None, check_mode: bool, docker_host: str = _LOCAL) -> t.Iterator[None]:
    """Exclude undos during the block, a change of this host, or of the engine at ``docker_host`` only.

    A user other than root, who may use the engine, has no access to the lock.
    """
    if check_mode or _LOCAL not in docker_host or os.geteuid() != 0:
        yield
        return
    with excluding_undo(run):
        yield
