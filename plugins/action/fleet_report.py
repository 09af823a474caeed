# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was probed with what was declared. See plugins/modules/fleet_report.py for its documentation."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import junit, matrix, probe_plan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import End, Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.plugin_utils import verdicts
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
        **verdicts.ARGUMENT_SPEC,
        "traces": {"type": "str"},
        "summary": {"type": "list", "elements": "str", "default": []},
        "report_dir": {"type": "path"},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        nodes = [probe_plan.Endpoint.from_data(node) for node in arguments["nodes"]]
        results = inventory.registered(arguments["results"])
        found = verdicts.read_verdicts(inventory, arguments, nodes)
        if arguments["traces"]:
            found = _explained(found, inventory.registered(arguments["traces"]))
        wrong = [verdict for verdict in found if verdict.problem]
        lines = [*arguments["summary"], ""] if arguments["summary"] else []
        lines += matrix.report_lines(found, probe_plan.count_pairs(nodes)) if found else [_NOTHING]
        left_out = [host for host in inventory.hosts if host not in results]
        if left_out:
            lines += [
                "",
                f"NOT PROBED, and so not proven: {', '.join(left_out)} (failed before, or left out by --limit)",
            ]
        Display().display("\n" + "\n".join(lines) + "\n")
        if arguments["report_dir"]:
            self._write(arguments["report_dir"], lines, found)
        if wrong:
            # Ansible prints all of a failed result, and the report has been printed already.
            raise NotAsDeclared(f"{len(wrong)} of {len(found)} probes are not as declared, see the report above")
        return {"changed": False, "probes": len(found), "report": lines}

    @staticmethod
    def _write(folder: str, lines: list[str], found: list[probe_plan.Verdict]) -> None:
        os.makedirs(folder, exist_ok=True)
        write_atomically(os.path.join(folder, "report.txt"), "\n".join(lines) + "\n")
        document = json.dumps([verdict.to_data() for verdict in found], indent=1)
        write_atomically(os.path.join(folder, "reachability.json"), document + "\n")
        write_atomically(os.path.join(folder, "reachability.xml"), junit.render(found))


def _explained(found: t.Sequence[probe_plan.Verdict], traced: t.Mapping[str, Result]) -> list[probe_plan.Verdict]:
    """The verdicts, each failure with what the hosts tell about it."""
    hosts = {host: Evidence.from_data(result) for host, result in traced.items() if "flows" in result}
    return [
        verdict if verdict.problem is None else dataclasses.replace(verdict, explanation=_explanation(verdict, hosts))
        for verdict in found
    ]


def _explanation(verdict: probe_plan.Verdict, hosts: t.Mapping[str, Evidence]) -> str | None:
    probe = verdict.probe
    source, target = (End(*node[:5]) for node in (probe.source, probe.target))
    return explain(str(verdict.problem), source, target, probe.packet, hosts)
