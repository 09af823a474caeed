# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's user-defined networks: read, plan, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import needs_journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import Item
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import plan_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import is_predicted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import network_facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    NetworksRequest,
    survey_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import (
    Journals,
    journal_warning,
    journals_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.left_over_bridges import RecordedBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import (
    is_local,
    read_interfaces,
    read_snapshot,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Preview, Recoverer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import AdoptionFile, unreadable_record
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import read_ports_of_others
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
    journals = journals_of(params["docker_host"])
    if task.check_mode:
        return _run(task, items, journals)
    with journals.locked():
        return _run(task, items, journals)


def _ports(task: Task, items: t.Iterable[Item]) -> dict[str, list[str]]:
    adopts = any(item.adopt for item in items) and is_local(task.params["docker_host"])
    return read_ports_of_others(task.commands) if adopts else {}


def _run(task: Task, items: tuple[Item, ...], journals: Journals) -> Result:
    params = task.params
    engine = task.engine()
    bridges = RecordedBridges(task.commands) if is_local(params["docker_host"]) else UnknownBridges()
    record = JournalPaths.of(params["docker_host"]).adopted
    recoverer = Recoverer(engine, bridges, journals, AdoptionFile(record))
    interrupted = recoverer.preview() if task.check_mode else Preview(recoverer.recover())
    predicted = interrupted.predicted
    observed = read_networks(engine) if predicted is None else predicted.networks
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
        ports=_ports(task, items),
    )
    survey = survey_networks(request, observed)
    plan = plan_networks(request, survey, read_snapshot(engine, survey, predicted))
    warnings = [*recoverer.warnings, *filter(None, (unreadable_record(record),)), *plan.warnings]
    adoptions = AdoptionFile(record, {each.id for each in observed})
    if plan.changed and not task.check_mode:
        executor = NetworkExecutor(
            engine,
            request.allow_disconnect,
            bridges=bridges,
            journals=journals,
            docker_host=params["docker_host"],
            adoptions=adoptions,
        )
        task.records.record_networks(plan.steps)
        executor.execute(plan)
        warnings += executor.warnings
        observed = read_networks(engine)
    if request.prune and not task.check_mode:
        adoptions.forget_missing()
    if not journals.kept and any(needs_journal(step) for step in plan.steps):
        warnings.append(journal_warning("the networks"))
    for warning in warnings:
        task.warn(warning)
    differences = [*recoverer.differences(interrupted.left), *plan.differences]
    operations = [*(line for left in interrupted.left for line in left.operations), *plan.operations]
    return {
        "changed": bool(operations),
        "diff": plan.diff(),
        "differences": [each.to_data() for each in differences],
        "operations": operations,
        "interrupted": plan.interrupted,
        "networks": network_facts(
            (each for each in observed if not is_predicted(each.id)), {item.name for item in items}
        ),
    }
