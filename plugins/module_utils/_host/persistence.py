# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part's files and units on a host: read them, write them, run the part's script."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    AS_PLANNED,
    CONTENT,
    DIFFERENT,
    UNIT,
    Difference,
    parse_lines,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.changed_rules import (
    listing_of,
    with_changes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import (
    File,
    FilesPlan,
    ObservedFiles,
    Script,
    part_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FOLDER,
    RECONCILER_UNIT,
    UNIT_FOLDER,
    Part,
    is_unit,
    unit_differences,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import ReconcilerFiles
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import mode_of, read_text, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import (
    refuse_masked,
    refuse_overridden,
    require_systemd,
    unit_states,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.state_file import running_version


def kernel_differences(commands: Commands, part: Part) -> list[Difference]:
    """How the kernel differs from the part's files, as the part's script on the host reports it.

    Raises CommandFailed if the script fails.
    """
    try:
        commands.run(part.script, "--check")
    except CommandFailed as failure:
        if failure.code != 1:
            raise
        try:
            return [_with_changes(commands, difference) for difference in parse_lines(failure.output)]
        except ValueError:
            raise failure from None
    return []


def _with_changes(commands: Commands, difference: Difference) -> Difference:
    """A difference of rules with the rules and elements that differ, if both can be listed."""
    listing = listing_of(difference)
    planned = read_text(listing.file) if listing else None
    if listing is None or planned is None:
        return difference
    with contextlib.suppress(CommandFailed):
        return with_changes(difference, planned, commands.run(*listing.command))
    return difference


def _modes(paths: t.Iterable[str]) -> dict[str, int]:
    """The modes of the files that exist."""
    found = ((path, mode_of(path)) for path in paths)
    return {path: mode for path, mode in found if mode is not None}


class PartFiles:
    """One part on a host: its script and unit, and the files that its module compiles.

    ``reconciler`` is what the part installs and removes of it; None if another part does that.
    """

    def __init__(
        self, commands: Commands, part: Part, script: Script, reconciler: ReconcilerFiles | None = None
    ) -> None:
        """Raises Unsupported if the host lacks a program that the part needs."""
        require_systemd(commands)
        for program in part.needs:
            if commands.find(program) is None:
                raise Unsupported(
                    f"program {program!r} not found on the host. Install it (Debian: nftables, iptables, iproute2, "
                    "procps, systemd, util-linux)."
                )
        self._commands = commands
        self._part = part
        self._script_text = part_files(part, script)[part.script].text
        self._own = {**(reconciler.files if reconciler else {}), **part_files(part, script)}
        self._units = ((RECONCILER_UNIT,) if reconciler else ()) + (part.service,)
        self._version = reconciler.version if reconciler else None
        self._former = [f"{UNIT_FOLDER}/{unit}" for unit in part.former_units]

    def desired(self, files: t.Mapping[str, File | None]) -> dict[str, File | None]:
        """The module's files and the part's own."""
        return {**dict.fromkeys(self._former), **self._own, **files}

    def absent(self, files: t.Iterable[str]) -> dict[str, File | None]:
        """The absence of the module's ``files`` (paths) and of the part's own."""
        return dict.fromkeys([*files, *self._former, *self._own])

    def observe(self, desired: t.Mapping[str, File | None]) -> ObservedFiles:
        """Read the files and how the units differ from them; if the files are as planned, also how the kernel does.

        A file that differs causes the part to be applied, so that the kernel is not read. Raises FleetnetError if one
        of the units is masked, or if another file replaces what it runs.
        """
        refuse_masked(filter(is_unit, desired))
        files = {path: read_text(path) for path in desired}
        if not any(desired.values()):
            return ObservedFiles(files, tuple(parse_lines(self._script("--traces"))))
        refuse_overridden(path for path, file in desired.items() if file and is_unit(path))
        observed = ObservedFiles(files, modes=_modes(desired))
        if any(observed.differs(path, file) for path, file in desired.items()):
            return dataclasses.replace(observed, incomplete=bool(self._unit_differences()))
        kernel = tuple(kernel_differences(self._commands, self._part))
        return dataclasses.replace(observed, kernel=kernel, units=tuple(self._unit_differences()))

    def _unit_differences(self) -> list[Difference]:
        found = unit_differences(unit_states(self._commands, *self._units))
        # One that is not active runs no version.
        active = all(each.name != RECONCILER_UNIT for each in found)
        if self._version is not None and active and running_version() != self._version:
            found.append(Difference(UNIT, RECONCILER_UNIT, CONTENT, AS_PLANNED, DIFFERENT))
        return found

    def execute(self, plan: FilesPlan) -> None:
        """Write what differs, each file atomically, and apply the part once; or remove the part."""
        if plan.removal:
            self._remove(plan)
            return
        self._disable(os.path.basename(path) for path in plan.delete if path in self._former)
        for path, file in plan.write.items():
            write_atomically(path, file.text, mode=file.mode)
        for path in plan.delete:
            os.unlink(path)
        if plan.enables:
            self._commands.run("systemctl", "daemon-reload")
            if self._version is not None and running_version() != self._version:
                # It gives the tables up when it ends and takes them over when it starts: they are never absent.
                self._commands.run("systemctl", "restart", RECONCILER_UNIT)
        self._commands.run(self._part.script)
        if plan.enables:
            self._commands.run("systemctl", "enable", "--now", *self._units)

    def _disable(self, units: t.Iterable[str]) -> None:
        names = list(units)
        if names:
            self._commands.run("systemctl", "disable", "--now", *names)

    def _remove(self, plan: FilesPlan) -> None:
        # An interrupted removal may have left only some of them.
        in_systemd = [path for path in plan.delete if is_unit(path)]
        found = [os.path.basename(path) for path in in_systemd]
        self._disable(unit for unit in (*self._part.former_units, *reversed(self._units)) if unit in found)
        self._script("--remove")
        # The units first: as long as other files exist, a run that was killed is completed by the next one.
        for path in in_systemd:
            os.unlink(path)
        if plan.delete:
            self._commands.run("systemctl", "daemon-reload")
        for path in plan.delete:
            if path not in in_systemd:
                os.unlink(path)
                if path.startswith(f"{FOLDER}/"):
                    with contextlib.suppress(OSError):  # the folder may hold other files
                        os.removedirs(os.path.dirname(path))
        with contextlib.suppress(OSError):  # as above, or it may be absent
            os.rmdir(FOLDER)

    def _script(self, option: str) -> str:
        """Run the part's script without the file on the host, which may be another or absent."""
        return self._commands.run("sh", "-s", "--", option, stdin=self._script_text)
