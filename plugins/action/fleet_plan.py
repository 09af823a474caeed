# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the fleet, on the controller, once for all hosts. See plugins/modules/fleet_plan.py for its documentation."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import (
    Fleet,
    Host,
    parse_fleet,
    parse_host,
    warn_unknown_variable,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import check_one_fleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    ErrorList,
    FleetnetError,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import address_table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import plan_around
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.controller import with_controllers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.mtu import fit_to_underlay
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.not_in_run import not_in_run
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, make_plan, take_out
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import peers, slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.used_blocks import check_used_blocks
from ansible_collections.fleetnet.docker.plugins.plugin_utils import lock_file
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

ARGUMENT_SPEC: Result = {
    "group": {"type": "str"},
    "lock_file": {"type": "path", "required": True},
    "observed": {"type": "str"},
    "reclaim": {"type": "list", "elements": "str", "default": []},
    "reclaim_unreachable": {"type": "bool", "default": False},
    "removed": {"type": "list", "elements": "str", "default": []},
    "renumber": {"type": "bool", "default": False},
    "without": {"type": "list", "elements": "str", "default": []},
    "write_lock": {"type": "bool", "default": True},
    "slices": {"type": "bool", "default": True},
    "show": {"type": "bool", "default": False},
    "json_file": {"type": "path"},
    "markdown_file": {"type": "path"},
}


class ActionModule(FleetAction):
    """The action."""

    WRITES = ("json_file", "markdown_file")
    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        path = os.path.abspath(arguments["lock_file"])
        warnings: list[str] = []
        unobserved: list[str] = []
        for name, hosts_with_it in inventory.unknown_variables().items():
            # Now, since the plan may fail because of it.
            Display().warning(warn_unknown_variable(name, hosts_with_it))
        with lock_file.locked(path):
            check_one_fleet(inventory.group, inventory.hosts, path, lock_file.others(path, inventory.groups))
            before, held = lock_file.read(path)
            if held is not None and arguments["reclaim"]:
                warnings += _not_departed(held, arguments["reclaim"])
                held = held.reclaimed(arguments["reclaim"], arguments["reclaim_unreachable"])
            if held is not None:
                held = held.with_removed(arguments["removed"])
            without, renumber = frozenset(arguments["without"]), arguments["renumber"]
            if arguments["observed"]:
                reports = inventory.reports(arguments["observed"])
                plan = plan_around(
                    lambda avoid: plan_fleet(inventory, held, without, renumber, avoid),
                    reports,
                    # Now, since the plan may fail nevertheless.
                    lambda avoided: Display().warning(str(avoided)),
                )
                if not renumber:
                    check_used_blocks(plan, reports)
                unobserved = [host.name for host in plan.hosts if not reports.get(host.name)]
                plan = with_controllers(fit_to_underlay(plan, reports), reports)
            else:
                plan = plan_fleet(inventory, held, without, renumber)
            after = lockfile.render(plan.leases)
            # Without write_lock this is a dry run, and a later task reports the change.
            changed = after != before and arguments["write_lock"]
            if changed and not self._task.check_mode:
                write_atomically(path, after)
        summary = address_table.address_plan(plan)
        if unobserved:
            warning = f"not compared with {named_hosts(unobserved)}: no report of interfaces, routes and networks."
            summary += ["", f"The plan was {warning}"]
            warnings.append(f"the plan was {warning}")
        # Only with what a run applies: a run plans more than once.
        left_out = not_in_run(plan, inventory.selected) if arguments["slices"] else None
        if left_out is not None:
            summary += ["", left_out]
            warnings.append(left_out)
        if arguments["show"]:
            Display().display("\n" + "\n".join(summary) + "\n")
        result: Result = {
            "changed": changed,
            "group": inventory.group,
            "lock_file": path,
            "summary": summary,
            "policy": plan.policy.to_data(),
            "peers": peers(plan),
            "unobserved": unobserved,
        }
        hosts = slices(plan) if arguments["slices"] or arguments["json_file"] else {}
        if arguments["json_file"]:
            document = {"hosts": hosts, "peers": result["peers"], "policy": result["policy"]}
            write_atomically(arguments["json_file"], json.dumps(document, indent=1) + "\n")
        if arguments["markdown_file"]:
            write_atomically(arguments["markdown_file"], address_table.markdown(plan))
        if arguments["slices"]:
            result["hosts"] = hosts
        if changed:
            result["diff"] = {"before_header": path, "after_header": path, "before": before, "after": after}
        if warnings:
            result["warnings"] = warnings
        return result


def plan_fleet(
    inventory: Inventory,
    held: LeaseBook | None,
    without: frozenset[str] = frozenset(),
    renumber: bool = False,
    avoid: t.Collection[Prefix] = (),
) -> FleetPlan:
    """Return the plan of the inventory's declaration with the held leases, which move only with ``renumber``. New
    leases are none of the blocks of ``avoid``.

    The hosts of ``without`` are left out. They may still be in the inventory, or have departed.
    """
    book = held or LeaseBook()
    errors = ErrorList()
    declared: Fleet | None = None
    hosts: list[Host] = []
    with errors.collect():
        declared = parse_fleet(inventory.fleet_variables(), book.host_length, book.slot_length, errors)
    names = [name for name in inventory.hosts if name not in without]
    for name in names:
        with errors.collect():
            hosts.append(parse_host(name, *inventory.host_variables(name)))
    if declared is None or not declared.schemes or len(hosts) < len(names):
        errors.check()  # the plan depends on what is invalid
    # With errors, the plan of what is valid finds further ones, such as hosts of networks that do not exist.
    found = bool(errors.found)
    with contextlib.suppress(FleetnetError) if found else contextlib.nullcontext(), errors.collect():
        fleet, groups = take_out(without, declared, inventory.hosts, inventory.groups, held)
        plan = make_plan(fleet, hosts, groups, held, renumber, avoid)
    errors.check()
    return plan


def _not_departed(held: LeaseBook, names: list[str]) -> list[str]:
    """A warning for each name that cannot be reclaimed. Not a failure, so that the same command can run twice."""
    departed = held.departed()
    current = {name for leases in held.families for part in (leases.blocks, leases.slots) for name in part}
    warnings = []
    for name in names:
        if name in current:
            warnings.append(f"reclaim: {name!r} was declared in the last run. Only departed names can be reclaimed.")
        elif name not in departed:
            warnings.append(f"reclaim: no departed host or network {name!r} found. {nearest(name, departed)}")
    return warnings
