# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what would change on each host. See plugins/modules/fleet_changes.py for its documentation."""

from __future__ import annotations

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift import preview
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result, of_host
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

ARGUMENT_SPEC: Result = {
    "group": {"type": "str"},
    "results": {"type": "list", "elements": "str", "required": True},
}


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        found: dict[str, list[str]] = {}
        for name in arguments["results"]:
            for host, result in inventory.registered(name, with_failures=True).items():
                with of_host(host):
                    found.setdefault(host, []).extend(preview.change_lines(result, host))
        lines = preview.report_lines(found)
        Display().display("\n" + "\n".join(lines) + "\n")
        return {"changed": False, "hosts": found, "report": lines}
