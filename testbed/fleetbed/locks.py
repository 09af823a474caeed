"""Keeps commands that would collide one after the other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import console, process

#: Programs inherit locks, and mmdebstrap hands its own descriptors to a shell that knows one-digit numbers only.
HIGH = 200


@contextmanager
def held(path: Path, purpose: str) -> Iterator[None]:
    """Holds a lock on a file; `purpose` tells the one who waits what for.

    The lock goes with the last process that has the file open. It is closed, never unlocked, because programs that
    were started under it may outlive a killed parent (see process.inherited).
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
    """Holds a lock if nobody else does, this process included; says whether it does."""
    file = _open(path)
    try:
        yield _try(file)
    finally:
        os.close(file)


def _acquire(path: Path, purpose: str) -> int:
    """An open and locked file, the one that the path names: `down --all` removes locks too."""
    while True:
        file = _open(path)
        if not _try(file):
            console.say(f"waiting for another command that is {purpose}")
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file)):
            return file
        os.close(file)


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    low = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    finally:
        os.close(low)
