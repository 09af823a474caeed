# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the observer as a process of its own, and stop it and read what it has recorded.

The observer is a fork of the module, because Ansible removes the module's code from the host when the module ends. It
listens on packet sockets, and opens only the requested ports. :mod:`observer_process` is what it runs.
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

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, allow_descriptors
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.observer_process import (
    END_MARK,
    OVERFLOWED,
    Capture,
    Listener,
    listen,
    open_listener,
    packet_sockets,
)

# How long to wait for the observer's end after a signal, in seconds. On a busy host it takes a moment to write what
# arrived; if it is killed, the record is incomplete.
_STOP_TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True)
class ObserverRecord:
    """What an observer has recorded. ``complete`` is False if none ran, or it ended before it was stopped.

    ``overflowed`` are the containers that received more than the observer records: arrivals at these may be missing.
    """

    arrivals: list[dict[str, t.Any]]
    complete: bool
    overflowed: list[str]


class Observer:
    """The one observer of this host; its state is in ``folder``."""

    def __init__(self, folder: str = RUN_FOLDER) -> None:
        self._folder = folder
        self._process_file = os.path.join(folder, "observer.json")
        self._arrivals_file = os.path.join(folder, "arrivals.jsonl")

    def start(
        self, containers: t.Mapping[str, Namespace], lifetime: float, ports: t.Sequence[tuple[str, str, int]] = ()
    ) -> int:
        """Observe the namespaces of ``containers`` for at most ``lifetime`` seconds. Returns the process id.

        The observer also listens on ``ports`` (address, protocol, port) if the address is in one of the namespaces and
        the port is free. A running observer is stopped first. On return, the new one records.
        """
        self.stop()
        _private_folder(self._folder)
        allow_descriptors(2 * len(containers) + len(ports) + 256)
        captures = []
        listeners: list[Listener] = []
        for name, namespace in containers.items():
            with namespace.entered():
                captures += [Capture(opened, name) for opened in packet_sockets()]
                listeners += filter(None, (open_listener(*port) for port in ports))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        arrivals = os.open(self._arrivals_file, flags, 0o600)
        sockets = [capture.socket for capture in captures] + [each.socket for each in listeners]
        kept = [arrivals] + [opened.fileno() for opened in sockets]
        pid = _detach(lambda ready: listen(captures, listeners, arrivals, lifetime, ready), kept)
        start_time = _start_time(pid)
        if start_time is None:
            raise FleetnetError("the probe observer ended immediately after its start.")
        with open(self._process_file, "w", encoding="utf-8") as file:
            json.dump({"pid": pid, "start_time": start_time}, file)
        for opened in sockets:
            opened.close()
        os.close(arrivals)
        return pid

    def stop(self) -> ObserverRecord:
        """Stop the observer, if one runs, and delete its files. Returns what it has recorded."""
        alive = self._end()
        record = self._read(alive)
        for path in (self._process_file, self._arrivals_file):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return record

    def _end(self) -> bool:
        """Stop the process; returns whether one ran. Another process with the same process id is not stopped."""
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
            deadline = time.monotonic() + _STOP_TIMEOUT
            while time.monotonic() < deadline:
                if _start_time(pid) != start_time:
                    return True
                time.sleep(0.01)
        raise FleetnetError(f"the probe observer (process {pid}) does not end after SIGKILL.")

    def _read(self, alive: bool) -> ObserverRecord:
        arrivals: list[dict[str, t.Any]] = []
        overflowed: list[str] = []
        ended = False
        try:
            with open(self._arrivals_file, encoding="utf-8") as file:
                for line in file:
                    ended = line == END_MARK
                    entry = {} if ended else json.loads(line)
                    if OVERFLOWED in entry:
                        overflowed = entry[OVERFLOWED]
                    elif not ended:
                        arrivals.append(entry)
        except (FileNotFoundError, ValueError):  # no observer ran, or it was killed while it wrote a line
            ended = False
        return ObserverRecord(arrivals, alive and ended, overflowed)


def _private_folder(path: str) -> None:
    """Create ``path`` if it does not exist. Raises FleetnetError if another user than root can write to it."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise FleetnetError(
            f"{path} must be a directory that only root can write to. Remove it and run this task again."
        )


def _start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None if it does not exist or is a zombie.

    Process ids are reused; id and start time together identify a process.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if words[0] in "ZX" else int(words[19])


def _detach(job: t.Callable[[t.Callable[[], None]], None], kept: t.Sequence[int]) -> int:
    """Run ``job`` in a process that is detached from this one. Returns its process id.

    It keeps only the descriptors ``kept`` open, because Ansible waits until the module's output is closed. The job gets
    a function that it must call once it is ready; this function waits for that.
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
            os._exit(0)  # never return into the module
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as file:
        answer = file.read()  # to its end, when the other end is closed
    if not answer:
        raise FleetnetError("cannot start the probe observer: the host cannot create a process.")
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
