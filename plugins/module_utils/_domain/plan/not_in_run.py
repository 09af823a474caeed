# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run for some hosts of the fleet leaves to runs for the others. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    ANY,
    DEFAULT_BRIDGE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import named_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

# The line names at most this many declared flows.
_MOST_FLOWS = 6


def not_in_run(plan: FleetPlan, run: t.Collection[str]) -> str | None:
    """Return a sentence about the hosts that a run leaves out, and the flows declared between them and its hosts.

    ``run`` are the hosts of the run. None if it leaves no host out.
    """
    done = frozenset(host.name for host in plan.hosts if host.name in run)
    others = [host.name for host in plan.hosts if host.name not in run]
    if not done or not others:
        return None
    hosts = named_hosts([host.name for host in plan.hosts if host.name in run])
    flows = _flows(plan, done, frozenset(others))
    text = (
        f"{named_hosts(others)}: not in this run. A host on which site.yml has not run answers no container of {hosts} "
        "on a declared network: neither containers nor published ports of that host are reached from there"
    )
    if not flows:
        return f"{text}."
    more = f"; {len(flows) - _MOST_FLOWS} more" if len(flows) > _MOST_FLOWS else ""
    return f"{text}. Declared, once it has run: {'; '.join(flows[:_MOST_FLOWS])}{more}."


def _flows(plan: FleetPlan, done: frozenset[str], others: frozenset[str]) -> list[str]:
    """What is declared between hosts of the run and others."""
    everywhere = done | others
    carriers = {**plan.carriers, DEFAULT_BRIDGE: everywhere, ANY: everywhere}

    def crosses(sources: t.Iterable[str], targets: t.Iterable[str]) -> bool:
        ends = [(carriers.get(source, frozenset()), carriers.get(target, frozenset()))
                for source in sources for target in targets]  # fmt: skip
        return any((one & done and other & others) or (one & others and other & done) for one, other in ends)

    networks = [network.name for network in plan.fleet.networks if plan.policy.spans_hosts(network.name)]
    flows = [f"{name} -> {name}" for name in networks if crosses([name], [name])]
    return flows + [str(line) for line in plan.fleet.policy if crosses(line.sources, line.targets)]
