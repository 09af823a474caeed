# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finish runs that were interrupted between the removal of a network and the reconnection of its containers."""

from __future__ import annotations

import selectors
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.schedule import Retry
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
        self._retry: Retry | None = None

    def turn(self, now: float) -> None:
        """Start the program if it is due."""
        self.due = _NEVER
        if self._process is not None:
            return
        if not self._pending.exist():
            self._retry, self.failure = None, []
            return
        if not self._pending.interrupted():
            self.due = now + _ACTIVE
            return
        if not engine_runs(self._pid_file):
            return
        self._retry = self._retry or Retry(now)
        if now < self._retry.due:
            self.due = self._retry.due
            return
        self._process = Check(self._program)
        self._selector.register(self._process, selectors.EVENT_READ, self._receive)

    def _receive(self) -> None:
        process = self._process
        if process is None or not process.receive():
            return
        self._selector.unregister(process)
        self._process = None
        succeeded, lines = process.result()
        self.failure = [] if succeeded else lines
        if self._retry is not None:  # until there are none any more
            self._retry.ended(time.monotonic())
