# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of files, which the kernel releases when their process ends."""

from __future__ import annotations

import fcntl
import os
import time
import typing as t

_POLL = 0.1  # seconds


def open_lock(path: str) -> t.TextIO:
    """Open the file of a lock. Its mode is 0600: whoever can open a file can keep it locked."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "a+", encoding="utf-8")


def try_lock(file: t.TextIO, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, unless another process has it locked; whether it is locked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def wait_for_lock(file: t.TextIO, seconds: float) -> bool:
    """Lock an open file; whether it is locked within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not try_lock(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def holder_text() -> str:
    """Identifies this process, for :func:`running_holder`."""
    return f"{os.getpid()} {_start(os.getpid())}"


def running_holder(text: str, proc: str = "/proc") -> int | None:
    """The number of the process that ``text`` identifies; None if it has ended."""
    number, _separator, start = text.strip().partition(" ")
    if not number.isdigit() or not start or _start(int(number), proc) != start:
        return None
    return int(number)


def _start(process: int, proc: str = "/proc") -> str | None:
    """When a process started. Another one that gets its number starts later."""
    try:
        with open(f"{proc}/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
