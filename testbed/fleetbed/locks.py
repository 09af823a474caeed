"""Locks that serialize conflicting commands."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import console, process

#: The lowest file descriptor of a lock. Programs inherit locks, and the shell to which mmdebstrap passes descriptors
#: supports one-digit numbers only.
LOWEST_DESCRIPTOR = 200


@contextmanager
def held(path: Path, purpose: str) -> Iterator[None]:
    """Hold a lock on a file. Commands that wait for it print `purpose`.

    The lock is released when the last process with the open file closes it. It is closed, never unlocked, because
    programs that were started under it can outlive a killed parent (see process.inherited).
    """
    file = _acquire(path, purpose)
    process.inherited.add(file)
    try:
        yield
    finally:
        process.inherited.discard(file)
        os.close(file)


@contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock unless it is held already, by this process or another. Yields whether it holds the lock."""
    file = _open(path)
    try:
        yield _try_lock(file)
    finally:
        os.close(file)


def _acquire(path: Path, purpose: str) -> int:
    """Open and lock the file at a path. `down --all` can remove it in between; then open it again."""
    while True:
        file = _open(path)
        if not _try_lock(file):
            console.say(f"waiting for another command that is {purpose}")
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file)):
                return file
        os.close(file)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            low = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            break
        except FileNotFoundError:  # the folder was removed in between
            continue
    try:
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
    finally:
        os.close(low)
