# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generations of a host, in a folder: one file each, named for its number."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    FOLDER,
    Generation,
    Options,
    Origin,
    generation_text,
    is_current,
    parse_generation,
    surplus,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically

_SUFFIX = ".json"


class GenerationFolder:
    """The files below ``path``. They hold what the run gave, so that only root may read them."""

    def __init__(self, path: str = FOLDER) -> None:
        self._path = path

    def read(self) -> list[Generation]:
        """The generations, the newest last. A file that is not one is left out."""
        found = []
        for number in self._numbers():
            generation = parse_generation(number, read_text(self._file(number)) or "")
            if generation is not None:
                found.append(generation)
        return found

    def begin(self, origin: Origin, options: t.Mapping[str, Options], restores: str | None = None) -> int:
        """Record that a run begins to change the host. Returns the number of its generation, which is not complete."""
        return self._write(Generation(self._next(), origin, options, {}, complete=False, restores=restores))

    def complete(self, number: int, daemon: Options) -> int:
        """Record that the run that began a generation has ended. Returns the number of the host's newest generation.

        A run that only repaired the host has none of its own.
        """
        *others, newest = self.read()
        return self._keep(others, dataclasses.replace(newest, number=number, daemon=daemon, complete=True))

    def record(self, origin: Origin, options: t.Mapping[str, Options], daemon: Options) -> int:
        """Record the state of a host that a run did not change, unless it is recorded. Returns the newest number."""
        return self._keep(self.read(), Generation(self._next(), origin, options, daemon))

    def _keep(self, others: list[Generation], generation: Generation) -> int:
        if others and is_current(others[-1], generation.options, generation.daemon):
            remove(self._file(generation.number))
            return others[-1].number
        self._write(generation)
        for old in surplus(self._numbers()):
            remove(self._file(old))
        return generation.number

    def delete(self) -> None:
        """Delete all generations, and the folders that are empty then."""
        for number in self._numbers():
            remove(self._file(number))
        with contextlib.suppress(OSError):  # absent, or with other files
            os.rmdir(self._path)
            os.rmdir(os.path.dirname(self._path))

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self._path)
        except FileNotFoundError:
            return []
        stems = (name[: -len(_SUFFIX)] for name in names if name.endswith(_SUFFIX))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def _next(self) -> int:
        return max(self._numbers(), default=0) + 1

    def _write(self, generation: Generation) -> int:
        os.makedirs(self._path, mode=0o700, exist_ok=True)
        write_atomically(self._file(generation.number), generation_text(generation), mode=0o600)
        return generation.number

    def _file(self, number: int) -> str:
        return os.path.join(self._path, f"{number}{_SUFFIX}")
