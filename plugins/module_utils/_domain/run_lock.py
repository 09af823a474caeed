# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a host for one run of a playbook: who may take it, and when it expires. Pure.

Expiry is measured by the clock of the host that counts the seconds since its boot, also while it sleeps. The lock is
under /run, which a boot empties. The time of day is for messages: it shows since when a run has the lock.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM

LOCK_FILE = f"{RUN_FOLDER}/run-lock.json"
# How long a run has the lock after its last module on the host has begun, in seconds. Long enough for a large fleet.
LEASE = 1800.0


class Run(t.NamedTuple):
    """A run of a playbook. ``id`` is unique; ``controller`` and ``user`` are for people."""

    id: str
    controller: str
    user: str


@dataclasses.dataclass(frozen=True)
class RunLock:
    """``since`` is a time of day, in seconds since 1970. ``expires`` is in seconds since the host's boot."""

    run: Run
    since: float
    expires: float

    @property
    def holder(self) -> str:
        """The run, for people."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.since))
        return f"{self.run.user} on {self.run.controller}, since {since} UTC"


class RunLockHeld(Exception):
    """Another run has the lock."""

    def __init__(self, lock: RunLock, now: float) -> None:
        self.lock = lock
        minutes = int((lock.expires - now) // 60) + 1
        super().__init__(
            f"{LOCK_FILE}: {lock.holder!r}: another run changes this host. Wait until it ends, or set "
            f"docker_fleet_run_wait to the number of seconds to wait for it. If that run no longer exists, the lock "
            f"expires in {minutes} min; to release it before, delete the file."
        )


def holder_of(lock: RunLock | None, run: Run, now: float) -> RunLock | None:
    """The lock if another run than ``run`` has it."""
    if lock is None or lock.run.id == run.id or lock.expires <= now:
        return None
    return lock


def claimed(lock: RunLock | None, run: Run, now: float, time_of_day: float) -> RunLock:
    """The lock of ``run`` from now on. Raises RunLockHeld if another run has it."""
    other = holder_of(lock, run, now)
    if other is not None:
        raise RunLockHeld(other, now)
    since = lock.since if lock is not None and lock.run.id == run.id else time_of_day
    return RunLock(run, since, now + LEASE)


def lock_text(lock: RunLock) -> str:
    """The lock as text, for :func:`parse_lock`."""
    return json.dumps({**lock.run._asdict(), "since": lock.since, "expires": lock.expires}) + "\n"


def parse_lock(text: str | None, now: float) -> RunLock | None:
    """Parse the text of the file. Returns None for a text that is not a lock, or one that lasts too long."""
    try:
        data = json.loads(text or "")
        lock = RunLock(
            Run(str(data["id"]), str(data["controller"]), str(data["user"])),
            float(data["since"]),
            float(data["expires"]),
        )
        lock.holder  # noqa: B018 (its time can be shown)
    except (*UNEXPECTED_FORM, OverflowError, OSError):
        return None
    return lock if lock.expires <= now + LEASE else None
