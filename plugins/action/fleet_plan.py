# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the fleet, on the controller, once for all hosts. See plugins/modules/fleet_plan.py for its documentation."""

from __future__ import annotations

import os

from ansible_collections.fleetnet.docker.plugins.module_utils._controller import lock_file
from ansible_collections.fleetnet.docker.plugins.module_utils._controller.files import write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._controller.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.module_utils._controller.inventory import Inventory
from ansible_collections.fleetnet.docker.plugins.module_utils._domain import lockfile, text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import parse_fleet, parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import FleetPlan, make_plan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.proof import prove
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.slices import peers, slices

ARGUMENT_SPEC: Result = {
    "group": {"type": "str", "default": "docker_fleet"},
    "lock_file": {"type": "path", "required": True},
    "observed": {"type": "str"},
    "write_lock": {"type": "bool", "default": True},
}


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        path = os.path.abspath(arguments["lock_file"])
        with lock_file.locked(path):
            before, held = lock_file.read(path)
            plan = plan_fleet(inventory, held)
            if arguments["observed"]:
                reports = inventory.registered(arguments["observed"])
                prove(plan, {host: report["network_info"] for host, report in reports.items()})
            after = lockfile.render(plan.leases)
            # Without write_lock nothing is leased yet: the plan is a question, and no change is told twice.
            changed = after != before and arguments["write_lock"]
            if changed and not self._task.check_mode:
                write_atomically(path, after)
        result: Result = {
            "changed": changed,
            "lock_file": path,
            "summary": text.address_plan(plan),
            "policy": plan.policy.to_data(),
            "peers": peers(plan),
            "hosts": slices(plan),
        }
        if changed:
            result["diff"] = {"before_header": path, "after_header": path, "before": before, "after": after}
        return result


def plan_fleet(inventory: Inventory, held: LeaseBook | None) -> FleetPlan:
    """The plan of the inventory's declaration with the leases that are held."""
    book = held or LeaseBook()
    fleet = parse_fleet(inventory.fleet_variables(), book.host_length, book.slot_length)
    hosts = [parse_host(name, *inventory.host_variables(name)) for name in inventory.hosts]
    return make_plan(fleet, hosts, inventory.groups, held)
