# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply one part of a host in a module of its own."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import excluding_undo
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

_LOCAL = "unix://"


def apply_alone(apply: t.Callable[[Task], Result], task: Task) -> Result:
    """Apply one part in a module of its own, and exclude undos meanwhile.

    A user other than root, who may use the engine, has no access to the lock.
    """
    local = task.params.get("docker_host", _LOCAL).startswith(_LOCAL)
    if task.check_mode or not local or os.geteuid() != 0:
        return apply(task)
    with excluding_undo(task.params["run"]):
        return apply(task)
