# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of the checkpoint of a host, and the lock that excludes its undo while a module applies the change."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    Progress,
    SavedDaemon,
    checkpoint_text,
    daemon_text,
    parse_checkpoint,
    parse_daemon,
    parse_networks,
    parse_progress,
    progress_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    parse_report,
    report_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    read_text,
    remove,
    sync_folder,
    write_atomically,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import try_lock

FOLDER = f"{STATE_FOLDER}/checkpoint"
LOCK = f"{RUN_FOLDER}/checkpoint.lock"
# The parts of a checkpoint. The first one exists as long as the checkpoint does.
SAVED, DAEMON, NETWORKS, PROGRESS, PROGRAM, REPORT = (
    "saved.json", "daemon.json", "networks.json", "progress.json", "undo", "report.json",
)  # fmt: skip
_POLL = 0.1
_WAIT = 30.0  # seconds that a module waits for the lock


def boot_time() -> float:
    """Seconds since the boot of the host, also while it sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_identity(proc: str = "/proc") -> str:
    """Identifies this boot. A container has the boot id of its machine, and a first process of its own."""
    with open(f"{proc}/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    with open(f"{proc}/1/stat", encoding="utf-8", errors="replace") as file:
        return f"{boot}/{file.read().rpartition(')')[2].split()[19]}"


class CheckpointFolder:
    """The folder. Each file is written atomically, with mode 0600."""

    def __init__(self, path: str = FOLDER, lock: str = LOCK) -> None:
        self.path = path
        self._lock = lock

    @property
    def program(self) -> str:
        """The path of the program that undoes the change."""
        return self._file(PROGRAM)

    def pending(self) -> Checkpoint | None:
        """The checkpoint that is neither confirmed nor undone. Raises FleetnetError if it cannot be read."""
        text = read_text(self._file(SAVED))
        try:
            return None if text is None else parse_checkpoint(text)
        except ValueError as error:
            raise FleetnetError(
                f"{self._file(SAVED)}: is not a checkpoint that this release can read ({error}). Delete it to keep the "
                "host as it is."
            ) from error

    def begin(self, checkpoint: Checkpoint, program: bytes) -> None:
        """Write a checkpoint. If this raises OSError, no checkpoint exists."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.chmod(self.path, 0o700)
        for name in (DAEMON, NETWORKS, PROGRESS, REPORT):
            remove(self._file(name))
        write_atomically(self.program, program.decode("latin-1"), mode=0o600, encoding="latin-1")
        self._write(SAVED, checkpoint_text(checkpoint))

    def record_daemon(self, daemon: SavedDaemon) -> None:
        """Add the state of the engine's configuration, before its first change."""
        if self.daemon() is None:
            self._write(DAEMON, daemon_text(daemon))

    def daemon(self) -> SavedDaemon | None:
        text = read_text(self._file(DAEMON))
        return None if text is None else parse_daemon(text)

    def record_networks(self, text: str) -> None:
        """Add the state of the networks, before their first change."""
        if self.networks() is None:
            self._write(NETWORKS, text)

    def networks(self) -> Journal | None:
        text = read_text(self._file(NETWORKS))
        return None if text is None else parse_networks(text)

    def progress(self) -> Progress:
        return parse_progress(read_text(self._file(PROGRESS)))

    def record_progress(self, progress: Progress) -> None:
        self._write(PROGRESS, progress_text(progress))

    def report(self) -> UndoReport | None:
        """The report of the last undo, until the next checkpoint."""
        return parse_report(read_text(self._file(REPORT)))

    def record_report(self, report: UndoReport) -> None:
        """Record what an undo did."""
        self._write(REPORT, report_text(report))

    def end(self, report: UndoReport | None = None) -> None:
        """Delete the checkpoint. The report of an undo stays."""
        if report is not None:
            self.record_report(report)
        for name in (SAVED, DAEMON, NETWORKS, PROGRESS, PROGRAM):
            remove(self._file(name))
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self.path)  # a power failure must not bring back what is confirmed
        if report is None:
            remove(self._file(REPORT))
            with contextlib.suppress(OSError):  # after a removal of everything, the folder above is empty, too
                os.removedirs(self.path)

    def lock(self, wait: float = _WAIT) -> t.TextIO | None:
        """Exclude others until the returned file is closed, also by the end of the process. None after ``wait`` s."""
        os.makedirs(os.path.dirname(self._lock), mode=0o755, exist_ok=True)
        file = open(self._lock, "a", encoding="utf-8")  # noqa: SIM115 (the caller closes it)
        deadline = time.monotonic() + wait
        while not try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(_POLL)
        return file

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _write(self, name: str, text: str) -> None:
        write_atomically(self._file(name), text, mode=0o600)
