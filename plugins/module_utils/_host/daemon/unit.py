# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dockerd on the host: its unit, its log and its validation. ``_domain.daemon`` decides how they are used."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import tempfile
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.log import errors_in, failure_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import number_or_none
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import (
    DaemonUnits,
    unit_of,
    unit_refusal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.host_state import (
    DAEMON_PID,
    configuration_file,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import ip_program
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import (
    require_systemd,
    show_units,
)

POLL_SECONDS = 0.25
RELOAD_SECONDS = 30.0  # dockerd reacts to a SIGHUP at once; this is for a machine under load
RESTORE_SECONDS = 180.0
LOG_LINES = 300  # enough for several failed starts
# The journal's field: the invocation of the unit that the logging process belongs to. Empty for systemd's own messages.
_INVOCATION = "_SYSTEMD_INVOCATION_ID"

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "MainPID", "NRestarts", "InvocationID",
    "ExecMainStartTimestampMonotonic", "ExecStart",
)  # fmt: skip


def restore_limit(seconds: float) -> float:
    """Return how long a restart with the former configuration may take, in seconds; ``seconds`` is the user's limit.

    It is known to start: a host must not stay without its daemon because the limit for another one is short.
    """
    return max(seconds, RESTORE_SECONDS)


#: States of a unit whose daemon runs or starts.
RUNS = ("active", "activating", "reloading")


class DaemonUnit(t.NamedTuple):
    """The daemon's unit as systemd reports it. ``started`` is the daemon's start in seconds since the epoch."""

    name: str
    active: str
    restarts: int
    invocation: str
    started: float
    argv: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether the daemon runs or starts."""
        return self.active in RUNS

    @property
    def config_file(self) -> str:
        """The path of daemon.json, which the command line may set."""
        return configuration_file(self.argv)


class Daemon:
    """Operations on the daemon. ``unit`` is the name of its systemd unit."""

    def __init__(self, commands: Commands, unit: str) -> None:
        self._commands = commands
        self.name = unit

    def unit(self) -> DaemonUnit:
        """Query the unit. Raises FleetnetError if systemd does not manage the host or does not know the unit."""
        require_systemd(self._commands)
        (shown,) = show_units(self._commands, _PROPERTIES, self.name)
        state, active = shown.get("LoadState", "unknown"), shown.get("ActiveState", "unknown")
        refusal = None if active in RUNS else unit_refusal(self._units(state, shown.get("Id", self.name)))
        if refusal:
            raise FleetnetError(refusal)
        pid = number_or_none(shown.get("MainPID")) or 0
        monotonic = (number_or_none(shown.get("ExecMainStartTimestampMonotonic")) or 0) / 1e6
        return DaemonUnit(
            name=self.name,
            active=active,
            restarts=number_or_none(shown.get("NRestarts")) or 0,
            invocation=shown.get("InvocationID", ""),
            started=time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) + monotonic,
            argv=_command_line(pid) or _exec_start(shown.get("ExecStart", "")),
        )

    def _units(self, state: str, own: str) -> DaemonUnits:
        """What ``unit_refusal`` decides by; ``own`` is the unit's Id."""
        pid = (read_text(DAEMON_PID) or "").strip()
        runs = pid.isdigit() and (read_text(f"/proc/{pid}/comm") or "").strip() == "dockerd"
        running = unit_of(read_text(f"/proc/{pid}/cgroup") or "") if runs else ""
        shown = show_units(self._commands, ("FragmentPath",), running) if running else [{}]
        return DaemonUnits(self.name, state, running, shown[0].get("FragmentPath", ""), own)

    def restart(self, seconds: float) -> None:
        """Restart (or start) the daemon and wait until systemd reports it as active.

        Raises FleetnetError if it fails or takes more than ``seconds``.
        """
        # Earlier failures and restarts count towards the unit's limit of starts.
        self._commands.run("systemctl", "reset-failed", self.name)
        # Not blocking: Debian's unit has no start timeout, so a daemon that hangs would block this module.
        self._commands.run("systemctl", "--no-block", "restart", self.name)
        deadline = time.monotonic() + seconds
        # If the daemon failed before, systemd may start it once more between the two commands, and fail.
        restarts = self.unit().restarts
        while True:
            time.sleep(POLL_SECONDS)
            # The job first: while it exists, the state may be that of the former daemon.
            waiting, unit = self._jobs(), self.unit()
            if unit.restarts > restarts or (unit.active == "failed" and not waiting):
                raise FleetnetError(f"{self.name} does not start.")
            if unit.active == "active" and not waiting:
                return
            restarts = min(restarts, unit.restarts)
            if time.monotonic() > deadline:
                raise FleetnetError(f"{self.name} has not started within {seconds:.0f} s (it is {unit.active}).")

    def stop(self) -> None:
        self._commands.run("systemctl", "stop", self.name)

    def reload(self) -> None:
        self._commands.run("systemctl", "reload", self.name)

    def _jobs(self) -> bool:
        listed = self._commands.run("systemctl", "list-jobs", "--no-legend", "--no-pager", self.name)
        return self.name in listed

    def log_since(self, moment: float, without: str = "") -> list[str]:
        """Return the daemon's log since ``moment`` (seconds since the epoch); empty if the journal cannot be read.

        Omits what the invocation ``without`` of the unit logged.
        """
        argv = ("journalctl", "--no-pager", "--output=json", "--all", f"--since=@{moment:.3f}", f"--unit={self.name}")
        try:
            entries = [json.loads(line) for line in self._commands.run(*argv, f"--lines={LOG_LINES}").splitlines()]
        except (CommandFailed, ValueError):
            return []
        found = (entry for entry in entries if isinstance(entry, dict))
        kept = (entry for entry in found if not without or entry.get(_INVOCATION) != without)
        return [line for entry in kept for line in _message(entry.get("MESSAGE")).splitlines()]

    def install_own_bridge(self, text: str | None) -> None:
        """Write, enable and start the unit of a bridge of this collection, or remove it if ``text`` is None."""
        if text is None:
            if os.path.exists(own_bridge.UNIT_FILE):
                self._commands.run("systemctl", "disable", "--now", own_bridge.UNIT)
                remove(own_bridge.UNIT_FILE)
                self._commands.run("systemctl", "daemon-reload")
            return
        write_atomically(own_bridge.UNIT_FILE, text)
        self._commands.run("systemctl", "daemon-reload")
        self._commands.run("systemctl", "enable", own_bridge.UNIT)
        self._commands.run("systemctl", "restart", own_bridge.UNIT)

    def delete_bridge(self, name: str) -> None:
        program = ip_program(self._commands)
        with contextlib.suppress(CommandFailed):  # it does not exist
            self._commands.run(program, "link", "delete", "dev", name, "type", "bridge")

    def validate(self, text: str, argv: t.Sequence[str]) -> None:
        """Validate ``text`` and the command line by dockerd (23.0 and newer). Raises FleetnetError if invalid."""
        with tempfile.NamedTemporaryFile("w", prefix="fleetnet-daemon-", suffix=".json", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            try:
                self._commands.run(self._program(argv), "--validate", f"--config-file={file.name}", *_flags(argv))
            except CommandFailed as error:
                lines = [line for line in error.output.splitlines() if line.strip()]
                reason = (lines or ["no output"])[-1].replace(file.name, "daemon.json")
                raise FleetnetError(f"dockerd --validate rejects the new configuration: {reason}") from error

    def help_text(self, argv: t.Sequence[str]) -> str:
        return self._commands.run(self._program(argv), "--help")

    def _program(self, argv: t.Sequence[str]) -> str:
        program = argv[0] if argv and os.path.isabs(argv[0]) else self._commands.find("dockerd")
        if not program:
            raise FleetnetError("dockerd: not found on this host. Install the Docker engine.")
        return program


class Before(t.NamedTuple):
    """The moment before a change of the daemon, and the unit's invocation that ran then."""

    seconds: float  # since the epoch
    invocation: str


def before_change(daemon: Daemon) -> Before:
    """Return what ``logged_failure`` needs to find the log of the change that follows."""
    return Before(time.time(), daemon.unit().invocation)


def logged_failure(daemon: Daemon, before: Before) -> str:
    """Return a sentence with the daemon's log of a change, empty without a failure.

    A daemon that stops logs errors as well, so they do not count if another invocation followed. Of a daemon that runs
    only errors count.
    """
    unit = daemon.unit()
    lines = daemon.log_since(before.seconds, "" if unit.invocation == before.invocation else before.invocation)
    found = errors_in(lines) if unit.active == "active" else failure_lines(lines)
    return f" Log of {daemon.name}: {' | '.join(found)}" if found else ""


def _message(value: t.Any) -> str:
    """The text of a journal entry. journalctl prints text that is not UTF-8 as a list of bytes."""
    if isinstance(value, list) and all(isinstance(each, int) and 0 <= each < 256 for each in value):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _command_line(pid: int) -> tuple[str, ...]:
    """The running daemon's arguments, with variables of its unit resolved; empty if it does not run."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return tuple(file.read().rstrip("\0").split("\0")) if pid else ()
    except OSError:
        return ()


def _exec_start(text: str) -> tuple[str, ...]:
    """The arguments in systemd's ``ExecStart={ path=... ; argv[]=... ; ...}``, without unresolved variables."""
    found = re.search(r"argv\[\]=(.*?) ; ", text)
    return tuple(word for word in shlex.split(found[1]) if not word.startswith("$")) if found else ()


def _flags(argv: t.Sequence[str]) -> list[str]:
    """The flags of the command line without the one that names the configuration file."""
    flags: list[str] = []
    words = iter(argv[1:])
    for word in words:
        if word == "--config-file":
            next(words, None)
        elif not word.startswith("--config-file="):
            flags.append(word)
    return flags
