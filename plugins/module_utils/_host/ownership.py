# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of the networks that this collection has adopted on a host, one per engine."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import adopted_text, parse_adopted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    read_text,
    remove,
    sync_folder,
    write_atomically,
)

ADOPTED_FILES = f"{STATE_FOLDER}/adopted-*.json"


class Adoptions(t.Protocol):
    """The port to the record."""

    def has(self, network_id: str) -> bool:
        """Whether a network is recorded; not, if the record cannot be read."""

    def adopt(self, network_id: str, name: str) -> None:
        """Record a network. Raises FleetnetError; then nothing has changed."""

    def release(self, network_id: str) -> None:
        """Forget a network, if it is recorded. Raises FleetnetError; then nothing has changed."""

    def replace(self, former_id: str, network_id: str) -> None:
        """A network was created again with another id. If it was recorded, it still is. Raises FleetnetError."""


class NoAdoptions:
    """No record, for runs that adopt nothing."""

    def has(self, network_id: str) -> bool:  # noqa: ARG002 (a port)
        """No network is recorded."""
        return False

    def adopt(self, network_id: str, name: str) -> None:
        """Record nothing."""

    def release(self, network_id: str) -> None:
        """Forget nothing."""

    def replace(self, former_id: str, network_id: str) -> None:
        """Record nothing."""


class AdoptionFile:
    """The record of an engine in a file. A change locks the folder: runs by several names of an engine share records.

    Each change drops networks that are not ``existing`` (ids) on this engine, if these are known.
    """

    def __init__(self, path: str, existing: t.Collection[str] | None = None) -> None:
        self._path = path
        self._existing = None if existing is None else set(existing)

    def has(self, network_id: str) -> bool:
        with contextlib.suppress(FleetnetError):
            return network_id in self._file_of(network_id)[1]
        return False

    def adopt(self, network_id: str, name: str) -> None:
        try:
            with _locked(self._folder, create=True):
                self._write({**_read(self._path), network_id: name})
        except OSError as error:
            raise self._not_written(error) from error

    def release(self, network_id: str) -> None:
        with _locked(self._folder):
            file, adopted = self._file_of(network_id)
            if adopted.pop(network_id, None) is not None:
                file._write(adopted)

    def replace(self, former_id: str, network_id: str) -> None:
        with _locked(self._folder):
            file, adopted = self._file_of(former_id)
            if former_id in adopted:
                file._write({**adopted, network_id: adopted[former_id]}, network_id)

    def forget_missing(self) -> None:
        """Remove networks that no longer exist from the record. Errors are ignored: such entries have no effect."""
        with contextlib.suppress(FleetnetError), _locked(self._folder):
            adopted = _read(self._path)
            if self._existing is not None and not self._existing.issuperset(adopted):
                self._write(adopted)

    @property
    def _folder(self) -> str:
        return os.path.dirname(self._path)

    def _file_of(self, network_id: str) -> tuple[AdoptionFile, dict[str, str]]:
        """The record that has a network, and its contents; this one if none has it.

        The engine may have been named otherwise when the network was adopted. Ids are unique. Raises FleetnetError.
        """
        adopted = _read(self._path)
        if network_id not in adopted:
            for path in _paths(os.path.join(self._folder, os.path.basename(ADOPTED_FILES))):
                with contextlib.suppress(FleetnetError):
                    others = _read(path)
                    if network_id in others:
                        return AdoptionFile(path), others
        return self, adopted

    def _write(self, adopted: t.Mapping[str, str], created: str = "") -> None:
        if self._existing is not None and created:
            self._existing.add(created)
        existing = adopted if self._existing is None else self._existing
        left = {network_id: name for network_id, name in adopted.items() if network_id in existing}
        folder = self._folder
        try:
            if left:
                write_atomically(self._path, adopted_text(left), mode=0o600)
                return
            remove(self._path)
            if os.path.isdir(folder):
                sync_folder(folder)
        except OSError as error:
            raise self._not_written(error) from error
        with contextlib.suppress(OSError):  # other files may be there
            os.rmdir(folder)

    def _not_written(self, error: OSError) -> FleetnetError:
        return FleetnetError(
            f"{self._path}: cannot be written ({error.strerror or error}), and without it no network is adopted. "
            "Set ansible_become: true, make room, or repair the file system."
        )


@contextlib.contextmanager
def _locked(folder: str, *, create: bool = False) -> t.Iterator[None]:
    """Exclude other changes of the records in a folder. The kernel ends the exclusion with the process.

    With ``create``, the folder is created, and an error raises OSError. Otherwise a folder that is missing, or that
    this process cannot read, is not locked: there is nothing to change in it.
    """
    descriptor = None
    while descriptor is None:
        try:
            if create:
                os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor = _lock(folder)
        except OSError as error:  # noqa: PERF203 (rare)
            if not create:
                break
            # The last record and the folder may be removed meanwhile.
            if not isinstance(error, FileNotFoundError):
                raise
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: str) -> int | None:
    """Lock a folder; its descriptor, or None if it was removed or replaced while this waited. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def read_adopted(files: str = ADOPTED_FILES) -> dict[str, str]:
    """The names of the adopted networks of all engines by id, which no two networks share.

    A record that cannot be read has none: a network that is not adopted is never changed. Nothing overwrites it.
    """
    found: dict[str, str] = {}
    for path in _paths(files):
        with contextlib.suppress(FleetnetError):
            found.update(_read(path))
    return found


def _paths(files: str) -> list[str]:
    return sorted(glob.glob(files))


def unreadable_record(path: str) -> str | None:
    """Why the record of an engine cannot be read, and what to do; None if it can."""
    try:
        _read(path)
    except FleetnetError as error:
        return str(error)
    return None


def _read(path: str) -> dict[str, str]:
    """Raises FleetnetError."""
    try:
        return parse_adopted(read_text(path))
    except (OSError, ValueError, FleetnetError) as error:
        raise FleetnetError(
            f"{path}: cannot be read as the record of adopted networks ({error}), and is not overwritten. Set "
            "ansible_become: true, restore the file, or delete it: runs with adopt: true then record these networks "
            "again."
        ) from error
