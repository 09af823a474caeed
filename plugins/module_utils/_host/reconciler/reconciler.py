# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler: it owns the policy's tables, listens, and applies a part when the host differs from its files.

One process per host, which sleeps until the kernel or the engine reports a change.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import Elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import BRIDGE_TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import (
    Json,
    all_elements,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import BridgePort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.schedule import Attempts, Schedule
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.checks import Check, scripts
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import Control, notify_systemd
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.engine_watch import EngineWatch
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.interrupted_runs import (
    InterruptedRuns,
    Pending,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.kernel_events import (
    KernelEvents,
    kernel_events,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.libnftables import (
    Nftables,
    NftablesError,
    brief,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.owned_tables import OwnedTables
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.ports import read_ports
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.saved_elements import SavedElements
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import Standby, end_processes

# Parts that were installed meanwhile are found at the latest then.
_LONGEST_SLEEP = 60.0
# One change on the host sends many messages. Files are looked at only this often, in seconds.
_LOOK = 0.1
_LOGGED_LINES = 20
# A check that still runs when the reconciler ends may take so long.
_LAST_CHECK = 30.0
_NEVER = float("inf")


class Settings(t.NamedTuple):
    """``scripts`` are those of the parts, ``tables`` is the file of the policy's tables, ``engine`` that of the engine.

    ``pid_file`` exists while the engine runs; ``control``, ``state`` and ``saved``, which survives a boot, are created.
    ``version`` identifies the installed files. ``left`` returns the processes that an earlier instance left. ``finish``
    is the program that finishes interrupted runs, whose journals ``pending`` finds.
    """

    scripts: t.Mapping[str, str]
    tables: str
    engine: str
    pid_file: str
    control: str
    state: str
    saved: str
    version: str
    left: t.Callable[[], t.Iterable[int]]
    finish: t.Sequence[str]
    pending: Pending


class Reconciler:
    """The process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._error: str | None = None
        self._tables: OwnedTables | None = None
        self._schedules: dict[str, Schedule] = {}
        self._checks: dict[str, Check] = {}
        self._last: dict[str, list[str]] = {}
        self._engine = EngineWatch(settings.engine, settings.pid_file, self._selector, self._set_lists)
        self._runs = InterruptedRuns(settings.finish, settings.pending, settings.pid_file, self._selector)
        self._control: Control | None = None
        self._standby: Standby | None = None
        self._loads = 0
        self._standbys = Attempts()
        self._no_standby: str | None = None
        # None until the engine's first answer
        self._lists: tuple[t.Sequence[Json], t.Sequence[Json]] | None = None
        self._ports: list[BridgePort] = []
        self._saved_elements = SavedElements(settings.saved)
        self._saved = ""
        self._scripts: dict[str, str] = {}
        # when files are looked at next; a change since the last look is seen then
        self._look_due = 0.0
        self._logged: dict[str, str] = {}

    def run(self) -> int:
        """Run until SIGTERM; return the exit status."""
        end_processes(self._settings.left)
        self._listen()
        self._load()
        self._keep_standby(time.monotonic())
        self._save_state()
        notify_systemd("READY=1")
        while not self._stopping or self._checks:
            self._turn()
        error = self._release()
        for path in (self._settings.control, self._settings.state):
            with contextlib.suppress(OSError):
                os.unlink(path)
        if error:
            sys.stderr.write(f"{self._settings.tables}: {error}\n")
        return 1 if error else 0

    def _turn(self) -> None:
        now = time.monotonic()
        looks = now >= self._look_due
        if not self._stopping:
            if looks:
                self._look(now)
            self._start_checks(now)
            self._engine.turn(now)
            if looks or now >= self._runs.due:
                self._runs.turn(now)
            self._keep_standby(now)
        self._end_late_checks(now)
        if looks:
            self._save_state()
        retry = self._standbys.due if self._no_standby is not None else _NEVER
        limits = [now + _LONGEST_SLEEP, *(check.deadline for check in self._checks.values())]
        if self._stopping:
            limits += [] if self._checks else [now]
        else:
            limits += [self._engine.due, self._runs.due, retry, *(each.due for each in self._schedules.values())]
            limits += [] if looks else [self._look_due]
        for key, _mask in self._selector.select(max(0.0, min(limits) - now)):
            key.data()

    def _look(self, now: float) -> None:
        """Look at the files that others may change."""
        self._scripts = scripts(self._settings.scripts)
        self._keep_control()
        self._look_due = now + _LOOK

    # --- what it listens to -------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        reader, writer = socket.socketpair()
        for each in (reader, writer):
            each.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        self._wake = (reader, writer)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)  # wakes it
        self._selector.register(reader, selectors.EVENT_READ, lambda: reader.recv(64))
        for kernel in kernel_events():
            self._selector.register(kernel, selectors.EVENT_READ, lambda kernel=kernel: self._hear(kernel))
        self._keep_control()

    def _keep_control(self) -> None:
        """Create the control socket, and create it again if its file was removed."""
        path = self._settings.control
        if self._control is not None:
            if self._control.reachable():
                return
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
        try:
            self._control = Control(path, {"load": self._load, "release": self._release})
        except OSError as error:
            self._log(path, str(error))
            return
        self._log(path, "")
        self._selector.register(self._control, selectors.EVENT_READ, self._control.answer)

    def _log(self, path: str, error: str) -> None:
        """Write an error to the journal, unless it is the last one about ``path``."""
        if error and self._logged.get(path) != error:
            sys.stderr.write(f"{path}: {error}\n")
        self._logged[path] = error

    def _stop(self, _signal: int, _frame: t.Any) -> None:
        self._stopping = True

    # --- the tables ---------------------------------------------------------------------------------------------------

    def _load(self) -> str | None:
        """Load the tables; return the error, which is also in the state."""
        try:
            if self._tables is None:
                self._tables = OwnedTables(
                    Nftables(), self._settings.tables, self._elements, self._saved_elements.read()
                )
            self._tables.load()
            self._engine.due = 0.0  # the tables may have other sets
            self._error = None
        except NftablesError as error:
            self._failed(error)
        self._loads += 1
        return self._error

    def _failed(self, error: NftablesError) -> None:
        self._error = brief(str(error))
        lines = str(error).splitlines()[:_LOGGED_LINES]
        sys.stderr.write("\n".join([f"{self._settings.tables}: {lines[0]}", *lines[1:], ""]))

    def _keep_standby(self, now: float) -> None:
        """Start the second process, if the tables would end with this one. Without it, the tables have no owner."""
        gave_up = False
        if self._standby is not None and not self._standby.runs():
            gave_up = self._standby.gave_up
            self._standbys.failed(now, now - self._standby.started)
            self._standby, self._no_standby = None, "it ended"
        former = self._standby
        if self._tables is None or not (self._no_standby or self._tables.ownership == "owner"):
            return
        # one that was started before the last load knows the former tables
        if former is not None and (former.loads == self._loads or now < self._standbys.due):
            return
        if now < self._standbys.due:
            self._disown(self._tables)
            return
        try:
            if gave_up or self._tables.ownership == "":
                self._tables.own()
            self._standby, self._no_standby = self._start_standby(), None
            if former is not None:
                former.end()
            return
        except OSError as error:
            self._no_standby = str(error)
            self._log("second process", self._no_standby)
        except NftablesError as error:
            self._no_standby = brief(str(error))
            self._failed(error)
        self._standbys.failed(now)
        self._disown(self._tables)

    def _disown(self, tables: OwnedTables) -> None:
        try:
            tables.disown()
            self._end_standby()
        except NftablesError as error:
            self._failed(error)

    def _start_standby(self) -> Standby | None:
        """Raises OSError."""
        if self._tables is None or self._tables.ownership != "owner":
            return None
        opened = [key.fd for key in self._selector.get_map().values()]
        return Standby(self._give_up, [*opened, self._selector.fileno(), self._wake[1].fileno()], self._loads)

    def _give_up(self) -> str | None:
        """What the second process does. Its lists are as old as it is."""
        self._lists = None
        return self._release_tables()

    def _end_standby(self) -> None:
        if self._standby is not None:
            self._standby.end()
            self._standby = None

    def _elements(self, blocks: t.Mapping[str, str]) -> Elements | None:
        return None if self._lists is None else all_elements(*self._lists, self._ports, blocks)

    def _set_lists(self, containers: t.Sequence[Json], networks: t.Sequence[Json]) -> bool:
        """Use the engine's lists; whether the tables have their elements now."""
        if self._tables is None:
            return True
        before = self._lists, self._ports
        try:
            self._ports = read_ports() if self._tables.loaded(BRIDGE_TABLE) else []
            self._lists = (containers, networks)
            self._log(self._settings.saved, self._saved_elements.write(self._tables.refresh()))
        except NftablesError as error:
            self._failed(error)
            return False
        except OSError as error:
            self._log("ports of bridges", str(error))
            return False
        except Exception:
            self._lists, self._ports = before
            raise
        self._log("ports of bridges", "")
        return True

    def _release(self) -> str | None:
        """Give up the ownership of the tables until the next load; return the error."""
        error = self._release_tables()
        if error is None:
            self._end_standby()
            self._no_standby = None
        return error

    def _release_tables(self) -> str | None:
        try:
            if self._tables is not None:
                self._tables.release()
        except NftablesError as error:
            return str(error)
        return None

    # --- the parts ----------------------------------------------------------------------------------------------------

    def _hear(self, kernel: KernelEvents) -> None:
        now = time.monotonic()
        self._engine.look(now)
        for part in kernel.parts():
            if part in self._schedules:
                self._schedules[part].changed(now)

    def _start_checks(self, now: float) -> None:
        for part in [part for part in self._schedules if part not in self._scripts]:
            del self._schedules[part]
        for part, script in self._scripts.items():
            schedule = self._schedules.setdefault(part, Schedule(now))
            if part not in self._checks and schedule.due <= now:
                try:
                    check = self._checks[part] = Check([script, "--reassert"], now)
                except OSError as error:
                    self._log(script, str(error))
                    schedule.started()
                    schedule.checked(now, repaired=False, failed=True)
                    continue
                self._log(script, "")
                self._selector.register(check, selectors.EVENT_READ, lambda part=part: self._receive_check(part))
                schedule.started()

    def _end_late_checks(self, now: float) -> None:
        for check in self._checks.values():
            if self._stopping:
                check.deadline = min(check.deadline, now + _LAST_CHECK)
            if check.deadline <= now:
                check.end()

    def _receive_check(self, part: str) -> None:
        check = self._checks[part]
        if not check.receive():
            return
        self._selector.unregister(check)
        del self._checks[part]
        succeeded, lines = check.result()
        if lines:
            self._last[part] = lines
        if part in self._schedules:
            self._schedules[part].checked(time.monotonic(), repaired=bool(lines), failed=not succeeded)

    # --- what others can read -----------------------------------------------------------------------------------------

    def _save_state(self) -> None:
        """Write the state to its file if it changed."""
        state = json.dumps(
            {
                "version": self._settings.version,
                "ownership": self._tables.ownership if self._tables else None,
                "error": self._error,
                "standby": self._no_standby,
                "interrupted_run": self._runs.failure,
                "parts": {
                    part: {"repairs": each.repairs, "pause": each.pause, "last": self._last.get(part, [])}
                    for part, each in sorted(self._schedules.items())
                },
            }
        )
        path = self._settings.state
        if state == self._saved and os.path.exists(path):
            return
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(state + "\n")
            os.replace(path + ".new", path)
        except OSError as error:
            self._log(path, str(error))
            return
        self._log(path, "")
        self._saved = state
