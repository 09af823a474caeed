# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files and units of fleetnet on a host: reading them, writing them, and running ``apply``."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.host_files import (
    APPLY,
    TIMER,
    UNIT,
    File,
    FilesPlan,
    Observed,
    common_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.commands import CommandFailed, Commands


class Agent:
    """One host's fleetnet files. ``parts`` are the parts of ``apply`` that the calling module is responsible for."""

    def __init__(self, commands: Commands, parts: t.Sequence[str], needs: t.Sequence[str]) -> None:
        """``needs`` are programs that the parts run; Unsupported names the one that the host lacks."""
        for program in needs:
            if commands.find(program) is None:
                raise Unsupported(f"the host has no {program!r}; install it (Debian: nftables, iptables, iproute2)")
        self._commands = commands
        self._parts = list(parts)

    def desired(self, files: t.Mapping[str, t.Optional[File]]) -> dict[str, t.Optional[File]]:
        """A module's own files together with those that every part needs."""
        return {**common_files(), **files}

    def observe(self, desired: t.Mapping[str, t.Optional[File]]) -> Observed:
        """Read the files, and let ``apply --check`` tell what differs in the kernel."""
        files = {path: read_text(path) for path in desired}
        # An older script may not know how to check; its replacement applies everything anyway.
        current = files[APPLY] == (desired[APPLY] or File("")).text
        return Observed(files, self._drift() if current else (), self._idle_units() if current else ())

    def execute(self, plan: FilesPlan) -> None:
        """Write what differs, each file atomically, then apply once."""
        for path, file in plan.write.items():
            write_atomically(path, file.text, file.mode)
        for path in plan.delete:
            os.unlink(path)
        units = [path for path in plan.write if path.startswith("/etc/systemd/")]
        if units:
            self._commands.run("systemctl", "daemon-reload")
        self._commands.run(APPLY, *self._parts)
        if units or plan.enable:
            self._commands.run("systemctl", "enable", "--now", UNIT, TIMER)

    def _drift(self) -> tuple[str, ...]:
        try:
            self._commands.run(APPLY, "--check", *self._parts)
        except CommandFailed as failure:
            if failure.code != 1:
                raise
            return tuple(failure.output.splitlines())
        return ()

    def _idle_units(self) -> tuple[str, ...]:
        idle = []
        for unit in (UNIT, TIMER):
            shown = self._commands.run("systemctl", "show", "--property=ActiveState,UnitFileState", unit).split()
            if "ActiveState=active" not in shown or "UnitFileState=enabled" not in shown:
                idle.append(unit)
        return tuple(idle)


def read_text(path: str) -> str | None:
    """A file's text, None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_atomically(path: str, text: str, mode: int) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old text or the new one, never a part."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".fleetnet-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
