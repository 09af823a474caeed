# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second process that keeps the tables if the first one is killed.

Without ``persist`` the kernel removes a table when the socket of its owner is closed. The second process shares this
socket. It uses it only to give the tables up, on SIGTERM. The next reconciler finds it in the control group of the
unit, and needs no file for this: files can be removed, and a file system can be full.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t

# The name of the second process, in /proc.
NAME = "fleet-standby"

# In seconds: how long processes may take to give the tables up, and to end when they are killed.
_GIVE_UP, _END = 10.0, 2.0
_POLL = 0.01
_PROC = "/proc"
_TERMINATION = {signal.SIGTERM}


class Standby:
    """The second process, a copy of this one. ``release`` gives the tables up and returns the error, or None."""

    def __init__(self, release: t.Callable[[], str | None], descriptors: t.Iterable[int], loads: int) -> None:
        """The second process closes ``descriptors``. ``loads`` is the number of loads of the tables before.

        Raises OSError if it cannot be started.
        """
        self.started, self.loads = time.monotonic(), loads
        #: Whether it gave the tables up and ended.
        self.gave_up = False
        # a signal that arrives before the second process waits for it is kept
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINATION)
        try:
            self._process = os.fork()
            if self._process == 0:
                status = 1
                try:
                    _keep(release, descriptors)
                    status = 0
                finally:
                    os._exit(status)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def runs(self) -> bool:
        """Whether it runs. Must not be called after it returned false."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        self.gave_up = process != 0 and status == 0
        return process == 0

    def end(self) -> None:
        """End it. Tables that this process does not hold as well must have been given up."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _keep(release: t.Callable[[], str | None], descriptors: t.Iterable[int]) -> None:
    signal.set_wakeup_fd(-1)
    for descriptor in descriptors:
        os.close(descriptor)
    with open(f"{_PROC}/self/comm", "w", encoding="ascii") as file:
        file.write(NAME)
    while signal.sigwait(_TERMINATION) and release() is not None:
        pass


def end_processes(found: t.Callable[[], t.Iterable[int]]) -> None:
    """End all processes that ``found`` returns, until it returns none. Those that keep tables give them up first."""
    for number, seconds in ((signal.SIGTERM, _GIVE_UP), (signal.SIGKILL, _END)):
        signalled: set[int] = set()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            left = set(found())
            if not left:
                return
            for process in left - signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            signalled |= left
            time.sleep(_POLL)


def release_standby(unit: str) -> None:
    """Let the second process of a killed reconciler, if there is one, give the tables up."""
    end_processes(lambda: [each for each in processes_of(unit) if _read(_PROC, each, "comm").strip() == NAME])


def processes_of(unit: str, proc: str = _PROC) -> list[int]:
    """The processes in the control group of a system unit, without this one."""
    root = _group(proc, 1)
    root = "" if root is None else root[: -len("/init.scope")] if root.endswith("/init.scope") else root.rstrip("/")
    group = f"{root}/system.slice/{unit}"
    numbers = (int(name) for name in os.listdir(proc) if name.isdigit())
    return [each for each in numbers if each != os.getpid() and _group(proc, each) == group]


def _group(proc: str, process: int) -> str | None:
    """systemd's control group of a process: the only one, or with version 1 that of its own hierarchy."""
    found = None
    for line in _read(proc, process, "cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers == "name=systemd":
            return path
        if not controllers:
            found = path
    return found


def _read(proc: str, process: int, name: str) -> str:
    try:
        with open(f"{proc}/{process}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
