# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's user-defined networks: read, plan, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import plan_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import network_facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    NetworksRequest,
    survey_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.left_over_bridges import RecordedBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import (
    is_local,
    read_interfaces,
    read_networks,
    read_snapshot,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

OPTIONS: dict[str, t.Any] = {
    # Ansible checks the task's own options; the parser checks those of the items, with errors that name the item.
    "networks": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prune": {"type": "bool", "default": False},
    "on_drift": {"type": "str", "choices": ["recreate", "warn", "fail"], "default": "recreate"},
    "allow_disconnect": {"type": "bool", "default": False},
    "strict": {"type": "bool", "default": False},
}


def apply(task: Task) -> Result:
    params = task.params
    items = parse_items(params["networks"])
    engine = task.engine()
    bridges = RecordedBridges(task.commands) if is_local(params["docker_host"]) else UnknownBridges()
    observed = read_networks(engine)
    request = NetworksRequest(
        items=items,
        version=engine.version,
        state=params["state"],
        prune=params["prune"],
        on_drift=params["on_drift"],
        allow_disconnect=params["allow_disconnect"],
        strict=params["strict"],
        interfaces=read_interfaces(params["docker_host"]),
        docker0_moves=task.docker0_moves,
        left_over=bridges.left_over() - {each.bridge for each in observed},
    )
    survey = survey_networks(request, observed)
    plan = plan_networks(request, survey, read_snapshot(engine, survey))
    warnings = list(plan.warnings)
    if plan.changed and not task.check_mode:
        executor = NetworkExecutor(engine, allow_disconnect=request.allow_disconnect, bridges=bridges)
        executor.execute(plan)
        warnings += executor.warnings
        observed = read_networks(engine)
    for warning in warnings:
        task.warn(warning)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "differences": [each.to_data() for each in plan.differences],
        "operations": plan.operations,
        "interrupted": plan.interrupted,
        "networks": network_facts(observed, {item.name for item in items}),
    }
