# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files and units of fleetnet on a host: reading them, writing them, and running ``apply``."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import (
    File,
    FilesPlan,
    ObservedFiles,
    part_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import Part
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import unit_states


class PartFiles:
    """One part of a host's fleetnet files: the part's own script and units, and the files that its module compiles."""

    def __init__(self, commands: Commands, part: Part) -> None:
        """Unsupported names a program that the part needs and the host lacks."""
        for program in part.needs:
            if commands.find(program) is None:
                raise Unsupported(
                    f"the host has no {program!r}; install it (Debian: nftables, iptables, iproute2, procps, systemd)"
                )
        self._commands = commands
        self._part = part

    def desired(self, files: t.Mapping[str, File | None]) -> dict[str, File | None]:
        """The module's files together with the part's own."""
        return {**part_files(self._part), **files}

    def absent(self, files: t.Iterable[str]) -> dict[str, File | None]:
        """Nothing of it: neither the part's own files nor the module's ``files`` (paths)."""
        return dict.fromkeys([*files, *part_files(self._part)])

    def observe(self, desired: t.Mapping[str, File | None]) -> ObservedFiles:
        """Read the files, and let the script tell what differs in the kernel.

        Where any file differs everything is applied anew, so that only with the right files there is anything to ask.
        """
        files = {path: read_text(path) for path in desired}
        if not any(desired.values()):
            return ObservedFiles(files, tuple(self._script("--traces").splitlines()))
        if any(files[path] != (file.text if file else None) for path, file in desired.items()):
            return ObservedFiles(files)
        return ObservedFiles(files, self._drift(), self._idle_units())

    def execute(self, plan: FilesPlan) -> None:
        """Write what differs, each file atomically, then apply once; or take all of it away."""
        if plan.removal:
            self._remove(plan)
            return
        for path, file in plan.write.items():
            write_atomically(path, file.text, mode=file.mode)
        for path in plan.delete:
            os.unlink(path)
        units = [path for path in plan.write if path.startswith("/etc/systemd/")]
        if units:
            self._commands.run("systemctl", "daemon-reload")
        self._commands.run(self._part.script)
        if units or plan.enable:
            self._commands.run("systemctl", "enable", "--now", *self._part.units)

    def _remove(self, plan: FilesPlan) -> None:
        # A removal that was broken off may have left some of them.
        units = [os.path.basename(path) for path in plan.delete if path.startswith("/etc/systemd/")]
        enabled = [unit for unit in reversed(self._part.units) if unit in units]
        if enabled:
            self._commands.run("systemctl", "disable", "--now", *enabled)
        if self._part.reassert in units:
            # What the timer has just started would take what it finds gone for lost, and put it back.
            self._commands.run("systemctl", "stop", self._part.reassert)
        self._script("--remove")
        for path in plan.delete:
            os.unlink(path)
            with contextlib.suppress(OSError):  # others' files may lie beside ours
                os.rmdir(os.path.dirname(path))
        if units:
            self._commands.run("systemctl", "daemon-reload")

    def _script(self, option: str) -> str:
        """Run the part's script from here: whatever lies on the host, or does not."""
        return self._commands.run("sh", "-s", "--", option, stdin=part_files(self._part)[self._part.script].text)

    def _drift(self) -> tuple[str, ...]:
        try:
            self._commands.run(self._part.script, "--check")
        except CommandFailed as failure:
            if failure.code != 1:
                raise
            return tuple(failure.output.splitlines())
        return ()

    def _idle_units(self) -> tuple[str, ...]:
        return self._part.idle(unit_states(self._commands, *self._part.units))
