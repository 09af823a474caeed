# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a checkpoint before a change, and confirm or undo the change."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Deadline, is_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_FILE,
    BOOT_LINK,
    BOOT_UNIT,
    SERVICE,
    TIMER,
    boot_unit,
    timer_arguments,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import networks_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    undone_message,
    unrestored_message,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DaemonPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import (
    LONGEST_UNDO,
    boot_identity,
    boot_time,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import (
    current_daemon,
    current_networks,
    saved_daemon,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.program import undo_program
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    remove,
    sync_folder,
    write_atomically,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import (
    require_systemd,
    unit_states,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.installation import (
    PYTHON,
    python_program,
)

_POLL = 0.2


class Checkpoints:
    """The checkpoint of this host."""

    def __init__(self, commands: Commands, folder: CheckpointFolder | None = None, root: str = "") -> None:
        self._commands = commands
        self._folder = folder or CheckpointFolder()
        self._host = HostState(commands, root)
        self._root = root
        self._lock: t.TextIO | None = None
        self.taken: Checkpoint | None = None

    def take(
        self,
        checkpoint_id: str,
        timeout: float,
        risks: tuple[Risk, ...],
        docker_host: str,
        run: str | None,
        manual: bool = False,
    ) -> Checkpoint:
        """Save the state of the host, and arm its undo. Raises FleetnetError; then nothing has changed.

        ``run`` identifies the run of ansible-playbook. Until :meth:`applied`, or the end of this process, the undo
        waits.
        """
        require_systemd(self._commands)
        python = python_program(self._commands, PYTHON, sys.executable)
        self._lock = self._folder.lock()
        pending = None if self._lock is None else self._folder.pending()
        if self._lock is None or pending is not None:
            self._release()
            which = f" ({pending.deadline.id})" if pending else ""
            raise FleetnetError(
                f"a run changes this host, and has not confirmed its changes{which}. Nothing was changed. Confirm or "
                "undo them with the module network_checkpoint, or wait until it ends."
            )
        files = self._host.files()
        checkpoint = Checkpoint(
            deadline=Deadline(checkpoint_id, timeout, boot_time(), boot_identity(), run or "", manual),
            kernel=self._host.kernel(),
            risks=risks,
            docker_host=docker_host,
            files=files,
            active=self._host.active(files),
            addresses=self._host.addresses(),
        )
        try:
            self._folder.begin(checkpoint, undo_program())
            self._arm(python, timeout)
        except (OSError, FleetnetError) as error:
            self._folder.end()
            self._disarm()
            self._release()
            raise FleetnetError(
                f"the host cannot arm the undo of this change: {str(error).rstrip('.')}. Nothing was changed. Repair "
                "the host, or set confirm: false (with the playbooks, docker_fleet_confirm: false)."
            ) from error
        self.taken = checkpoint
        return checkpoint

    def _arm(self, python: str, timeout: float) -> None:
        write_atomically(f"{self._root}{BOOT_FILE}", boot_unit(python, self._folder.program), mode=0o644)
        link = f"{self._root}{BOOT_LINK}"
        os.makedirs(os.path.dirname(link), mode=0o755, exist_ok=True)
        remove(link)
        os.symlink(BOOT_FILE, link)
        sync_folder(os.path.dirname(link))
        self._stop_units()
        self._commands.run("systemd-run", *timer_arguments(python, self._folder.program, timeout))

    def _stop_units(self) -> None:
        """Those of an earlier checkpoint. systemd-run accepts no name that is in use. The lock lets no undo run."""
        with contextlib.suppress(CommandFailed):
            self._commands.run("systemctl", "stop", TIMER, SERVICE, BOOT_UNIT)
        with contextlib.suppress(CommandFailed):
            self._commands.run("systemctl", "reset-failed", TIMER, SERVICE)

    def _disarm(self) -> None:
        self._stop_units()
        for path in (BOOT_LINK, BOOT_FILE):
            remove(f"{self._root}{path}")
            with contextlib.suppress(FileNotFoundError):
                sync_folder(os.path.dirname(f"{self._root}{path}"))

    def record_daemon(self, plan: DaemonPlan, invocation: str) -> None:
        """Add the engine's configuration to the checkpoint, before it changes."""
        if self.taken is not None:
            self._folder.record_daemon(saved_daemon(plan, invocation))

    def record_networks(self, steps: t.Sequence[NetworkStep]) -> None:
        """Add the networks to the checkpoint, before they change."""
        if self.taken is not None:
            self._folder.record_networks(networks_text(self.taken.docker_host, steps))

    def record_all(self, engine: Engine, unit: str) -> None:
        """Add the engine's configuration and all networks, for a change that is not known yet."""
        if self.taken is not None:
            self._folder.record_daemon(current_daemon(self._commands, unit, engine))
            self._folder.record_networks(current_networks(self.taken.docker_host, engine))

    def applied(self) -> None:
        """The change is complete, or it failed and was undone as far as its parts do: from now on the time counts."""
        if self.taken is not None:
            self._folder.record_applied(boot_time(), self._host.kernel())
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def pending(self) -> Checkpoint | None:
        """The checkpoint that is neither confirmed nor undone."""
        return self._folder.pending()

    @property
    def folder(self) -> str:
        """Where the checkpoint is on the host."""
        return self._folder.path

    def report(self) -> UndoReport | None:
        """The report of the last undo."""
        return self._folder.report()

    def confirm(self, checkpoint_id: str | None, run: str | None) -> bool:
        """Keep the change; also true if it was kept before. Without an id, that of this run's play.

        Returns false if the host has no such checkpoint. A change whose module ended before its end is not kept: its
        undo starts at once. Raises FleetnetError if the host does not release the checkpoint.
        """
        lock = self._folder.lock()
        if lock is None:
            pending = self._folder.pending()
            if pending is None or not is_meant(pending, checkpoint_id, run):
                return self._was_confirmed(checkpoint_id, run)
            error = FleetnetError("a module still changes this host, or an undo runs. Wait until it ends.")
            error.result = {"busy": True}
            raise error
        try:
            checkpoint = self._folder.pending()
            if checkpoint is None or not is_meant(checkpoint, checkpoint_id, run):
                return self._was_confirmed(checkpoint_id, run)
            deadline = checkpoint.deadline
            if self._folder.progress(deadline).applied is not None and self._folder.left(deadline) > 0:
                self._folder.confirm(checkpoint)
                self._disarm()
                return True
        finally:
            lock.close()
        self._undo(checkpoint, asked=False)
        return False

    def _was_confirmed(self, checkpoint_id: str | None, run: str | None) -> bool:
        """An answer may be lost, and the question asked again."""
        found = self._folder.confirmed()
        if found is None:
            return False
        return found[0] == checkpoint_id if checkpoint_id else bool(run) and found[1] == run

    def undo(self, checkpoint_id: str | None, run: str | None) -> UndoReport | None:
        """Undo the change now, and return the report when it ended; None without such a checkpoint.

        Raises FleetnetError if it does not end.
        """
        checkpoint = self._folder.pending()
        if checkpoint is None or not is_meant(checkpoint, checkpoint_id, run):
            return None
        deadline = checkpoint.deadline
        in_time = self._folder.left(deadline) > 0 or self._folder.progress(deadline).undo
        return self._undo(checkpoint, asked=in_time)

    def _undo(self, checkpoint: Checkpoint, asked: bool) -> UndoReport | None:
        if not self._folder.progress(checkpoint.deadline).asked:
            self._folder.ask_for_undo(checkpoint, asked)
        return self._finish(checkpoint)

    def settle(self, warn: t.Callable[[str], None]) -> None:
        """Wait for the undo of an earlier change that was not confirmed, and say what was undone.

        The undo is started if nothing is going to: a run may have been killed before it armed the timer. Raises
        FleetnetError if something cannot be restored.
        """
        checkpoint = self._folder.pending()
        report = None if checkpoint is None else self._finish(checkpoint, at_once=False)
        if report is None:
            return
        if report.problems:
            raise FleetnetError(f"an earlier run: {unrestored_message(report, self._folder.path)}")
        warn(f"an earlier run: {undone_message(report)}")

    def _finish(self, checkpoint: Checkpoint, at_once: bool = True) -> UndoReport | None:
        """Wait until the undo ends, or has made its first attempts; return its report."""
        stale, started = self._folder.report(), False
        deadline = time.monotonic() + self._folder.left(checkpoint.deadline) + LONGEST_UNDO
        while self._folder.pending() is not None:
            if not started and self._start(at_once):
                stale, started = None, True
            report = self._folder.report()
            if report is not None and report.gave_up and report != stale:
                return report
            if time.monotonic() > deadline:
                raise FleetnetError(
                    self._folder.busy()
                    or f"the undo of the change that began before does not end. See 'journalctl --unit {SERVICE}', and "
                    f"delete {self._folder.path} on the host to keep it as it is."
                )
            time.sleep(_POLL)
        return self._folder.report()

    def _start(self, at_once: bool) -> bool:
        """Start the undo, unless it runs or is going to. False while an attempt or a module has the lock.

        After a failed attempt it begins anew, because the host may be repaired: the lock is free between two of them.
        """
        lock = self._folder.lock(0)
        if lock is None:
            return False
        with lock:
            report = self._folder.report()
            failed = report is not None and bool(report.problems)
            runs = self._active(SERVICE) or self._active(BOOT_UNIT)
            if self._folder.pending() is not None and (failed or (not runs and (at_once or not self._active(TIMER)))):
                self._folder.forget_report()
                self._stop_units()
                python = python_program(self._commands, PYTHON, sys.executable)
                self._commands.run("systemd-run", *timer_arguments(python, self._folder.program, 0))
        return True

    def _active(self, unit: str) -> bool:
        """Whether a unit is active, or starts: also if systemd is about to start it again after a failure."""
        return any(each.active in ("active", "activating") for each in unit_states(self._commands, unit))


def is_meant(checkpoint: Checkpoint, checkpoint_id: str | None, run: str | None) -> bool:
    """Whether this is the checkpoint with the id; without an id, that of this run's play."""
    taken = checkpoint.deadline
    return taken.id == checkpoint_id if checkpoint_id else is_of(taken, run or "")
