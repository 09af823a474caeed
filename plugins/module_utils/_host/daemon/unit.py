# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dockerd on the host: its unit, its log, its daemon.json. What to do with them is decided in ``_domain.daemon``."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import remove, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import ip_program
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import show_units

CONFIG_FILE = "/etc/docker/daemon.json"
POLL_SECONDS = 0.25
LOG_LINES = 300  # enough for a start that fails a few times

_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "InvocationID",
    "ExecMainStartTimestampMonotonic", "ExecStart",
)  # fmt: skip


class DaemonUnit(t.NamedTuple):
    """What systemd says of the daemon's unit. ``started`` is the daemon's start in seconds since the epoch."""

    name: str
    load: str
    active: str
    sub: str
    pid: int
    restarts: int
    invocation: str
    started: float
    argv: tuple[str, ...]

    @property
    def config_file(self) -> str:
        """The path of daemon.json, from the command line where it is given there."""
        for at, word in enumerate(self.argv):
            if word.startswith("--config-file="):
                return word.split("=", 1)[1]
            if word == "--config-file" and at + 1 < len(self.argv):
                return self.argv[at + 1]
        return CONFIG_FILE


class Daemon:
    """The effects. ``unit`` is the name of the systemd unit."""

    def __init__(self, commands: Commands, unit: str) -> None:
        self._commands = commands
        self.name = unit

    def unit(self) -> DaemonUnit:
        """FleetnetError where systemd does not run the host or does not know the unit."""
        if not self._commands.find("systemctl"):
            raise FleetnetError(f"there is no systemctl on this host: {self.name} can only be restarted by systemd")
        (shown,) = show_units(self._commands, _PROPERTIES, self.name)
        if shown.get("LoadState") != "loaded":
            state = shown.get("LoadState", "unknown")
            raise FleetnetError(
                f"the unit {self.name} is {state}: install the Docker engine, or name its unit (service)"
            )
        pid = int(shown.get("MainPID") or 0)
        monotonic = int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        return DaemonUnit(
            name=self.name,
            load=shown["LoadState"],
            active=shown["ActiveState"],
            sub=shown["SubState"],
            pid=pid,
            restarts=int(shown.get("NRestarts") or 0),
            invocation=shown.get("InvocationID", ""),
            started=time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) + monotonic,
            argv=_command_line(pid) or _exec_start(shown.get("ExecStart", "")),
        )

    def restart(self, seconds: float) -> None:
        """Restart (or start) the daemon and wait until systemd takes it for started; FleetnetError where it fails."""
        # Earlier failures and restarts count: past the unit's limit systemd refuses the next start.
        self._commands.run("systemctl", "reset-failed", self.name)
        # Not blocking: Debian's unit has no limit of time for the start, so a daemon that hangs would hang us.
        self._commands.run("systemctl", "--no-block", "restart", self.name)
        deadline = time.monotonic() + seconds
        # Of a daemon that has failed before, systemd may try one more start between the two commands, and have it fail.
        restarts = self.unit().restarts
        while True:
            time.sleep(POLL_SECONDS)
            # The job is looked for first: as long as there is one, the state may be that of the daemon before.
            waiting, unit = self._jobs(), self.unit()
            if unit.restarts > restarts or (unit.active == "failed" and not waiting):
                raise FleetnetError(f"{self.name} does not start")
            if unit.active == "active" and not waiting:
                return
            restarts = min(restarts, unit.restarts)
            if time.monotonic() > deadline:
                raise FleetnetError(f"{self.name} has not started within {seconds:.0f} s (it is {unit.active})")

    def stop(self) -> None:
        self._commands.run("systemctl", "stop", self.name)

    def reload(self) -> None:
        self._commands.run("systemctl", "reload", self.name)

    def _jobs(self) -> bool:
        listed = self._commands.run("systemctl", "list-jobs", "--no-legend", "--no-pager", self.name)
        return self.name in listed

    def log_since(self, moment: float) -> list[str]:
        """The daemon's log from ``moment`` (seconds since the epoch) on; empty where the journal cannot be read."""
        argv = ("journalctl", "--no-pager", "--output=cat", f"--since=@{moment:.3f}", f"--unit={self.name}")
        try:
            return self._commands.run(*argv, f"--lines={LOG_LINES}").splitlines()
        except CommandFailed:
            return []

    def install_own_bridge(self, text: str | None) -> None:
        """Write, enable and start the unit of a bridge of our own, or remove it where ``text`` is None."""
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

    def delete_link(self, name: str) -> None:
        program = ip_program(self._commands)
        with contextlib.suppress(CommandFailed):  # gone already
            self._commands.run(program, "link", "delete", "dev", name, "type", "bridge")

    def validate(self, text: str, argv: t.Sequence[str]) -> None:
        """Let dockerd (23.0 and newer) judge ``text`` together with its command line; FleetnetError if it objects."""
        with tempfile.NamedTemporaryFile("w", prefix="fleetnet-daemon-", suffix=".json", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            try:
                self._commands.run(self._program(argv), "--validate", f"--config-file={file.name}", *_flags(argv))
            except CommandFailed as error:
                lines = [line for line in error.output.splitlines() if line.strip()]
                reason = (lines or ["no output"])[-1].replace(file.name, "daemon.json")
                raise FleetnetError(f"dockerd --validate refuses the new configuration: {reason}") from error

    def help_text(self, argv: t.Sequence[str]) -> str:
        return self._commands.run(self._program(argv), "--help")

    def _program(self, argv: t.Sequence[str]) -> str:
        program = argv[0] if argv and os.path.isabs(argv[0]) else self._commands.find("dockerd")
        if not program:
            raise FleetnetError("there is no dockerd on this host")
        return program


def _command_line(pid: int) -> tuple[str, ...]:
    """The words that the daemon was started with, variables of its unit resolved; empty where it does not run."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return tuple(file.read().rstrip("\0").split("\0")) if pid else ()
    except OSError:
        return ()


def _exec_start(text: str) -> tuple[str, ...]:
    """The words of systemd's ``ExecStart={ path=... ; argv[]=... ; ...}``, without variables that are not resolved."""
    found = re.search(r"argv\[\]=(.*?) ; ", text)
    return tuple(word for word in shlex.split(found[1]) if not word.startswith("$")) if found else ()


def _flags(argv: t.Sequence[str]) -> list[str]:
    """The command line's flags without the one that names the configuration file."""
    flags: list[str] = []
    words = iter(argv[1:])
    for word in words:
        if word == "--config-file":
            next(words, None)
        elif not word.startswith("--config-file="):
            flags.append(word)
    return flags
