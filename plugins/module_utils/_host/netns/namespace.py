# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enter a container's network namespace and nothing else of the container: its file system is not entered.

A socket stays in the namespace in which it was created. The code enters a namespace, creates its sockets, leaves, and
uses the sockets from outside. Entering applies to the current thread only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

CLONE_NEWNET = 0x40000000

OWN = "/proc/thread-self/ns/net"


class NamespaceGone(FleetnetError):
    """The process has ended, and with it the path to its namespace."""


class NamespaceId(t.NamedTuple):
    """Identifies a namespace: processes that share one have the same."""

    device: int
    inode: int


class Namespace:
    """A network namespace, held open so that it remains even if its container ends."""

    def __init__(self, path: str) -> None:
        """``path`` is a file of /proc/PID/ns or of /run/netns."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NamespaceGone(f"{path}: the process has ended.") from None
        except PermissionError:
            raise FleetnetError(f"{path}: permission denied. Run this task as root (become: true).") from None
        status = os.fstat(self._descriptor)
        self.id = NamespaceId(status.st_dev, status.st_ino)

    @classmethod
    def of_process(cls, pid: int) -> Namespace:
        return cls(f"/proc/{pid}/ns/net")

    def close(self) -> None:
        os.close(self._descriptor)

    @contextlib.contextmanager
    def entered(self) -> t.Iterator[None]:
        """Enter the namespace for a ``with`` block."""
        previous = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._descriptor)
            try:
                yield
            finally:
                _enter(previous)
        finally:
            os.close(previous)


def own_id() -> NamespaceId:
    """The namespace of this process: for a module, the host's."""
    status = os.stat(OWN)
    return NamespaceId(status.st_dev, status.st_ino)


def _enter(descriptor: int) -> None:
    try:
        _setns(descriptor)
    except PermissionError:
        raise FleetnetError(
            "cannot enter a network namespace: permission denied. Run this task as root with CAP_SYS_ADMIN"
            " (become: true)."
        ) from None


def _setns(descriptor: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(descriptor, CLONE_NEWNET)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def allow_descriptors(wanted: int) -> int:
    """Raise the limit of open files to ``wanted``, or to the hard limit if that is lower; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= ceiling:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
    return ceiling
