# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a part on a host: its script, its units, and what to write. Pure.

The part's script is the only code that applies the part. The module, the boot and the reconciler all run it, so
that a reboot applies the same as a module. It is a shell script because it also runs where Ansible is not installed.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    AS_PLANNED,
    CONTENT,
    DIFFERENT,
    FILE,
    FIRST,
    MODE,
    POSITION,
    PRESENT,
    STATE,
    Difference,
    sentence,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FOLDER,
    RECONCILER_UNIT,
    STATE_FOLDER,
    UNIT_FOLDER,
    Part,
    is_unit,
)

_HEAD = r"""#!/bin/sh
# Written by fleetnet.docker. Do not edit: the next run of the playbook overwrites this file.
# Applies the @PART@ of the fleet from the files in @FOLDER@.
#
#   @SCRIPT@             apply
#   @SCRIPT@ --check     print the differences, one per line; exit status 1 if there are any
#   @SCRIPT@ --reassert  print the differences, and apply if there are any; nothing before the first apply after boot
#   @SCRIPT@ --traces    print what exists, as differences
#   @SCRIPT@ --remove    remove what exists
#
# A difference has five fields, separated by tabs: kind, name, key, declared, observed. An empty value means absent.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
state=@STATE_FOLDER@
marker=@RUN_FOLDER@/@PART@.applied

# Since the host started. The marker is lost if another program removes it.
applied() { [ -e "$marker" ] || systemctl -q is-active @SERVICE@ 2>/dev/null; }
difference() { printf '%s\t%s\t%s\t%s\t%s\n' "$@"; } # KIND NAME KEY DECLARED OBSERVED
missing() { difference "$1" "$2" @STATE@ @PRESENT@ ''; } # KIND NAME
unexpected() { difference "$1" "$2" @STATE@ '' @PRESENT@; }
differs() { # KIND NAME COMMAND; the command succeeds if the thing exists
    kind=$1 name=$2
    shift 2
    if "$@" >/dev/null; then
        difference "$kind" "$name" @CONTENT@ '@AS_PLANNED@' @DIFFERENT@
    else
        missing "$kind" "$name"
    fi
}
"""

_TAIL = r"""
case "${1:-}" in
--check)
    # not while the module, the boot or the reconciler applies the part: what is half applied is not a difference
    [ ! -e "$state/@PART@.lock" ] || { exec 9< "$state/@PART@.lock" && flock --shared 9; } || exit 2
    found=$(check)
    [ -z "$found" ] || { echo "$found"; exit 1; }
    exit 0
    ;;
--traces) traces; exit ;;
esac
mkdir -p "$state" && chmod 0700 "$state" || exit 1
# only one of the module, the boot and the reconciler runs at a time
exec 9> "$state/@PART@.lock" && flock 9 || exit 1
case "${1:-}" in
--reassert)
    applied || exit 0
    found=$(check)
    [ -n "$found" ] || exit 0
    echo "$found"
    apply
    ;;
--remove)
    # from now on the reconciler does not restore it
    systemctl -q stop @SERVICE@ 2>/dev/null
    rm -f "$marker" && remove && rm -f "$state/@PART@"* && { rmdir "$state" 2>/dev/null || :; }
    ;;
*) apply && mkdir -p "${marker%/*}" && : > "$marker" ;;
esac
"""

_SERVICE = """# Written by fleetnet.docker.
[Unit]
Description=Fleet of Docker hosts: @PART@
Wants=network-online.target
After=network-online.target docker.service @RECONCILER@ @AFTER@
PartOf=docker.service @PART_OF@

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=@SCRIPT@
# It fails if another service that is starting or stopping replaces the rules at the same time. The reconciler repairs
# the rules, not the state of this unit.
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target docker.service
"""


class Script(t.NamedTuple):
    """What a part adds to its script: shell functions ``check``, ``traces``, ``apply`` and ``remove``.

    ``values`` replace their ``@NAME@`` in ``body``. The functions ``difference``, ``missing``, ``unexpected`` and
    ``differs``, which print differences, are defined.
    """

    body: str
    values: t.Mapping[str, str]


class File(t.NamedTuple):
    """The planned text and mode of a file."""

    text: str
    mode: int = 0o644


