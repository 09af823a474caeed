# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finish runs that were interrupted between the removal of a network and the reconnection of its containers."""

from __future__ import annotations

import selectors
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.schedule import Attempts
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.checks import Check
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.engine_responses import engine_runs

_NEVER = float("inf")
# How often it is looked whether a run that is active ended without finishing its steps, in seconds.
_ACTIVE = 2.0


class Pending(t.Protocol):
    """The journals of steps that are not finished."""

    def exist(self) -> bool: ...

    def interrupted(self) -> bool:
        """Whether there are some, and no run that finishes them."""


class InterruptedRuns:
    """``due`` is when :meth:`turn` must be called next, ``failure`` what the last attempt printed if it failed.

    ``program`` finishes the runs, in a process of its own. ``pid_file`` exists while the engine runs.
    """

    def __init__(
        self, program: t.Sequence[str], pending: Pending, pid_file: str, selector: selectors.BaseSelector
    ) -> None:
        self.due = _NEVER
        self.failure: list[str] = []
        self._program = program
        self._pending = pending
        self._pid_file = pid_file
        self._selector = selector
        self._process: Check | None = None
        self._attempts = Attempts()

    def turn(self, now: float) -> None:
        """Start the program if it is due."""
        self.due = _NEVER
        if self._process is not None:
            if self._process.deadline <= now:
                self._process.end()
            self.due = self._process.deadline
            return
        if not self._pending.exist():
            self._attempts, self.failure = Attempts(), []
            return
        if not self._pending.interrupted():
            self.due = now + _ACTIVE
            return
        if not engine_runs(self._pid_file):
            return
        if now < self._attempts.due:
            self.due = self._attempts.due
            return
        try:
            self._process = Check(self._program, now)
        except OSError as error:
            self._ended([str(error)])
            return
        self._selector.register(self._process, selectors.EVENT_READ, self._receive)

    def _receive(self) -> None:
        process = self._process
        if process is None or not process.receive():
            return
        self._selector.unregister(process)
        self._process = None
        succeeded, lines = process.result()
        self._ended([] if succeeded else lines)

    def _ended(self, lines: list[str]) -> None:
        """An attempt ended. It is repeated until there are no journals."""
        self.failure = lines
        self._attempts.failed(time.monotonic())
        self.due = self._attempts.due
