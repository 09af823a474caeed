# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read files on a host, and replace them atomically."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError


def read_text(path: str) -> str | None:
    """The file's text, None if it does not exist."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise FleetnetError(f"{path}: is not UTF-8 text (byte {error.start}). Repair the file first.") from error


def mode_of(path: str) -> int | None:
    """The file's permission bits, None if it does not exist."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def back_up(path: str) -> str | None:
    """Copy the file to one named as Ansible names backups. Returns the copy's path, None without a file."""
    text = read_text(path)
    if text is None:
        return None
    copy = f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}~"
    write_atomically(copy, text, like=path)
    return copy


def remove(path: str) -> None:
    """Delete the file if it exists."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def write_atomically(
    path: str,
    text: str,
    like: str | None = None,
    mode: int | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> None:
    """Replace the file with ``text`` atomically and durably; keeps mode, owner and security label.

    ``like`` is the file whose mode, owner and label are used, by default ``path`` itself; a new file gets mode 0644.
    ``mode`` overrides the mode. ``encoding`` and ``errors`` are those of open(). A symbolic link is followed and kept.
    Raises OSError, and FleetnetError if the target exists and is not a regular file; then nothing has changed.
    """
    target = os.path.realpath(path)
    _require_regular(path, target)
    folder = os.path.dirname(target)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding=encoding, errors=errors, newline="") as file:
            file.write(text)
            file.flush()
            _copy_attributes(os.path.realpath(like or target), temporary)
            if mode is not None:
                os.chmod(temporary, mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)  # the name, too, must survive a power failure


def sync_folder(path: str) -> None:
    """Let the names in a folder survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_KINDS = {
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


def _require_regular(path: str, target: str) -> None:
    """Raise FleetnetError if the target exists and is not a regular file: it is never replaced."""
    try:
        kind = stat.S_IFMT(os.stat(target).st_mode)
    except FileNotFoundError:
        return
    if kind != stat.S_IFREG:
        found = f"is a symbolic link to {target}, which is" if os.path.islink(path) else "is"
        raise FleetnetError(f"{path}: {found} {_KINDS.get(kind, 'a special file')}, not a regular file. Remove it.")


def _copy_attributes(source: str, target: str) -> None:
    try:
        status = os.stat(source)
    except FileNotFoundError:
        os.chmod(target, 0o644)
        return
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    with contextlib.suppress(OSError):  # only SELinux labels files
        os.setxattr(target, "security.selinux", os.getxattr(source, "security.selinux"))
