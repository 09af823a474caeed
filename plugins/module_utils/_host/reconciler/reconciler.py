# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler: it owns the policy's tables, listens, and applies a part when the host differs from its files.

One process per host, which sleeps until the kernel or the engine reports a change.
"""

from __future__ import annotations

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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import messages
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler import events
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import (
    Json,
    all_elements,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import BridgePort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.schedule import Schedule
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.checks import Check, scripts
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import Control, notify_systemd
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.engine_watch import EngineWatch
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.interrupted_runs import (
    InterruptedRuns,
    Pending,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.libnftables import (
    Nftables,
    NftablesError,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.owned_tables import OwnedTables
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.ports import read_ports
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import Standby, release_standby

# Constants that Python's socket module lacks (linux/netlink.h, asm-generic/socket.h).
_NETLINK_NETFILTER = 12
_SO_RCVBUFFORCE = 33

_NETLINK_BUFFER = 4 << 20
_LARGEST_DATAGRAM = 1 << 18
# Parts that were installed meanwhile are found at the latest then.
_LONGEST_SLEEP = 60.0


class Settings(t.NamedTuple):
    """``scripts`` are those of the parts, ``tables`` is the file of the policy's tables, ``engine`` that of the engine.

    ``pid_file`` exists while the engine runs; ``control``, ``standby`` and ``state`` are created. ``version``
    identifies the installed files. ``finish`` is the program that finishes interrupted runs, whose
    journals ``pending`` finds.
    """

    scripts: t.Mapping[str, str]
    tables: str
    engine: str
    pid_file: str
    control: str
    standby: str
    state: str
    version: str
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
        self._standby: Standby | None = None
        self._lists: tuple[t.Sequence[Json], t.Sequence[Json]] = ((), ())
        self._ports: list[BridgePort] = []
        self._saved = ""

    def run(self) -> int:
        """Run until SIGTERM; return the exit status."""
        release_standby(self._settings.standby)
        self._listen()
        self._load()
        self._keep_standby()
        self._save_state()
        notify_systemd("READY=1")
        while not self._stopping or self._checks:
            self._turn()
        error = self._release()
        for path in (self._settings.control, self._settings.state):
            os.unlink(path)
        if error:
            sys.stderr.write(f"{self._settings.tables}: {error}\n")
        return 1 if error else 0

    def _turn(self) -> None:
        now = time.monotonic()
        if not self._stopping:
            self._start_checks(now)
            self._engine.turn(now)
            self._runs.turn(now)
            self._keep_standby()
        due = min(
            self._engine.due, self._runs.due, *(each.due for each in self._schedules.values()), now + _LONGEST_SLEEP
        )
        for key, _mask in self._selector.select(None if self._stopping else max(0.0, due - now)):
            key.data()
        self._save_state()

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
        for protocol, groups, parts in (
            (socket.NETLINK_ROUTE, events.RTNETLINK_GROUPS, events.rtnetlink_parts),
            (_NETLINK_NETFILTER, events.NFTABLES_GROUPS, events.nftables_parts),
        ):
            self._listen_to_kernel(protocol, groups, parts)
        control = Control(self._settings.control, {"load": self._load, "release": self._release})
        self._selector.register(control, selectors.EVENT_READ, control.answer)

    def _listen_to_kernel(self, protocol: int, groups: int, parts: t.Callable[[int, bytes], t.Iterable[str]]) -> None:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        kernel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _NETLINK_BUFFER)
        kernel.bind((0, groups))
        kernel.setblocking(False)

        def receive() -> None:
            try:
                data = kernel.recv(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # the buffer overflowed: anything may have changed
                self._changed(self._settings.scripts)
                return
            self._changed({part for kind, body in messages(data) for part in parts(kind, body)})

        self._selector.register(kernel, selectors.EVENT_READ, receive)

    def _stop(self, _signal: int, _frame: t.Any) -> None:
        self._stopping = True

    # --- the tables ---------------------------------------------------------------------------------------------------

    def _load(self) -> str | None:
        """Load the tables; return the error, which is also in the state."""
        try:
            if self._tables is None:
                self._tables = OwnedTables(Nftables(), self._settings.tables, self._elements)
            self._tables.load()
            self._engine.due = 0.0  # the tables may have other sets
            self._error = None
        except NftablesError as error:
            self._error = str(error)
            sys.stderr.write(f"{self._settings.tables}: {error}\n")
        return self._error

    def _keep_standby(self) -> None:
        """Start the second process, if the tables would end with this one."""
        if self._standby is not None and not self._standby.runs():
            self._standby = None
        if self._standby is None and self._tables is not None and self._tables.ownership == "owner":
            opened = [key.fd for key in self._selector.get_map().values()]
            descriptors = [*opened, self._selector.fileno(), self._wake[1].fileno()]
            self._standby = Standby(self._settings.standby, self._release_tables, descriptors)

    def _elements(self, blocks: t.Mapping[str, str]) -> Elements:
        return all_elements(*self._lists, self._ports, blocks)

    def _set_lists(self, containers: t.Sequence[Json], networks: t.Sequence[Json]) -> None:
        if self._tables is None:
            return
        self._lists = (containers, networks)
        self._ports = read_ports() if self._tables.loaded(BRIDGE_TABLE) else []
        try:
            self._tables.refresh()
        except NftablesError as error:
            self._error = str(error)
            sys.stderr.write(f"{self._settings.tables}: {error}\n")

    def _release(self) -> str | None:
        """Give up the ownership of the tables until the next load; return the error."""
        error = self._release_tables()
        if error is None and self._standby is not None:
            self._standby.end()
            self._standby = None
        return error

    def _release_tables(self) -> str | None:
        try:
            if self._tables is not None:
                self._tables.release()
        except NftablesError as error:
            return str(error)
        return None

    # --- the parts ----------------------------------------------------------------------------------------------------

    def _changed(self, parts: t.Iterable[str]) -> None:
        now = time.monotonic()
        for part in parts:
            if part in self._schedules:
                self._schedules[part].changed(now)

    def _start_checks(self, now: float) -> None:
        found = scripts(self._settings.scripts)
        for part in [part for part in self._schedules if part not in found]:
            del self._schedules[part]
        for part, script in found.items():
            schedule = self._schedules.setdefault(part, Schedule(now))
            if part not in self._checks and schedule.due <= now:
                check = self._checks[part] = Check([script, "--reassert"])
                self._selector.register(check, selectors.EVENT_READ, lambda part=part: self._receive_check(part))
                schedule.started()

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
                "interrupted_run": self._runs.failure,
                "parts": {
                    part: {"repairs": each.repairs, "pause": each.pause, "last": self._last.get(part, [])}
                    for part, each in sorted(self._schedules.items())
                },
            }
        )
        if state != self._saved:
            with open(self._settings.state + ".new", "w", encoding="utf-8") as file:
                file.write(state + "\n")
            os.replace(self._settings.state + ".new", self._settings.state)
            self._saved = state
