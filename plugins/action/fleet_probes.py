# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the probes that the fleet's hosts send. See plugins/modules/fleet_probes.py for its documentation."""

from __future__ import annotations

import secrets
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_subnets import (
    find_container_subnets,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import (
    find_endpoints,
    outside_endpoints,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import (
    find_lost_addresses,
    find_lost_rules,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import find_host_ports
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import find_wrong_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import (
    MOST_PAIRS,
    listeners,
    make_name_probes,
    make_probes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import find_unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import (
    find_unprobed_addresses,
)
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str"},
        "policy": {"type": "dict", "required": True},
        "observed": {"type": "str", "required": True},
        "containers_per_network": {"type": "int", "default": 3},
        "pairs_at_most": {"type": "int", "default": MOST_PAIRS},
        "plan": {"type": "str"},
        "outside": {"type": "list", "elements": "str", "default": []},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        policy = Policy.from_data(arguments["policy"])
        reports = inventory.reports(arguments["observed"])
        # Hosts of another batch send no probes and do not observe arrivals, although they have reports.
        observed = {host: report for host, report in reports.items() if host in inventory.batch}
        addresses = {host: parse_host(host, *inventory.host_variables(host)).addresses for host in observed}
        endpoints = find_endpoints(policy, observed, arguments["containers_per_network"], addresses)
        machines = inventory.outside(arguments["outside"], "outside")
        endpoints += outside_endpoints(machines)
        # Ports and identifiers differ between runs: rules for new connections do not apply to one that the kernel
        # still tracks from an earlier run. Containers do not know those of probes to another one.
        seed = 1 + secrets.randbelow(1 << 62)
        probes = make_probes(policy, endpoints, arguments["pairs_at_most"], seed)
        probes += make_name_probes(endpoints, seed)
        slices = _slices(inventory, arguments)
        Display().display(f"\n{_progress(probes, endpoints)}\n")
        by_host: dict[str, list[Result]] = {host: [] for host in (*inventory.hosts, *machines)}
        for probe in probes:
            by_host[probe.source.host].append(probe.to_data())
        return {
            "changed": False,
            "outside": {name: by_host.pop(name) for name in machines},
            "hosts": by_host,
            "probes": len(probes),
            "listen": {**dict.fromkeys(inventory.hosts, ()), **listeners(policy, endpoints)},
            "token_seed": seed,
            "endpoints": [endpoint.to_data() for endpoint in endpoints],
            "container_subnets": [each.to_data() for each in find_container_subnets(slices, observed)],
            "host_ports": [each.to_data() for each in find_host_ports(policy, observed)],
            "wrong_networks": [each.to_data() for each in find_wrong_networks(slices, observed)],
            "host_findings": [
                each.to_data() for each in (*find_lost_rules(slices, observed), *find_lost_addresses(observed))
            ],
            "unprobed_addresses": [each.to_data() for each in find_unprobed_addresses(observed, addresses, endpoints)],
            "unprobed": [each.to_data() for each in find_unprobed(policy, observed, endpoints)],
        }


def _progress(probes: t.Sequence[Probe], endpoints: t.Sequence[Endpoint]) -> str:
    """What the next tasks do, for the user who waits."""
    containers = {(each.host, each.container) for each in endpoints if each.container}
    hosts = {probe.source.host for probe in probes}
    return f"Sending {len(probes)} probes between {len(containers)} containers, from {len(hosts)} hosts."


def _slices(inventory: Inventory, arguments: Result) -> Result:
    """The hosts of the plan, which is registered for all of them. Templating it would take time."""
    plans = inventory.registered(arguments["plan"]).values() if arguments["plan"] else ()
    return next((plan["hosts"] for plan in plans if "hosts" in plan), {})
