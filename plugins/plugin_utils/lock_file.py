# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file on the controller: reading it, and excluding other controllers while it is used."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import (
    DEFAULT_GROUP,
    file_stem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook


@contextlib.contextmanager
def locked(path: str) -> t.Iterator[None]:
    """Exclude other controllers on this machine while leases are read, planned and written.

    The lock is on the folder: it needs no file of its own, and works before the lock file exists.
    """
    folder = os.path.dirname(path) or "."
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FleetnetError(
            f"lock file {path}: folder {folder} cannot be read: {error.strerror}. Create it, or set "
            "docker_fleet_lock_file to a path in another folder."
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read(path: str) -> tuple[str, LeaseBook | None]:
    """Return the file's text and leases; ("", None) if it does not exist. Raises BrokenLockFile if it is invalid."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return "", None
    except OSError as error:
        raise FleetnetError(f"lock file {path}: cannot be read: {error.strerror}. Make it readable.") from None
    except UnicodeDecodeError as error:
        raise lockfile.BrokenLockFile(
            f"lock file {path}: byte {error.start} is not UTF-8 text. The file was not changed. Restore it "
            "from version control."
        ) from error
    return text, lockfile.parse(text, path)


def others(path: str, groups: t.Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the hosts with leases, without departed ones, by the other fleets' lock files in the same folder.

    Only the default names of groups of the inventory are lock files of other fleets. Raises BrokenLockFile.
    """
    folder = os.path.dirname(path) or "."
    names = {f"{file_stem(group)}.lock.yml" for group in (DEFAULT_GROUP, *groups)}
    found = {}
    for name in sorted(names.intersection(os.listdir(folder))):
        other = os.path.join(folder, name)
        if os.path.realpath(other) != os.path.realpath(path):
            _text, book = read(other)
            found[other] = (
                frozenset(host for leases in book.families for host in leases.blocks) if book else frozenset()
            )
    return found
