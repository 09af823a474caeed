# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module ``packet_trace`` returned about flows on a host. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.routing import Decision, decide
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The evidence of one host.

    ``checks`` are its differences from its plan, ``info`` is ``network_info``'s result, ``state`` is what else decides
    about packets, ``namespaces`` the same by container. ``declared`` are its addresses in the declaration, whatever it
    reports.
    """

    traces: t.Mapping[Flow, t.Sequence[TraceStep]]
    lookups: t.Mapping[Flow, Data]
    checks: tuple[Difference, ...]
    neighbours: t.Sequence[Data]
    state: Data
    namespaces: t.Mapping[str, Data]
    info: Data
    declared: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Data) -> Evidence:
        """The evidence from the module's result."""
        flows = data["flows"]
        return cls(
            {
                Flow(flow["source"], flow["destination"]): [TraceStep(**step) for step in flow["steps"]]
                for flow in flows
                if flow["steps"] is not None
            },
            {Flow(flow["source"], flow["destination"]): flow["lookup"] for flow in flows},
            tuple(Difference.from_data(item) for item in data["checks"]),
            data["neighbours"],
            data["state"],
            {str(each["container"]): each for each in data["namespaces"]},
            data["network_info"],
        )

    def with_checks(self, checks: t.Iterable[Difference]) -> Evidence:
        """The evidence with more differences from the plan."""
        more = [check for check in checks if check not in self.checks]
        return dataclasses.replace(self, checks=(*self.checks, *more))

    @property
    def bridge_ports(self) -> t.Sequence[Data]:
        return t.cast("t.Sequence[Data]", self.state["bridge_ports"])

    @property
    def disabled_bridges(self) -> t.Sequence[str]:
        return t.cast("t.Sequence[str]", self.state["disabled_bridges"])

    @property
    def frame_chains(self) -> t.Sequence[Data]:
        return t.cast("t.Sequence[Data]", self.state["frame_chains"])

    @property
    def queues(self) -> t.Sequence[Data]:
        return t.cast("t.Sequence[Data]", self.state["queues"])

    @property
    def connections(self) -> Data:
        return t.cast("Data", self.state["connections"])

    def decision(self, flow: Flow) -> Decision | None:
        """The routing rule and the route that decide about a flow."""
        lookup = self.lookups.get(flow)
        return decide(flow, lookup, self.state["routing_rules"], self.state["routes"]) if lookup else None

    def path_links(self, end: Endpoint, flow: Flow) -> list[str]:
        """The host's interfaces on the path between a container and the other end of a flow."""
        interface = self.interface(end) or {"peer": None, "bridge": None}
        lookup = self.lookups.get(flow, {})
        return [name for name in (interface["peer"], interface["bridge"], lookup.get("dev"), lookup.get("iif")) if name]

    @property
    def owned(self) -> bool:
        """Whether a table of this collection is loaded."""
        return bool(self.info["firewall"]["owned"])

    def link(self, name: str | None) -> Data | None:
        """Return an interface of the host."""
        return next((link for link in self.info["links"] if link["name"] == name), None)

    def container(self, name: str) -> Data | None:
        """Return a running container."""
        return next((container for container in self.info["containers"] if container["name"] == name), None)

    def interface(self, end: Endpoint) -> Data | None:
        """Return the container's interface on its network; the address may be missing."""
        found = [
            interface
            for interface in (self.container(end.container) or {"interfaces": ()})["interfaces"]
            if interface["name"] != "lo"
        ]
        with_address = [interface for interface in found if holds(interface["addresses"], end.address)]
        return t.cast("Data | None", (with_address or found or [None])[0])

    def bridge_of(self, end: Endpoint) -> str | None:
        """Return the bridge that the container is attached to."""
        interface = self.interface(end)
        return None if interface is None else t.cast("str | None", interface["bridge"])

    def declared_bridge(self, end: Endpoint) -> str | None:
        """Return the bridge of the container's Docker network."""
        container = self.container(end.container) or {"networks": ()}
        names = [attached["network"] for attached in container["networks"]]
        for network in self.info["networks"]:
            if network["name"] in names:
                return t.cast("str | None", network["bridge"])
        return None

    def gateways(self, end: Endpoint) -> list[str]:
        """Return the gateways that the engine set for the container."""
        key = "gateway" if end.version == 4 else "ipv6_gateway"
        container = self.container(end.container) or {"networks": ()}
        return [attached[key] for attached in container["networks"] if attached.get(key)]

    @property
    def addresses(self) -> list[str]:
        """The host's own addresses."""
        return [address.split("/")[0] for link in self.info["links"] for address in link["addresses"]]


def holds(addresses: t.Iterable[str], wanted: str) -> bool:
    """Whether the wanted address is among ``addresses``, which have prefix lengths."""
    return any(address.split("/")[0] == wanted for address in addresses)
