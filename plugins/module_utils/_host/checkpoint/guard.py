# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guard a change by a checkpoint, if it can cut the path between the controller and this host."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import (
    TIME_IS_OVER,
    excluding_undo,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import NoRecords, Records, Result, Task


def settle(task: Task) -> bool:
    """Wait for the undo of an earlier change that was not confirmed, before this one is planned.

    Returns whether a checkpoint of this run's play exists, which covers this change, too. Raises FleetnetError if the
    earlier change cannot be undone completely, or the time of the play is over.
    """
    folder = CheckpointFolder()
    pending = folder.deadline()
    if folder.covers(pending, task.params.get("run")):
        return True
    if pending is None:
        return False
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints

    Checkpoints(task.commands, folder).settle(task.warn)
    return False


@contextlib.contextmanager
def guarded(task: Task, risks: tuple[Risk, ...], covered: bool) -> t.Iterator[tuple[Records, Result]]:
    """The checkpoint of a change with these risks, and its keys of the result. Without risks, no checkpoint is taken.

    A FleetnetError of the block, which says what is changed and what is not, ends the change as its end does.
    """
    checkpoint_id = task.params.get("checkpoint")
    if covered or not risks or not checkpoint_id or not task.params["confirm"]:
        folder = CheckpointFolder()
        with excluding_undo(task.params.get("run"), folder):
            if covered and folder.deadline() is None:
                raise FleetnetError(TIME_IS_OVER)
            yield NoRecords(), {}
        return
    # Most runs change nothing of the kind, and do without these modules.
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints

    checkpoints = Checkpoints(task.commands)
    taken = checkpoints.take(
        checkpoint_id, task.params["confirm_timeout"], risks, task.params["docker_host"], task.params.get("run")
    )
    data: Result = {
        "checkpoint": {
            "id": taken.deadline.id,
            "timeout": taken.deadline.timeout,
            "risks": [{"kind": each.kind, "names": list(each.names)} for each in risks],
        }
    }
    try:
        yield checkpoints, data
    except FleetnetError as error:
        error.result = {**error.result, **data}
        checkpoints.applied()
        raise
    checkpoints.applied()
