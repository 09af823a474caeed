# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo a change: put back files, rules, routes, the engine's configuration and networks, as the checkpoint has them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    SavedDaemon,
    SavedFile,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import (
    Kernel,
    Progress,
    former_kernel,
    seconds_left,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.files_undo import (
    FilesUndo,
    plan_files_undo,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import added_addresses
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    ASKED,
    KILLED,
    REBOOTED,
    UNCONFIRMED,
    UndoReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import boot_identity, boot_time
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

_POLL = 0.5  # seconds
# How long a module may apply a change before the undo ends its process, in seconds.
_LONGEST_RUN = 900.0
# How long the undo waits for the end of a process that it killed, in seconds. It may wait for a disk.
_END = 30.0


class EngineUndo(t.Protocol):
    """The port to the engine: its configuration, its containers and its networks."""

    def restore_daemon(self, docker_host: str, saved: SavedDaemon) -> tuple[list[str], str]:
        """Return operations as text, and what identifies the process that then runs."""

    def resume(self, docker_host: str, container: tuple[str, str]) -> None:
        """Start a container (id, name) if it does not run."""

    def restore_networks(self, docker_host: str, journal: Journal) -> list[str]:
        """Return operations as text."""


class Machine(t.NamedTuple):
    """``boot`` identifies the boot, ``now`` counts the seconds since then, ``kill`` ends a process at once."""

    boot: t.Callable[[], str] = boot_identity
    now: t.Callable[[], float] = boot_time
    sleep: t.Callable[[float], None] = time.sleep
    kill: t.Callable[[int, int], None] = os.kill


class _Held(t.NamedTuple):
    """The process that has the lock, and since when it is seen."""

    holder: int
    since: float


class Undo:
    """The undo of the checkpoint in a folder."""

    def __init__(
        self,
        commands: Commands,
        folder: CheckpointFolder,
        host: HostState,
        engine: EngineUndo,
        machine: Machine | None = None,
    ) -> None:
        self._commands = commands
        self._folder = folder
        self._host = host
        self._engine = engine
        self._machine = machine or Machine()
        self._operations: list[str] = []
        self._problems: list[str] = []
        self._held: _Held | None = None
        # what earlier attempts of this process did
        self._invocation: str | None = None
        self._resumed: set[tuple[str, str]] = set()

    def run(self, attempt: int = 1) -> UndoReport | None:
        """Wait until the time is over, and undo the change. None if no checkpoint exists, or it was confirmed.

        ``attempt`` is for the report.
        """
        self._held = None
        while True:
            lock = self._lock()
            if lock is None and self._folder.deadline() is None:
                return None
            if lock is not None:
                with lock:
                    checkpoint = self._folder.pending()
                    if checkpoint is None:
                        return None
                    progress = self._folder.progress(checkpoint.deadline)
                    if seconds_left(checkpoint.deadline, progress, self._machine.boot(), self._machine.now()) <= 0:
                        return self._undo(checkpoint, progress, attempt)
            self._machine.sleep(_POLL)

    def _lock(self) -> t.ContextManager[t.Any] | None:
        """The lock, None while a module has it: both must not change the host at once.

        A module that hangs must not keep the host cut off, so a process that has the lock too long is killed. If even
        that does not end it, it waits in the kernel, and changes nothing. One that is unknown is waited for.
        """
        lock = self._folder.lock(0)
        if lock is not None:
            self._held = None
            return lock
        holder, now = self._folder.holder(), self._machine.now()
        if holder is None or self._held is None or self._held.holder != holder:
            self._held = None if holder is None else _Held(holder, now)
        if holder is None or self._held is None:
            return None
        seconds = now - self._held.since
        if seconds > _LONGEST_RUN:
            with contextlib.suppress(ProcessLookupError):
                self._machine.kill(holder, signal.SIGKILL)
        return contextlib.nullcontext() if seconds > _LONGEST_RUN + _END else None

    def _undo(self, checkpoint: Checkpoint, progress: Progress, attempt: int) -> UndoReport:
        """What gives the path back comes first. The checkpoint stays if something cannot be restored."""
        self._operations, self._problems = [], []
        kernel = self._former_kernel(checkpoint, progress)
        plan = plan_files_undo(checkpoint, *self._now(checkpoint))
        self._restore_files(plan)
        daemon = self._attempt("saved configuration of the engine", self._folder.daemon)
        networks = self._attempt("saved networks", self._folder.networks)
        self._attempt("addresses of bridges", lambda: self._remove_addresses(checkpoint, networks))
        if daemon is not None:
            self._attempt(daemon.path, lambda: self._restore_daemon(checkpoint, daemon))
        if networks is not None:
            self._attempt(
                "networks",
                lambda: self._operations.extend(self._engine.restore_networks(checkpoint.docker_host, networks)),
            )
        if daemon is not None:
            self._resume(checkpoint, daemon)
        self._attempt("units", lambda: self._restore_units(checkpoint, plan))
        self._attempt("kernel parameters", lambda: self._host.set_kernel(Kernel(kernel.sysctls, {})))
        self._attempt("policy of the chain FORWARD", lambda: self._host.set_kernel(Kernel({}, kernel.policies)))
        report = UndoReport(
            checkpoint.deadline.id,
            self._reason(checkpoint, progress),
            checkpoint.deadline.timeout,
            tuple((each.kind, each.names) for each in checkpoint.risks),
            tuple(self._operations),
            tuple(self._problems),
            checkpoint.deadline.run if checkpoint.deadline.manual else "",
            attempt,
        )
        if self._problems:
            with contextlib.suppress(OSError):  # such as a full disk
                self._folder.record_report(report)
        else:
            self._folder.end(report)
            # While the lock excludes the next checkpoint, which has a unit of the same name.
            self._host.forget_boot_unit()
        return report

    def _reason(self, checkpoint: Checkpoint, progress: Progress) -> str:
        """A confirmation that comes too late starts the undo as well, and is not its reason."""
        if self._machine.boot() != checkpoint.deadline.boot:
            return REBOOTED
        if progress.asked:
            return ASKED
        return UNCONFIRMED if progress.applied is not None else KILLED

    def _former_kernel(self, checkpoint: Checkpoint, progress: Progress) -> Kernel:
        """The values to set. Read before the undo changes others: a start of the engine may."""
        # A play's checkpoint has those from before its changes.
        after = (
            None if checkpoint.deadline.manual or self._machine.boot() != checkpoint.deadline.boot else progress.kernel
        )
        now = self._attempt("kernel", self._host.kernel)
        return checkpoint.kernel if now is None else former_kernel(checkpoint.kernel, after, now)

    def _now(self, checkpoint: Checkpoint) -> tuple[t.Mapping[str, SavedFile], tuple[str, ...]]:
        """The files and the active units. None of what cannot be read, so that all that is saved is restored."""
        files: t.Mapping[str, SavedFile] = self._attempt("files", self._host.files) or {}
        names = [*files, *checkpoint.files]
        return files, self._attempt("units", lambda: self._host.active(names)) or ()

    def _attempt(self, what: str, action: t.Callable[[], t.Any]) -> t.Any:
        """Go on if something fails, and return None: the rest may give the path back."""
        try:
            return action()
        except (FleetnetError, OSError, KeyError, TypeError, ValueError) as error:
            self._problems.append(f"{what}: {error}")
            return None

    def _restore_files(self, plan: FilesUndo) -> None:
        self._operations += plan.lines
        problems = len(self._problems)
        for part in plan.remove:
            self._attempt(part.name, lambda part=part: self._commands.run(part.script, "--remove"))  # type: ignore[misc]
        if plan.stop:
            self._attempt("units", lambda: self._commands.run("systemctl", "stop", *plan.stop))
        with self._host.applying_nothing():
            for path, file in plan.write.items():
                self._attempt(path, lambda path=path, file=file: self._host.write(path, file))  # type: ignore[misc]
            # What is not removed or stopped needs its files for the next attempt.
            for path in plan.delete if len(self._problems) == problems else ():
                self._attempt(path, lambda path=path: self._host.delete(path))  # type: ignore[misc]
        self._attempt("units", lambda: self._commands.run("systemctl", "daemon-reload"))
        for part in plan.apply:
            self._attempt(part.name, lambda part=part: self._commands.run(part.script))  # type: ignore[misc]

    def _restore_daemon(self, checkpoint: Checkpoint, daemon: SavedDaemon) -> None:
        known = daemon._replace(invocation=self._invocation or daemon.invocation)
        lines, invocation = self._engine.restore_daemon(checkpoint.docker_host, known)
        self._operations += lines
        if invocation != known.invocation:  # the next attempt does not restart it again
            self._invocation = invocation
            with contextlib.suppress(OSError):  # such as a full disk
                self._folder.replace_daemon(known._replace(invocation=invocation))

    def _resume(self, checkpoint: Checkpoint, daemon: SavedDaemon) -> None:
        """Start the containers that must run, after their networks exist. Each once: a user may stop it later."""
        for container in daemon.containers:
            if container in self._resumed:
                continue
            problems = len(self._problems)
            self._attempt(
                container[1],
                lambda container=container: self._engine.resume(checkpoint.docker_host, container),  # type: ignore[misc]
            )
            if len(self._problems) == problems:
                self._resumed.add(container)

    def _remove_addresses(self, checkpoint: Checkpoint, networks: Journal | None) -> None:
        """Those of new networks and of docker0 may cut the path. The engine restores bridges, which takes longer.

        Other bridges are not of the change, and after a reboot the engine has given them the addresses that they have.
        """
        if self._machine.boot() != checkpoint.deadline.boot:
            return
        after = [] if networks is None else [state.definition for state in networks.step.after]
        found = added_addresses(checkpoint.addresses, self._host.addresses(), after)
        for interface, address in found:
            self._host.remove_address(interface, address)

    def _restore_units(self, checkpoint: Checkpoint, plan: FilesUndo) -> None:
        if plan.restart:
            self._attempt("units", lambda: self._commands.run("systemctl", "restart", *plan.restart))
        _files, active = self._now(checkpoint)
        start = [unit for unit in checkpoint.active if unit not in active]
        if start:
            self._commands.run("systemctl", "start", *start)
