# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the failed probes to explain. See plugins/modules/fleet_failures.py for its documentation."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import TOKENS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import SPARE_TOKENS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import to_explain, to_read
from ansible_collections.fleetnet.docker.plugins.plugin_utils import verdicts
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str"},
        "most": {"type": "int", "default": 48},
        **verdicts.ARGUMENT_SPEC,
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        endpoints = [Endpoint.from_data(item) for item in arguments["endpoints"]]
        found = verdicts.read_verdicts(inventory, arguments, endpoints)
        chosen = to_explain(found, arguments["most"])
        others = to_read(found)
        names_of: dict[str, dict[str, None]] = {host: {} for host in inventory.hosts}
        for verdict in others:
            if verdict.probe.name is not None:
                names_of[verdict.probe.source.host][verdict.probe.source.container] = None
        wrong = sum(not verdict.as_declared for verdict in found)
        if wrong:
            progress = f"{wrong} of {len(found)} probes are not as declared. Tracing {len(chosen)} of them."
            Display().display(f"\n{progress}\n")
        by_host: dict[str, list[Result]] = {host: [] for host in inventory.hosts}
        for number, verdict in enumerate(chosen):
            data = verdict.probe.to_trace(TOKENS - SPARE_TOKENS + number)
            by_host[verdict.probe.source.host].append(data)
        flows = dict.fromkeys((verdict.probe.source.address, verdict.probe.target.address) for verdict in chosen)
        return {
            "changed": False,
            "failures": len(chosen) + len(others),
            "hosts": by_host,
            "names_of": {host: list(containers) for host, containers in names_of.items()},
            "flows": [{"source": source, "destination": destination} for source, destination in flows],
        }
