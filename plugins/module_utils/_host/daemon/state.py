# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``default_bridge`` remembers from one run to the next, under /run: it is about running processes only.

- ``started-with``: the configuration that the running daemon has read. It is written when daemon.json changes without a
  restart, for from then on the file does not tell any more.
- ``pending``: an apply that has begun, with the containers that have to run at its end and the former file. A run that
  is killed leaves it, and the next one finishes the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import config
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observe import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, write_atomically

Json = t.Dict[str, t.Any]

FOLDER = "/run/fleetnet/default_bridge"


class Pending(t.NamedTuple):
    """An apply that was begun. ``before`` is daemon.json's former text, None where there was no file."""

    before: str | None
    containers: tuple[RunningContainer, ...]


class State:
    """The files in ``folder``, one set for each unit."""

    def __init__(self, unit: str, folder: str = FOLDER) -> None:
        self._started_with = os.path.join(folder, f"{unit}.started-with.json")
        self._pending = os.path.join(folder, f"{unit}.pending.json")
        self._lock = os.path.join(folder, f"{unit}.lock")

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Hold off a second run on this host, of another controller for example; FleetnetError if there is one."""
        os.makedirs(os.path.dirname(self._lock), mode=0o755, exist_ok=True)
        with open(self._lock, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read() or "unknown"
                raise FleetnetError(
                    f"another run (process {holder}) is changing this host's daemon at present"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def startup(self, unit: DaemonUnit, path: str, text: str | None) -> Json | None:
        """The configuration that the running daemon has read; None where the file was changed later by others."""
        recorded = _load(self._started_with)
        if recorded is not None and unit.invocation and recorded["invocation"] == unit.invocation:
            return t.cast(t.Optional[Json], recorded["config"])
        if text is None:
            return {}
        # ctime, not mtime: a file that was moved into place keeps its old mtime.
        if os.stat(path).st_ctime > unit.started:
            return None
        return config.parse(text, path)

    def remember_startup(self, unit: DaemonUnit, startup: Json | None) -> None:
        _save(self._started_with, {"invocation": unit.invocation, "config": startup})

    def pending(self) -> Pending | None:
        saved = _load(self._pending)
        if saved is None:
            return None
        return Pending(saved["before"], tuple(RunningContainer(*container) for container in saved["containers"]))

    def begin(self, before: str | None, containers: t.Sequence[RunningContainer]) -> None:
        _save(self._pending, {"before": before, "containers": containers})

    def end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._pending)


def _load(path: str) -> Json | None:
    text = read_text(path)
    if text is None:
        return None
    try:
        return t.cast(Json, json.loads(text))
    except ValueError:
        return None


def _save(path: str, value: Json) -> None:
    write_atomically(path, json.dumps(value))
    os.chmod(path, 0o600)  # daemon.json may hold what others should not read
