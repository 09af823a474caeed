# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue

_REMEDY = (
    "Use a folder that exists and is writable: docker_fleet_lock_file is the path of the lock file, "
    "docker_fleet_report_dir the folder of reports"
)

# What Ansible skips in an inventory folder, in addition to files with certain extensions.
_SKIPPED = re.compile(r"^\.|^(host|group)_vars\Z|^vars_plugins\Z")


def check_not_inventory(option: str, path: str, sources: t.Iterable[str], extensions: t.Iterable[str]) -> None:
    """Raise InvalidValue if Ansible would read a path, or what is below it, as inventory in the next run.

    ``sources`` are the inventory sources of this run, ``extensions`` those of files that Ansible skips.
    """
    for source in sources:
        parts = os.path.relpath(os.path.abspath(path), source).split(os.sep)
        skipped = any(map(_SKIPPED.search, parts)) or parts[-1].endswith(tuple(extensions))
        if os.path.isdir(source) and parts[0] != os.pardir and (parts == [os.curdir] or not skipped):
            reason = f"is in the inventory folder {source}, of which Ansible reads all files. Use a path outside of it"
            raise InvalidValue(option, path, reason)


def make_folder(path: str) -> None:
    """Create a folder for reports, unless it exists. Raises FleetnetError."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise FleetnetError(f"{path}: cannot be created: {error.strerror}. {_REMEDY}.") from None


def write_atomically(path: str, text: str) -> None:
    """Replace a file atomically. It is readable for all: plans and reports contain no secrets.

    Raises FleetnetError, which names the file and the variables that change its place.
    """
    try:
        _write_atomically(path, text)
    except OSError as error:
        raise FleetnetError(f"{path}: cannot be written: {error.strerror}. {_REMEDY}.") from None


def _write_atomically(path: str, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
