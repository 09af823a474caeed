# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo a change: put back files, rules, routes, the engine's configuration and networks, as the checkpoint has them."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    LONGEST_RUN,
    Checkpoint,
    Progress,
    SavedDaemon,
    seconds_left,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.files_undo import (
    FilesUndo,
    plan_files_undo,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    ASKED,
    KILLED,
    REBOOTED,
    UNCONFIRMED,
    UndoReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import (
    CheckpointFolder,
    boot_identity,
    boot_time,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

_POLL = 0.5  # seconds


class EngineUndo(t.Protocol):
    """The port to the engine: its configuration and its networks. Both return operations as text."""

    def restore_daemon(self, docker_host: str, saved: SavedDaemon) -> list[str]: ...

    def restore_networks(self, docker_host: str, journal: Journal) -> list[str]: ...


class Clock(t.NamedTuple):
    """``boot`` identifies the boot, ``now`` counts the seconds since then."""

    boot: t.Callable[[], str] = boot_identity
    now: t.Callable[[], float] = boot_time
    sleep: t.Callable[[float], None] = time.sleep


class Undo:
    """The undo of the checkpoint in a folder."""

    def __init__(
        self,
        commands: Commands,
        folder: CheckpointFolder,
        host: HostState,
        engine: EngineUndo,
        clock: Clock | None = None,
    ) -> None:
        self._commands = commands
        self._folder = folder
        self._host = host
        self._engine = engine
        self._clock = clock or Clock()
        self._operations: list[str] = []
        self._problems: list[str] = []

    def run(self) -> UndoReport | None:
        """Wait until the time is over, and undo the change. None if no checkpoint exists, or it was confirmed."""
        started = self._clock.now()
        while True:
            lock = self._folder.lock(0)
            if lock is not None or self._clock.now() - started > LONGEST_RUN:
                try:
                    checkpoint = self._folder.pending()
                    if checkpoint is None:
                        return None
                    progress = self._folder.progress()
                    left = seconds_left(checkpoint, progress, self._clock.boot(), self._clock.now())
                    if left <= 0:
                        return self._undo(checkpoint, progress)
                finally:
                    if lock is not None:
                        lock.close()
            self._clock.sleep(_POLL)

    def _undo(self, checkpoint: Checkpoint, progress: Progress) -> UndoReport:
        """What gives the path back comes first. The checkpoint stays if something cannot be restored."""
        self._operations, self._problems = [], []
        plan = plan_files_undo(checkpoint, *self._now(checkpoint))
        self._attempt("files, rules and routes", lambda: self._restore_files(plan))
        daemon, networks = self._folder.daemon(), self._folder.networks()
        self._attempt("addresses of bridges", lambda: self._remove_addresses(checkpoint, networks))
        if daemon is not None:
            self._attempt(
                daemon.path,
                lambda: self._operations.extend(self._engine.restore_daemon(checkpoint.docker_host, daemon)),
            )
        if networks is not None:
            self._attempt(
                "networks",
                lambda: self._operations.extend(self._engine.restore_networks(checkpoint.docker_host, networks)),
            )
        self._attempt("units", lambda: self._restore_units(checkpoint, plan))
        self._attempt("kernel settings", lambda: self._host.set_sysctls(checkpoint.sysctls))
        self._attempt("policy of the chain FORWARD", lambda: self._host.set_policies(checkpoint.policies))
        report = UndoReport(
            checkpoint.id,
            self._reason(checkpoint, progress),
            checkpoint.timeout,
            tuple((each.kind, each.names) for each in checkpoint.risks),
            tuple(self._operations),
            tuple(self._problems),
        )
        if self._problems:
            self._folder.record_report(report)
        else:
            self._folder.end(report)
        return report

    def _reason(self, checkpoint: Checkpoint, progress: Progress) -> str:
        if progress.undo:
            return ASKED
        if self._clock.boot() != checkpoint.boot:
            return REBOOTED
        return UNCONFIRMED if progress.applied is not None else KILLED

    def _now(self, checkpoint: Checkpoint) -> tuple[t.Any, tuple[str, ...]]:
        files = self._host.files()
        return files, self._host.active([*files, *checkpoint.files])

    def _attempt(self, what: str, action: t.Callable[[], t.Any]) -> None:
        """Go on if something cannot be restored: the rest may give the path back."""
        try:
            action()
        except (FleetnetError, OSError, KeyError, TypeError, ValueError) as error:
            self._problems.append(f"{what}: {error}")

    def _restore_files(self, plan: FilesUndo) -> None:
        self._operations += plan.lines
        for part in plan.remove:
            self._commands.run(part.script, "--remove")
        if plan.stop:
            self._commands.run("systemctl", "stop", *plan.stop)
        with self._host.applying_nothing():
            self._host.write(plan.write)
            self._host.delete(plan.delete)
        self._commands.run("systemctl", "daemon-reload")
        for part in plan.apply:
            self._attempt(part.name, lambda part=part: self._commands.run(part.script))  # type: ignore[misc]

    def _remove_addresses(self, checkpoint: Checkpoint, networks: Journal | None) -> None:
        """Those of new networks and of docker0 may cut the path. The engine restores bridges, which takes longer.

        Other bridges are not of the change, and after a reboot the engine has given them the addresses that they have.
        """
        if self._clock.boot() != checkpoint.boot:
            return
        after = () if networks is None else networks.step.after
        changed = {DOCKER0, *(state.definition.named_bridge for state in after)}
        for name, addresses in self._host.addresses().items():
            for address in addresses if name in changed else ():
                if address not in checkpoint.addresses.get(name, ()):
                    self._host.remove_address(name, address)

    def _restore_units(self, checkpoint: Checkpoint, plan: FilesUndo) -> None:
        if plan.restart:
            self._commands.run("systemctl", "restart", *plan.restart)
        _files, active = self._now(checkpoint)
        start = [unit for unit in checkpoint.active if unit not in active]
        if start:
            self._commands.run("systemctl", "start", *start)
