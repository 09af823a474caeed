# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an undo must do to a host's files, parts and units: the saved state and the present one, compared. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    SavedFile,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    RECONCILER_UNIT,
    ROUTES_PART,
    Part,
)

# Routes first: a reply of the host needs them in any case.
_PARTS = (ROUTES_PART, FIREWALL_PART)


class FilesUndo(t.NamedTuple):
    """In this order: ``remove`` parts that did not exist, ``stop`` units, write and delete files, ``apply`` parts,
    ``restart`` the units that may run another program.
    """

    remove: tuple[Part, ...]
    stop: tuple[str, ...]
    write: t.Mapping[str, SavedFile]
    delete: tuple[str, ...]
    apply: tuple[Part, ...]
    restart: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """One line per operation, for users."""
        return [
            *(f"remove the {part.name} that the run added" for part in self.remove),
            *(f"restore {path}" for path in self.write),
            *(f"delete {path}" for path in self.delete),
            *(f"apply the former {part.name}" for part in self.apply),
        ]


def plan_files_undo(checkpoint: Checkpoint, now: t.Mapping[str, SavedFile], active: t.Collection[str]) -> FilesUndo:
    """``now`` are the files of this collection that exist, ``active`` its units that are active.

    The parts that existed are applied, and the reconciler is restarted, in any case: a run that was killed may have
    applied other files than it left, and an undo that was killed may have restored the files only.
    """
    saved = checkpoint.files
    write = {path: file for path, file in saved.items() if now.get(path) != file}
    delete = tuple(path for path in now if path not in saved)
    return FilesUndo(
        remove=tuple(part for part in _PARTS if part.script in now and part.script not in saved),
        stop=tuple(unit for unit in active if unit not in checkpoint.active),
        write=write,
        delete=delete,
        apply=tuple(part for part in _PARTS if part.script in saved),
        restart=tuple(unit for unit in checkpoint.active if unit == RECONCILER_UNIT),
    )
