# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entering a container's network namespace, and nothing else of the container: its file system is never seen.

A socket stays in the namespace that it was made in. So whoever wants to speak from inside a namespace enters, makes its
sockets, leaves, and uses them from outside. What a thread enters holds for that thread alone.
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
    """The process whose namespace was wanted has ended."""


class NamespaceId(t.NamedTuple):
    """What tells two namespaces apart: processes that share one have the same."""

    device: int
    inode: int


class Namespace:
    """A network namespace, held open so that it stays what it is even if its container ends meanwhile."""

    def __init__(self, path: str) -> None:
        """``path`` is a file of /proc/PID/ns or of /run/netns."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NamespaceGone(f"{path}: the process has ended") from None
        except PermissionError:
            raise FleetnetError(f"{path}: not permitted; this task has to run as root (become: true)") from None
        status = os.fstat(self._descriptor)
        self.id = NamespaceId(status.st_dev, status.st_ino)

    @classmethod
    def of_process(cls, pid: int) -> Namespace:
        return cls(f"/proc/{pid}/ns/net")

    def close(self) -> None:
        os.close(self._descriptor)

    @contextlib.contextmanager
    def entered(self) -> t.Iterator[None]:
        """Be inside for the length of a ``with`` block."""
        home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._descriptor)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)


def own_id() -> NamespaceId:
    """The namespace that this process is in: the host's, for a module."""
    status = os.stat(OWN)
    return NamespaceId(status.st_dev, status.st_ino)


def _enter(descriptor: int) -> None:
    try:
        _setns(descriptor)
    except PermissionError:
        raise FleetnetError(
            "entering a network namespace is not permitted; this task has to run as root with CAP_SYS_ADMIN"
            " (become: true)"
        ) from None


def _setns(descriptor: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(descriptor, CLONE_NEWNET)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def require_root() -> None:
    """FleetnetError for anybody else: raw sockets and foreign namespaces need CAP_NET_RAW and CAP_SYS_ADMIN."""
    if os.geteuid() != 0:
        raise FleetnetError("this task looks into containers' network namespaces and has to run as root (become: true)")


def allow_descriptors(wanted: int) -> int:
    """Raise the limit of open files towards ``wanted`` as far as it goes; the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= ceiling:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
    return ceiling
