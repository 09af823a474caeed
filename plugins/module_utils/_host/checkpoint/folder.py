# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of the checkpoint of a host. Each file is written atomically, with mode 0600."""

from __future__ import annotations

import contextlib
import json
import os

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    SavedDaemon,
    checkpoint_text,
    daemon_text,
    parse_checkpoint,
    parse_daemon,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import (
    Kernel,
    applied_text,
    request_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    parse_networks,
    with_steps,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    report_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal, journal_text
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import (
    APPLIED,
    ASKED,
    FOLDER,
    LOCK,
    REPORT,
    SAVED,
    CheckpointLock,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    read_text,
    remove,
    sync_folder,
    write_atomically,
)

DAEMON, NETWORKS, PROGRAM = "daemon.json", "networks.json", "undo"
# Beside the lock, so that it goes with the boot.
_CONFIRMED = ".confirmed"


class CheckpointFolder(CheckpointLock):
    """The folder."""

    def __init__(self, path: str = FOLDER, lock: str = LOCK) -> None:
        super().__init__(path, lock)
        self._confirmed = f"{lock}{_CONFIRMED}"

    @property
    def program(self) -> str:
        """The path of the program that undoes the change."""
        return self._file(PROGRAM)

    def pending(self) -> Checkpoint | None:
        """The checkpoint that is neither confirmed nor undone. Raises FleetnetError if it cannot be read."""
        return self._saved(parse_checkpoint)

    def begin(self, checkpoint: Checkpoint, program: bytes) -> None:
        """Write a checkpoint. If this raises OSError, no checkpoint exists."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.chmod(self.path, 0o700)
        for path in (*map(self._file, (DAEMON, NETWORKS, APPLIED, ASKED, REPORT)), self._confirmed):
            remove(path)
        write_atomically(self.program, program.decode("latin-1"), mode=0o600, encoding="latin-1")
        self._write(SAVED, checkpoint_text(checkpoint))

    def record_daemon(self, daemon: SavedDaemon) -> None:
        """Add the state of the engine's configuration, before its first change."""
        if self.daemon() is None:
            self._write(DAEMON, daemon_text(daemon))

    def replace_daemon(self, daemon: SavedDaemon) -> None:
        """Replace the state of the engine's configuration, after an attempt to restore it."""
        self._write(DAEMON, daemon_text(daemon))

    def daemon(self) -> SavedDaemon | None:
        text = read_text(self._file(DAEMON))
        return None if text is None else parse_daemon(text)

    def record_networks(self, text: str) -> None:
        """Add the state of the networks before their first change, and of all networks what is about to be removed."""
        saved = self.networks()
        if saved is not None:
            text = journal_text(with_steps(saved, parse_networks(text)))
        self._write(NETWORKS, text)

    def networks(self) -> Journal | None:
        text = read_text(self._file(NETWORKS))
        return None if text is None else parse_networks(text)

    def record_applied(self, applied: float, kernel: Kernel) -> None:
        """Record the end of the change, and the values of the kernel then."""
        self._write(APPLIED, applied_text(applied, kernel))

    def ask_for_undo(self, checkpoint: Checkpoint, asked: bool = True) -> None:
        """Let the undo of the checkpoint begin as soon as the lock is free. ``asked``: a task wants it."""
        self._write(ASKED, request_text(checkpoint.deadline, asked))

    def record_report(self, report: UndoReport) -> None:
        """Record what an undo did."""
        self._write(REPORT, report_text(report))

    def forget_report(self) -> None:
        """Before another attempt of an undo."""
        remove(self._file(REPORT))

    def confirm(self, checkpoint: Checkpoint) -> None:
        """Delete the checkpoint, and record that it is confirmed, until the next one or a reboot."""
        taken = checkpoint.deadline
        text = json.dumps({"id": taken.id, "run": taken.run if taken.manual else ""})
        write_atomically(self._confirmed, text, mode=0o600)
        self.end()

    def confirmed(self) -> tuple[str, str] | None:
        """The id of the checkpoint that was confirmed last, and its run if a play took it."""
        try:
            data = json.loads(read_text(self._confirmed) or "")
            return str(data["id"]), str(data["run"])
        except (KeyError, TypeError, ValueError):
            return None

    def end(self, report: UndoReport | None = None) -> None:
        """Delete the checkpoint durably. The report of an undo stays."""
        if report is not None:
            remove(self._confirmed)  # of a confirmation that was killed before it deleted the checkpoint
            with contextlib.suppress(OSError):
                self.record_report(report)
        for name in (SAVED, DAEMON, NETWORKS, APPLIED, ASKED, PROGRAM):
            remove(self._file(name))
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self.path)  # a power failure must not bring back what is confirmed
        if report is None:
            remove(self._file(REPORT))
            with contextlib.suppress(OSError):  # after a removal of everything, the folder above is empty, too
                os.removedirs(self.path)

    def _write(self, name: str, text: str) -> None:
        write_atomically(self._file(name), text, mode=0o600)