def part_files(part: Part, script: Script) -> dict[str, File]:
    """The part's script and unit by path."""
    return {
        part.script: File(_filled(_HEAD + script.body + _TAIL, part, script.values), 0o755),
        f"{UNIT_FOLDER}/{part.service}": File(_filled(_SERVICE, part, {})),
    }


def _filled(text: str, part: Part, values: t.Mapping[str, str]) -> str:
    for name, value in {
        "AFTER": part.after,
        "AS_PLANNED": AS_PLANNED,
        "CONTENT": CONTENT,
        "DIFFERENT": DIFFERENT,
        "FIRST": FIRST,
        "FOLDER": FOLDER,
        "PART": part.name,
        "PART_OF": part.part_of,
        "POSITION": POSITION,
        "PRESENT": PRESENT,
        "RECONCILER": RECONCILER_UNIT,
        "RUN_FOLDER": RUN_FOLDER,
        "SCRIPT": part.script,
        "SERVICE": part.service,
        "STATE": STATE,
        "STATE_FOLDER": STATE_FOLDER,
        **values,
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


@dataclasses.dataclass(frozen=True)
class ObservedFiles:
    """A host's files (None: absent), and how its kernel and units differ from them.

    ``kernel`` is what the part's script finds with ``--check``, or with ``--traces`` for a removal. ``incomplete``: the
    files differ, and so do the units; a run that was killed may have written units without enabling them. ``modes`` are
    those of the files that exist.
    """

    files: t.Mapping[str, str | None]
    kernel: tuple[Difference, ...] = ()
    units: tuple[Difference, ...] = ()
    incomplete: bool = False
    modes: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def differs(self, path: str, file: File | None) -> bool:
        """Whether a file differs from the planned one."""
        if file is None:
            return self.files.get(path) is not None
        return self.files.get(path) != file.text or self.modes.get(path, file.mode) != file.mode

    def difference(self, path: str, file: File) -> Difference:
        """How a file that differs from the planned one does."""
        text = self.files.get(path)
        if text is None:
            return Difference(FILE, path, STATE, PRESENT, None)
        if text != file.text:
            return Difference(FILE, path, CONTENT, AS_PLANNED, DIFFERENT)
        return Difference(FILE, path, MODE, f"{file.mode:04o}", f"{self.modes[path]:04o}")


@dataclasses.dataclass(frozen=True)
class FilesPlan:
    """What to write, in this order, what to delete, and the differences that applying the part ends."""

    write: t.Mapping[str, File]
    delete: tuple[str, ...]
    observed: ObservedFiles
    removal: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.differences)

    @property
    def enables(self) -> bool:
        """Whether systemd must read the part's units again and enable them."""
        written = any(is_unit(path) for path in self.write)
        return written or bool(self.observed.units) or self.observed.incomplete

    @property
    def differences(self) -> list[Difference]:
        """How the host differs from the plan: files, kernel, units."""
        files = [self.observed.difference(path, file) for path, file in self.write.items()]
        files += [Difference(FILE, path, STATE, None, PRESENT) for path in self.delete]
        return [*files, *self.observed.kernel, *self.observed.units]

    @property
    def drift(self) -> list[str]:
        """How the kernel differs from files that are as planned, as text."""
        return [sentence(difference) for difference in self.observed.kernel]

    def diff(self) -> list[dict[str, str]]:
        """Ansible's format: one entry per file, one for the kernel, one for the units."""
        entries = []
        for path in [*self.write, *self.delete]:
            before = self.observed.files.get(path) or ""
            after = self.write[path].text if path in self.write else ""
            entries.append({"before_header": path, "after_header": path, "before": before, "after": after})
        for header, found in (("kernel", self.observed.kernel), ("units", self.observed.units)):
            if found:
                before = "".join(f"{sentence(difference)}\n" for difference in found)
                entries.append({"before_header": header, "after_header": header, "before": before, "after": ""})
        return entries


def plan_files(desired: t.Mapping[str, File | None], observed: ObservedFiles) -> FilesPlan:
    """Compare the planned files (None: no such file) with the host."""
    write = {path: file for path, file in desired.items() if file and observed.differs(path, file)}
    delete = tuple(path for path, file in desired.items() if not file and observed.differs(path, file))
    return FilesPlan(write, delete, observed, removal=not any(desired.values()))
