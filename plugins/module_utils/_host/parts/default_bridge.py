# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docker0 and the daemon's addressing: observe, plan, validate, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import OPTIONS as DAEMON_OPTIONS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import desired_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import RESTART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon, plan_daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import DefaultBridgeExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.options import RESTART_OPTIONS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import Daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

OPTIONS: dict[str, t.Any] = {**DAEMON_OPTIONS, **RESTART_OPTIONS}


def apply(task: Task) -> Result:
    params = task.params
    desired = desired_state(params)
    records = RunRecords(params["service"])
    executor = DefaultBridgeExecutor(
        task.commands,
        Daemon(task.commands, params["service"]),
        records,
        lambda: task.connection.reconnect(params),  # also after a restart, possibly with another release
        params["restart_timeout"],
    )
    if task.check_mode:
        return _run(executor, desired, task)
    with records.locked():
        return _run(executor, desired, task)


def _run(executor: DefaultBridgeExecutor, desired: DesiredDaemon, task: Task) -> Result:
    recovered = None if task.check_mode else executor.recover()
    observed = executor.observe()
    plan = plan_daemon(desired, observed, task.params["allow_restart"])
    executor.validate(plan, observed)
    result: Result = {
        "changed": plan.changed or recovered is not None,
        "diff": plan.diff(),
        "differences": [difference.to_data() for difference in plan.differences()],
        "operations": ([recovered] if recovered else []) + plan.operations(),
        "restarted": plan.signal == RESTART,
        "interrupted": [container.name for container in plan.interrupted],
        "configured": plan.configured,
    }
    if not task.check_mode:
        if plan.changed:
            task.records.record_daemon(plan, executor.invocation())
        backup = executor.execute(plan, desired, observed)
        if backup:
            result["backup_file"] = backup
    return result
