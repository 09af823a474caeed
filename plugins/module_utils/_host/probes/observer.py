# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The observer's life on a host: starting it as a process of its own, and ending it for what it has seen.

It is a fork of the module, since the module's code is gone from the host once the module ends. It listens by packet
sockets, and opens ports only where it is told to; :mod:`observer_process` is what it does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import stat
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, allow_descriptors
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.observer_process import (
    END_MARK,
    Ear,
    Listener,
    listen,
    listener,
    packet_sockets,
)

STATE_FOLDER = "/run/fleetnet"

# How long the observer may take to end when it is asked to, in seconds.
_PATIENCE = 5.0


@dataclasses.dataclass(frozen=True)
class Record:
    """What an observer has seen. ``complete`` is False where there was none, or it ended before it was told to."""

    arrivals: list[dict[str, t.Any]]
    complete: bool


class Observer:
    """The one observer of this host; its state is in ``folder``."""

    def __init__(self, folder: str = STATE_FOLDER) -> None:
        self._folder = folder
        self._process_file = os.path.join(folder, "observer.json")
        self._arrivals_file = os.path.join(folder, "arrivals.jsonl")

    def start(
        self, containers: t.Mapping[str, Namespace], lifetime: float, ports: t.Sequence[tuple[str, str, int]] = ()
    ) -> int:
        """Observe the namespaces of ``containers`` for ``lifetime`` seconds at most; the process id.

        It also listens on ``ports``, each an address, a protocol and a port, where that is an address in one of the
        namespaces and the port is free. An observer that runs already is ended first. On return the new one hears.
        """
        self.stop()
        _private_folder(self._folder)
        allow_descriptors(2 * len(containers) + len(ports) + 256)
        ears = []
        listeners: list[Listener] = []
        for name, namespace in containers.items():
            with namespace.entered():
                ears += [Ear(opened, name) for opened in packet_sockets()]
                listeners += filter(None, (listener(*port) for port in ports))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        arrivals = os.open(self._arrivals_file, flags, 0o600)
        sockets = [ear.socket for ear in ears] + [each.socket for each in listeners]
        kept = [arrivals] + [opened.fileno() for opened in sockets]
        pid = _detach(lambda ready: listen(ears, listeners, arrivals, lifetime, ready), kept)
        start_time = _start_time(pid)
        if start_time is None:
            raise FleetnetError("the observer of probes has ended as soon as it was started")
        with open(self._process_file, "w", encoding="utf-8") as file:
            json.dump({"pid": pid, "start_time": start_time}, file)
        for opened in sockets:
            opened.close()
        os.close(arrivals)
        return pid

    def stop(self) -> Record:
        """End the observer, if one runs, and clear its traces away."""
        alive = self._end()
        record = self._read(alive)
        for path in (self._process_file, self._arrivals_file):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return record

    def _end(self) -> bool:
        """Whether there was one to end. A process that merely has its number by now is left alone."""
        try:
            with open(self._process_file, encoding="utf-8") as file:
                known = json.load(file)
            pid, start_time = int(known["pid"]), int(known["start_time"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if _start_time(pid) != start_time:
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                if _start_time(pid) != start_time:
                    return True
                time.sleep(0.01)
        raise FleetnetError(f"the observer of probes, process {pid}, does not end, not even by SIGKILL")

    def _read(self, alive: bool) -> Record:
        arrivals: list[dict[str, t.Any]] = []
        ended = False
        try:
            with open(self._arrivals_file, encoding="utf-8") as file:
                for line in file:
                    ended = line == END_MARK
                    if not ended:
                        arrivals.append(json.loads(line))
        except (FileNotFoundError, ValueError):  # none was there, or it was killed in the middle of a line
            ended = False
        return Record(arrivals, alive and ended)


def _private_folder(path: str) -> None:
    """Make ``path`` if need be; FleetnetError if somebody but root could write there."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise FleetnetError(f"{path} is not a folder that belongs to root alone; remove it and run this again")


def _start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None where there is none, or a dead one not yet reaped.

    A number and its start time together name a process for good; numbers alone come back.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if words[0] in "ZX" else int(words[19])


def _detach(job: t.Callable[[t.Callable[[], None]], None], kept: t.Sequence[int]) -> int:
    """Run ``job`` in a process that has nothing to do with this one any more; its process id.

    Of the open files it keeps ``kept`` alone: Ansible waits until nobody holds the module's output open. The job gets a
    function to call once it is ready, which is what this waits for.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            grandchild = os.fork()
            if grandchild:
                os.write(writer, str(grandchild).encode())
            else:
                os.chdir("/")
                _close_all_but([writer, *kept])
                job(lambda: os.close(writer))
        finally:
            os._exit(0)  # never back into the module, whatever happened
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as file:
        answer = file.read()  # to its end, which is when nobody has the other end any more
    if not answer:
        raise FleetnetError("the observer of probes could not be started: the host refuses a new process")
    return int(answer)


def _close_all_but(kept: t.Iterable[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, max(os.sysconf("SC_OPEN_MAX"), first))
