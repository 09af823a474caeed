# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was probed with what was declared. See plugins/modules/fleet_report.py for its documentation."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain import junit, reachability
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.policy import Policy
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

_NOTHING = (
    "Reachability: nothing to probe. No container is attached to a declared network; start some and run "
    "playbooks/verify.yml"
)


class NotAsDeclared(FleetnetError):
    """Reality differs from the declaration."""


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str", "default": "docker_fleet"},
        "policy": {"type": "dict", "required": True},
        "nodes": {"type": "list", "elements": "dict", "required": True},
        "results": {"type": "str", "required": True},
        "arrivals": {"type": "str", "required": True},
        "pairs_at_most": {"type": "int", "default": reachability.MOST_PAIRS},
        "summary": {"type": "list", "elements": "str", "default": []},
        "report_dir": {"type": "path"},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        policy = Policy.from_data(arguments["policy"])
        nodes = [reachability.Node(**node) for node in arguments["nodes"]]
        results = inventory.registered(arguments["results"])
        arrivals = inventory.registered(arguments["arrivals"])
        seen = reachability.index_arrivals({host: found.get("arrivals", ()) for host, found in arrivals.items()})
        # A task that had nothing to do was skipped, and returned nothing.
        pending = {host: iter(found.get("results", ())) for host, found in results.items()}
        verdicts = []
        # The same nodes give the same probes in the same order as fleet_probes gave out, so results need no names.
        for probe in reachability.make_probes(policy, nodes, arguments["pairs_at_most"]):
            result = next(pending.get(probe.source.host, iter(())), None)
            verdicts.append(reachability.judge(probe, result, reachability.arrivals_of(seen, probe, result)))
        wrong = [verdict for verdict in verdicts if verdict.problem]
        lines = [*arguments["summary"], ""] if arguments["summary"] else []
        lines += reachability.report_lines(verdicts, reachability.count_pairs(nodes)) if verdicts else [_NOTHING]
        left_out = [host for host in inventory.hosts if host not in results]
        if left_out:
            lines += [
                "",
                f"NOT PROBED, and so not proven: {', '.join(left_out)} (failed before, or left out by --limit)",
            ]
        Display().display("\n" + "\n".join(lines) + "\n")
        if arguments["report_dir"]:
            self._write(arguments["report_dir"], lines, verdicts)
        if wrong:
            # Ansible prints all of a failed result, and the report has been printed already.
            raise NotAsDeclared(f"{len(wrong)} of {len(verdicts)} probes are not as declared, see the report above")
        return {"changed": False, "probes": len(verdicts), "report": lines}

    @staticmethod
    def _write(folder: str, lines: list[str], verdicts: list[reachability.Verdict]) -> None:
        os.makedirs(folder, exist_ok=True)
        write_atomically(os.path.join(folder, "report.txt"), "\n".join(lines) + "\n")
        document = json.dumps([verdict.to_data() for verdict in verdicts], indent=1)
        write_atomically(os.path.join(folder, "reachability.json"), document + "\n")
        write_atomically(os.path.join(folder, "reachability.xml"), junit.render(verdicts))
