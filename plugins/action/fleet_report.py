# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the results of probes with the declaration. See plugins/modules/fleet_report.py for its documentation."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import junit, matrix, text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Coverage, measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.summary import explain_all
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import HostPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import WrongNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import count_pairs
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import UnprobedAddress
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict
from ansible_collections.fleetnet.docker.plugins.plugin_utils import verdicts
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import make_folder, write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

_NOTHING = "Reachability: no probes."
_NO_CONTAINER = "No container is attached to a declared network. Start containers and run playbooks/verify.yml."


class NotAsDeclared(FleetnetError):
    """Reality differs from the declaration."""


class ActionModule(FleetAction):
    """The action."""

    WRITES = ("report_dir",)
    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str", "default": "docker_fleet"},
        **verdicts.ARGUMENT_SPEC,
        "traces": {"type": "str"},
        "host_ports": {"type": "list", "elements": "dict", "default": []},
        "unprobed": {"type": "list", "elements": "dict", "default": []},
        "unprobed_addresses": {"type": "list", "elements": "dict", "default": []},
        "wrong_networks": {"type": "list", "elements": "dict", "default": []},
        "summary": {"type": "list", "elements": "str", "default": []},
        "report_dir": {"type": "path"},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        endpoints = [Endpoint.from_data(item) for item in arguments["endpoints"]]
        results = inventory.registered(arguments["results"])
        found = verdicts.read_verdicts(inventory, arguments, endpoints)
        if arguments["traces"]:
            traced = inventory.registered(arguments["traces"])
            hosts = {host: Evidence.from_data(result) for host, result in traced.items() if "flows" in result}
            found = explain_all(found, hosts)
        wrong = [verdict for verdict in found if not verdict.as_declared]
        lines = [*arguments["summary"], ""] if arguments["summary"] else []
        lines += matrix.report_lines(found, count_pairs(endpoints)) if found else [_NOTHING]
        unprobed = [Unprobed.from_data(item) for item in arguments["unprobed"]]
        addresses = [UnprobedAddress.from_data(item) for item in arguments["unprobed_addresses"]]
        coverage = measure(Policy.from_data(arguments["policy"]), endpoints, found, unprobed, addresses)
        if not coverage.containers:
            lines[-1] += f" {_NO_CONTAINER}"
        lines += ["", *coverage_lines(coverage)]
        if unprobed:
            lines += ["", "Not probed:", *(f"  {text.not_probed(each)}" for each in unprobed)]
        networks = [WrongNetwork.from_data(item) for item in arguments["wrong_networks"]]
        if networks:
            lines += ["", "Networks that are not as declared:", *(f"  {text.wrong_network(each)}" for each in networks)]
        host_ports = [HostPort.from_data(item) for item in arguments["host_ports"]]
        if host_ports:
            lines += ["", "Policy lines to check:", *(f"  {text.host_port(each)}" for each in host_ports)]
        left_out = [host for host in inventory.hosts if host not in results or host not in inventory.batch]
        if left_out:
            lines += [
                "",
                f"NOT PROBED, so not proven: {', '.join(left_out)} (failed earlier, excluded by --limit, or in another "
                "batch of serial)",
            ]
        Display().display("\n" + "\n".join(lines) + "\n")
        if arguments["report_dir"]:
            self._write(arguments["report_dir"], lines, found, coverage)
        containers = sum(len(each.containers) for each in unprobed if each.wrong)
        problems = [f"{len(wrong)} of {len(found)} probes are not as declared"] if wrong else []
        if containers:
            have = "container has an address that is" if containers == 1 else "containers have addresses that are"
            problems.append(f"{containers} {have} not in the plan")
        if networks:
            have = (
                "declared network is missing or has" if len(networks) == 1 else "declared networks are missing or have"
            )
            problems.append(f"{len(networks)} {have} other subnets")
        if problems:
            # Without the report in the result: Ansible prints all of a failed result.
            raise NotAsDeclared(f"{', and '.join(problems)}. See the report above.")
        return {"changed": False, "probes": len(found), "report": lines, "coverage": coverage.to_data()}

    @staticmethod
    def _write(folder: str, lines: list[str], found: list[Verdict], coverage: Coverage) -> None:
        make_folder(folder)
        write_atomically(os.path.join(folder, "report.txt"), "\n".join(lines) + "\n")
        document = json.dumps([text.entry(verdict) for verdict in found], indent=1)
        write_atomically(os.path.join(folder, "reachability.json"), document + "\n")
        write_atomically(os.path.join(folder, "reachability.xml"), junit.render(found, coverage))
        document = json.dumps({**coverage.to_data(), "text": coverage_lines(coverage)}, indent=1)
        write_atomically(os.path.join(folder, "coverage.json"), document + "\n")
