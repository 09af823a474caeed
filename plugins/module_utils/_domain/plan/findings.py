# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts report and the plan does not contain: addresses, routes, Docker networks, name servers."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.drawn import DEFAULT_BRIDGE_NETWORK
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import TABLE_MAIN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

Report = t.Mapping[str, t.Any]
# Routes of this length or shorter are default routes: the two halves that VPN clients set, and 2000::/3.
DEFAULT_ROUTE_LENGTH = {4: 1, 6: 3}
# The remedies for docker0, and for a Docker network that is not declared.
_MOVE = f"Set keep to false in {PREFIX}default_bridge: docker0 then gets a subnet of the host's block"
_RECREATE = "Recreate the Docker network without a subnet: its engine then assigns one of the host's own pool"


class Finding(t.NamedTuple):
    """Something on a host that has addresses: what it is, and its block.

    ``remedy`` removes it from the host. ``allowable``: users can allow it by its block. ``yields``: more
    specific routes win over it.
    """

    what: str
    block: Prefix
    remedy: str | None = None
    allowable: bool = False
    yields: bool = False


class ReportReader:
    """Reads reports. What all hosts have in common is computed once."""

    def __init__(self, plan: FleetPlan) -> None:
        self._plan = plan
        # The slots of declared networks and of those that are no longer declared.
        self._slots = [{**leases.departed_slots, **leases.slots} for leases in plan.leases.families]
        self._peers = {
            block: host.underlay if block.version == 4 else host.underlay_v6
            for host in plan.hosts
            for block in plan.blocks(host)
        }
        self._parsed: dict[str, Prefix | None] = {}

    def findings(self, host: Host, report: Report) -> t.Iterator[Finding]:
        """What a host reports and the plan does not contain."""
        plan = self._plan
        networks = [network for network in plan.fleet.networks if host.name in plan.carriers[network.name]]
        declared = {network.name for network in (*networks, *host.networks)}
        if not plan.keeps_default_bridge(host):
            declared.add(DEFAULT_BRIDGE_NETWORK)
        bridges = {network.bridge_name for network in (*networks, *host.networks)} | {DOCKER0}
        for network in report.get("networks", ()):
            if network["bridge"]:
                bridges.add(network["bridge"])
            # A network of this collection that is no longer declared is removed in the same run. An adopted one stays.
            if network["name"] in declared or is_labeled(network.get("labels") or {}):
                continue
            for subnet in network["subnets"]:
                block = self._block(subnet["subnet"])
                if block is not None and not self._ours(host, network["name"], block):
                    remedy = _MOVE if network["name"] == DEFAULT_BRIDGE_NETWORK else _RECREATE
                    yield Finding(f"Docker network {quoted_name(network['name'])}", block, remedy)
        on_link = set()
        for link in report.get("links", ()):
            for address in link["addresses"]:
                block = Prefix.holding(address)
                on_link.add(block)
                if link["name"] not in bridges:
                    yield Finding(f"address {address} of interface {link['name']}", block, None, True, True)
        for route in report.get("routes", ()):
            # The subnets of interfaces are findings already.
            if route["protocol"] == ROUTE_PROTOCOL or route["device"] in bridges:
                continue
            block = self._block(route["destination"])
            if (
                block is None
                or block.length <= DEFAULT_ROUTE_LENGTH[block.version]
                or (route["gateway"] is None and block in on_link)
                or (route["gateway"] is not None and self._peers.get(block) == route["gateway"])
            ):
                continue
            yield _route(route, block)
        for server in report.get("resolver", ()):
            yield Finding(f"name server {server}", _single(server))
        control = report.get("control_path")
        if control:
            yield Finding(f"Ansible controller {control['client']}", _single(control["client"]))

    def _ours(self, host: Host, name: str, block: Prefix) -> bool:
        """Whether a network that the host does not declare is from its pools or from an earlier declaration."""
        for leases, slots in zip(self._plan.leases.families, self._slots):  # one each
            whole = leases.blocks[host.name]
            if not whole.contains(block):
                continue
            slot = slots.get(DEFAULT_BRIDGE if name == DEFAULT_BRIDGE_NETWORK else name)
            return whole.at(leases.pools.offset, leases.pools.length).contains(block) or (
                slot is not None and whole.at(slot.offset, slot.length) == block
            )
        return False

    def _block(self, text: str | None) -> Prefix | None:
        """Parse a destination or subnet. Cached, since most hosts have the same ones."""
        if text is None or text == "default":
            return None
        if text not in self._parsed:
            self._parsed[text] = Prefix.parse(text) if "/" in text else _single(text)
        return self._parsed[text]


def _route(route: Report, block: Prefix) -> Finding:
    kind = route.get("type", "unicast")
    table = route.get("table", TABLE_MAIN)
    via = f" via {route['gateway']}" if route["gateway"] else ""
    what = f"{'' if kind == 'unicast' else kind + ' '}route to {route['destination']}{via}"
    command = f"ip{' -6' if block.version == 6 else ''} route del {'' if kind == 'unicast' else kind + ' '}"
    command += f"{route['destination']}{via}"
    if route["device"]:
        what += f" on {route['device']}"
        command += f" dev {route['device']}"
    if table != TABLE_MAIN:
        what += f" in table {table}"
        command += f" table {table}"
    remedy = f"Delete the route ('{command}'), and its configuration"
    return Finding(what, block, remedy, True, table == TABLE_MAIN)


def _single(address: str) -> Prefix:
    return single(*parse_address(address.split("%", maxsplit=1)[0]))
