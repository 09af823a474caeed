# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the generations of the fleet, and choose one for each host. See plugins/modules/fleet_rollback.py."""

from __future__ import annotations

import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.choice import chosen, report_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.leases import restored
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.report import (
    ReportedGeneration,
    parse_report,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.plugin_utils import lock_file
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result, of_host
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

ARGUMENT_SPEC: Result = {
    "group": {"type": "str"},
    "lock_file": {"type": "path", "required": True},
    "generations": {"type": "str", "required": True},
    "to": {"type": "str"},
}


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        reported: dict[str, list[ReportedGeneration]] = {}
        for host, listed in inventory.registered(arguments["generations"]).items():
            with of_host(host):
                reported[host] = parse_report(listed["generations"])
        lines = report_lines(reported)
        Display().display("\n" + "\n".join(lines) + "\n")
        result: Result = {"changed": False, "report": lines, "hosts": dict.fromkeys(reported)}
        if arguments["to"]:
            result["hosts"] = chosen(reported, arguments["to"])
            result.update(self._restore_leases(os.path.abspath(arguments["lock_file"]), reported, result["hosts"]))
        return result

    def _restore_leases(
        self, path: str, reported: t.Mapping[str, list[ReportedGeneration]], numbers: t.Mapping[str, int | None]
    ) -> Result:
        """Write the leases of the chosen generations into the lock file, unless it has them."""
        addresses = {}
        for host, generations in reported.items():
            by_number = {each.number: each.addresses for each in generations}
            if generations:
                addresses[host] = by_number[numbers[host] or generations[-1].number]
        with lock_file.locked(path):
            before, held = lock_file.read(path)
            if held is None:
                raise FleetnetError(
                    f"lock file {path}: not found. Restore it from version control, or set docker_fleet_lock_file to "
                    "its path."
                )
            after = lockfile.render(restored(held, addresses))
            if after == before:
                return {}
            if not self._task.check_mode:
                write_atomically(path, after)
        diff = {"before_header": path, "after_header": path, "before": before, "after": after}
        return {"changed": True, "diff": diff}
