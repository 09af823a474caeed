# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the state of systemd units."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import (
    HostManager,
    manager_refusal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

UnitProperties = t.Dict[str, str]

# The folders from which systemd reads files that override a unit's.
_FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/etc/systemd/system.control", "/run/systemd/system.control",
)  # fmt: skip
# Settings that decide what a unit runs, and whether it runs.
_OVERRIDES = re.compile(r"^[ \t]*(?:Exec|Condition|Assert)\w*[ \t]*=", re.MULTILINE)


class UnitState(t.NamedTuple):
    """systemd's ActiveState and UnitFileState of a unit; the latter is empty if the unit does not exist.

    ``outdated``: its files have changed since systemd read them.
    """

    name: str
    active: str
    enabled: str
    outdated: bool = False


def require_systemd(commands: Commands) -> None:
    """Raise Unsupported if systemd does not manage the host."""
    systemd = commands.find("systemctl") is not None
    refusal = manager_refusal(HostManager(systemd, os.path.isdir("/run/openrc")))
    if refusal:
        raise Unsupported(refusal)


def refuse_masked(paths: t.Iterable[str]) -> None:
    """Raise FleetnetError if one of these files of units is a link to /dev/null, with which systemd masks a unit."""
    masked = [os.path.basename(path) for path in paths if os.path.realpath(path) == os.devnull]
    if masked:
        is_masked = f"unit {masked[0]} is masked" if len(masked) == 1 else f"units {', '.join(masked)} are masked"
        raise FleetnetError(f"{is_masked}. Run 'systemctl unmask {' '.join(masked)}' on the host.")


def refuse_overridden(paths: t.Iterable[str], folders: t.Iterable[str] = _FOLDERS) -> None:
    """Raise FleetnetError if a file that overrides one of these units' files changes what the unit runs, or when."""
    units = [os.path.basename(path) for path in paths]
    for unit in units:
        for path in (each for folder in folders for each in sorted(glob.glob(f"{folder}/{unit}.d/*.conf"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                overrides = _OVERRIDES.search(file.read())
            if overrides:
                raise FleetnetError(
                    f"{path}: the file changes what unit {unit} runs. Delete it, and run 'systemctl daemon-reload' on "
                    "the host."
                )


def unit_states(commands: Commands, *units: str) -> list[UnitState]:
    """Whether units are active, enabled and read again since their files changed."""
    return _states(show_units(commands, ("Id", "ActiveState", "UnitFileState", "NeedDaemonReload"), *units))


@reads("systemctl show")
def _states(shown: t.Sequence[UnitProperties]) -> list[UnitState]:
    return [
        UnitState(each["Id"], each["ActiveState"], each["UnitFileState"], each.get("NeedDaemonReload") == "yes")
        for each in shown
    ]


def show_units(commands: Commands, properties: t.Sequence[str], *units: str) -> list[UnitProperties]:
    """The properties of each unit, in the given order; a unit that does not exist has LoadState ``not-found``.

    Of a property with several values, which systemctl prints one per line, the last one is returned.
    """
    shown = commands.run("systemctl", "show", "--no-pager", f"--property={','.join(properties)}", *units)
    return [
        dict(line.split("=", maxsplit=1) for line in block.splitlines() if "=" in line)
        for block in shown.strip().split("\n\n")
    ]
