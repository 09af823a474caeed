# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files under /run that ``default_bridge`` keeps from one run to the next. They describe running processes only.

- ``started-with``: the configuration that the running daemon read at its start. It is written when daemon.json changes
  without a restart, because the file no longer contains it then.
- ``pending``: a run that has begun, with the former file and the containers that must run at the end. A killed run
  leaves it, and the next one completes the work.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import config
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import Json, RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import open_lock, try_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, write_atomically

FOLDER = f"{RUN_FOLDER}/default_bridge"


class UnfinishedRun(t.NamedTuple):
    """A run that has begun. ``before`` is the former text of daemon.json, None if the file did not exist."""

    before: str | None
    containers: tuple[RunningContainer, ...]


class RunRecords:
    """The files in ``folder``, one set per unit."""

    def __init__(self, unit: str, folder: str = FOLDER) -> None:
        self._started_with = os.path.join(folder, f"{unit}.started-with.json")
        self._pending = os.path.join(folder, f"{unit}.pending.json")
        self._lock = os.path.join(folder, f"{unit}.lock")

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Exclude another run on this host. Raises FleetnetError if one is active."""
        with open_lock(self._lock) as file:
            if not try_lock(file):
                file.seek(0)
                holder = file.read() or "unknown"
                raise FleetnetError(
                    f"another run (process {holder}) is changing the daemon of this host. Wait until it ends."
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def startup_config(self, unit: DaemonUnit, path: str, text: str | None) -> Json | None:
        """Return the configuration that the running daemon read; None if the file was changed later by others."""
        recorded = _load(self._started_with)
        if recorded is not None and unit.invocation and recorded["invocation"] == unit.invocation:
            return t.cast(t.Optional[Json], recorded["config"])
        if text is None:
            return {}
        # ctime, not mtime: a moved file keeps its mtime.
        if os.stat(path).st_ctime > unit.started:
            return None
        return config.parse(text, path)

    def record_startup_config(self, unit: DaemonUnit, startup: Json | None) -> None:
        _save(self._started_with, {"invocation": unit.invocation, "config": startup})

    def unfinished_run(self) -> UnfinishedRun | None:
        saved = _load(self._pending)
        if saved is None:
            return None
        return UnfinishedRun(saved["before"], tuple(RunningContainer(*container) for container in saved["containers"]))

    def begin_run(self, before: str | None, containers: t.Sequence[RunningContainer]) -> None:
        _save(self._pending, {"before": before, "containers": containers})

    def end_run(self) -> None:
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
    os.chmod(path, 0o600)  # daemon.json may contain secrets
