# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the results of probes with the declaration. See plugins/modules/fleet_report.py for its documentation."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import checked_report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import junit, text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Explanation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import Hosts, explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.summary import explain_all
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import (
    HostFinding,
    find_changes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import HostPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import WrongNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind, Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import count_pairs
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.report import Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import UnprobedAddress
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict
from ansible_collections.fleetnet.docker.plugins.plugin_utils import verdicts
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import make_folder, write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result, of_host
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory


class NotAsDeclared(FleetnetError):
    """Reality differs from the declaration."""


class ActionModule(FleetAction):
    """The action."""

    WRITES = ("report_dir",)
    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str"},
        **verdicts.ARGUMENT_SPEC,
        "traces": {"type": "str"},
        "host_ports": {"type": "list", "elements": "dict", "default": []},
        "unprobed": {"type": "list", "elements": "dict", "default": []},
        "unprobed_addresses": {"type": "list", "elements": "dict", "default": []},
        "wrong_networks": {"type": "list", "elements": "dict", "default": []},
        "host_findings": {"type": "list", "elements": "dict", "default": []},
        "compared": {"type": "str"},
        "summary": {"type": "list", "elements": "str", "default": []},
        "report_dir": {"type": "path"},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        endpoints = [Endpoint.from_data(item) for item in arguments["endpoints"]]
        results = inventory.registered(arguments["results"])
        found = verdicts.read_verdicts(inventory, arguments, endpoints)
        compared = inventory.registered(arguments["compared"], with_failures=True) if arguments["compared"] else {}
        if arguments["traces"]:
            evidence = _evidence(inventory.registered(arguments["traces"]), compared, endpoints)
            found = explain_all(found, evidence, _explain)
        unprobed = [Unprobed.from_data(item) for item in arguments["unprobed"]]
        addresses = [UnprobedAddress.from_data(item) for item in arguments["unprobed_addresses"]]
        report = Report(
            found,
            measure(Policy.from_data(arguments["policy"]), endpoints, found, unprobed, addresses),
            count_pairs(endpoints),
            len(compared) if arguments["compared"] else None,
            [*_changes(compared), *(HostFinding.from_data(item) for item in arguments["host_findings"])],
            [WrongNetwork.from_data(item) for item in arguments["wrong_networks"]],
            unprobed,
            [HostPort.from_data(item) for item in arguments["host_ports"]],
            [host for host in inventory.hosts if host not in results or host not in inventory.batch],
            inventory.selected,
            arguments["summary"],
        )
        lines = report.lines()
        Display().display("\n" + "\n".join(lines) + "\n")
        if arguments["report_dir"]:
            self._write(arguments["report_dir"], lines, report)
        problems = report.problems()
        if problems:
            # Without the report in the result: Ansible prints all of a failed result.
            raise NotAsDeclared(f"{', and '.join(problems)}. See the report above.")
        return {"changed": False, "probes": len(found), "report": lines, "coverage": report.coverage.to_data()}

    @staticmethod
    def _write(folder: str, lines: list[str], report: Report) -> None:
        found, coverage = report.verdicts, report.coverage
        make_folder(folder)
        write_atomically(os.path.join(folder, "report.txt"), "\n".join(lines) + "\n")
        document = json.dumps([text.entry(verdict) for verdict in found], indent=1)
        write_atomically(os.path.join(folder, "reachability.json"), document + "\n")
        write_atomically(os.path.join(folder, "reachability.xml"), junit.render(found, coverage, report.hosts))
        document = json.dumps({**coverage.to_data(), "text": coverage_lines(coverage)}, indent=1)
        write_atomically(os.path.join(folder, "coverage.json"), document + "\n")
        document = json.dumps(
            [
                {**each.to_data(), "text": text.host_finding(each), "remedy": text.host_remedy(each)}
                for each in report.hosts
            ],
            indent=1,
        )
        write_atomically(os.path.join(folder, "hosts.json"), document + "\n")


def _changes(compared: t.Mapping[str, Result]) -> t.Iterator[HostFinding]:
    for host, result in compared.items():
        with of_host(host):
            yield from find_changes(host, result)


def _evidence(
    traced: t.Mapping[str, Result], compared: t.Mapping[str, Result], endpoints: t.Iterable[Endpoint] = ()
) -> dict[str, Evidence]:
    """What the hosts reported about flows, with their differences from the plan and their declared addresses."""
    found: dict[str, Evidence] = {}
    declared: dict[str, tuple[str, ...]] = {}
    for end in endpoints:
        if end.kind is EndKind.HOST:
            declared[end.host] = (*declared.get(end.host, ()), end.address)
    for host, result in traced.items():
        if "flows" not in result:
            continue
        differences = compared.get(host, {}).get("differences") or ()
        try:
            with of_host(host):
                checked_report(host, result["network_info"])
                evidence = Evidence.from_data(result).with_checks(map(Difference.from_data, differences))
                found[host] = dataclasses.replace(evidence, declared=declared.get(host, ()))
        except FleetnetError as error:
            # Without its evidence, failures that concern the host are not explained.
            Display().warning(str(error))
    return found


def _explain(verdict: Verdict, hosts: Hosts) -> Explanation:
    ends = dict.fromkeys((verdict.probe.source.host, verdict.probe.target.host))
    try:
        with of_host(" or ".join(ends)):
            return explain(verdict, hosts)
    except FleetnetError as error:
        Display().warning(str(error))
        return Explanation()
