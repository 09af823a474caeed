# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of the journals: one file per step that is being executed, which outlives the process and the host.

A lock, which the kernel releases when its process ends, distinguishes an interrupted step from one that is being
executed. Each engine has files and a lock of its own.
"""

from __future__ import annotations

import fcntl
import os
import typing as t
import zlib

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import try_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import ADOPTED_FILES


class JournalPaths(t.NamedTuple):
    """Where the journals of the engine at ``engine`` are. Equal for all paths of the same socket."""

    engine: str
    folder: str
    locks: str

    @classmethod
    def of(cls, docker_host: str, folder: str = f"{STATE_FOLDER}/networks", locks: str = RUN_FOLDER) -> JournalPaths:
        scheme, separator, path = docker_host.partition("unix://")
        engine = f"{separator}{os.path.realpath(path)}" if separator and not scheme else docker_host
        return cls(engine, folder, locks)

    @property
    def key(self) -> str:
        """What identifies the engine in names of files."""
        return f"{zlib.crc32(self.engine.encode()):08x}"

    @property
    def lock(self) -> str:
        return os.path.join(self.locks, f"networks-{self.key}.lock")

    @property
    def adopted(self) -> str:
        """The record of adopted networks."""
        return ADOPTED_FILES.replace("*", self.key)

    def file(self, name: str) -> str:
        return os.path.join(self.folder, f"{self.key}-{name}.json")

    def files(self) -> list[str]:
        """The journals."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        found = [name for name in names if name.startswith(f"{self.key}-") and name.endswith(".json")]
        return [os.path.join(self.folder, name) for name in sorted(found)]

    def exist(self) -> bool:
        """Whether there are journals, also of steps that are being executed."""
        return bool(self.files())

    def interrupted(self) -> bool:
        """Whether there are journals, and no run that executes their steps. Changes nothing."""
        if not self.exist():
            return False
        try:
            with open(self.lock, encoding="utf-8") as file:
                return try_lock(file, fcntl.LOCK_SH)
        except OSError:
            return True
