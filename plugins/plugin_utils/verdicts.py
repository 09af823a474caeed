# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts on a fleet's probes, from the results and arrivals that all hosts registered."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import OTHER_SOURCE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import probe_plan, verdict
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.container_subnets import ContainerSubnet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import of_host
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

ARGUMENT_SPEC: dict[str, t.Any] = {
    "policy": {"type": "dict", "required": True},
    "endpoints": {"type": "list", "elements": "dict", "required": True},
    "container_subnets": {"type": "list", "elements": "dict", "required": True},
    "results": {"type": "str", "required": True},
    "arrivals": {"type": "str", "required": True},
    "outside_results": {"type": "str"},
    "pairs_at_most": {"type": "int", "default": probe_plan.MOST_PAIRS},
    "token_seed": {"type": "int", "default": 0},
}


def read_verdicts(
    inventory: Inventory, arguments: t.Mapping[str, t.Any], endpoints: t.Sequence[Endpoint]
) -> list[verdict.Verdict]:
    """Return a verdict on each probe. ``arguments`` are those of ARGUMENT_SPEC."""
    policy = Policy.from_data(arguments["policy"])
    results = {**inventory.registered(arguments["results"]), **_outside(inventory, arguments["outside_results"])}
    subnets = map(ContainerSubnet.from_data, arguments["container_subnets"])
    arrivals = verdict.Arrivals(inventory.registered(arguments["arrivals"]), endpoints, subnets)
    # A host without probes skips its task, so its result has no list.
    pending = {host: iter(found.get("results", ())) for host, found in results.items()}
    probes = probe_plan.make_probes(policy, endpoints, arguments["pairs_at_most"], arguments["token_seed"])
    probes += probe_plan.make_name_probes(endpoints, arguments["token_seed"])
    verdicts = []
    # The same endpoints give the same probes in the same order as in fleet_probes, so results need no identifier.
    for probe in probes:
        result = next(pending.get(probe.source.host, iter(())), None)
        if probe.source.several and result is not None and result["outcome"] == OTHER_SOURCE:
            continue  # it is about another address of the container, which has probes of its own
        with of_host(" or ".join(dict.fromkeys((probe.source.host, probe.target.host)))):
            seen = arrivals.of(probe, result)
            verdicts.append(verdict.judge(probe, result, seen, arrivals.complete(probe)))
    return verdicts


def _outside(inventory: Inventory, name: str | None) -> dict[str, t.Any]:
    """The results of machines outside of the fleet, by name, from a task that ran once with a loop over them."""
    loops = inventory.registered(name, with_failures=True).values() if name else ()
    items = [item for loop in loops for item in loop.get("results") or ()]
    return {
        str(item["item"]): item
        for item in items
        if item["item"] not in inventory.hosts and not (item.get("failed") or item.get("unreachable"))
    }
