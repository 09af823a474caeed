# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells about flows that were traced on it, as module ``packet_trace`` returns it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep

Data = t.Dict[str, t.Any]


class End(t.NamedTuple):
    """Where a probe comes from or goes to; ``network`` is the declared network, ``mtu`` its MTU in bytes."""

    host: str
    container: str
    network: str
    address: str
    mtu: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One host's. ``info`` is what ``network_info`` tells there."""

    traces: t.Mapping[Flow, t.Sequence[TraceStep]]
    lookups: t.Mapping[Flow, Data]
    checks: t.Sequence[str]
    neighbours: t.Sequence[Data]
    queues: t.Sequence[Data]
    info: Data

    @classmethod
    def from_data(cls, data: Data) -> Evidence:
        """From what the module returned."""
        flows = data["flows"]
        return cls(
            {
                Flow(flow["source"], flow["destination"]): [TraceStep(**step) for step in flow["steps"]]
                for flow in flows
                if flow["steps"] is not None
            },
            {Flow(flow["source"], flow["destination"]): flow["lookup"] for flow in flows},
            data["checks"],
            data["neighbours"],
            data["queues"],
            data["network_info"],
        )

    @property
    def owned(self) -> bool:
        """Whether a table of ours is loaded."""
        return bool(self.info["firewall"]["owned"])

    def link(self, name: str | None) -> Data | None:
        """A link of the host."""
        return next((link for link in self.info["links"] if link["name"] == name), None)

    def container(self, name: str) -> Data | None:
        """A running container."""
        return next((container for container in self.info["containers"] if container["name"] == name), None)

    def interface(self, end: End) -> Data | None:
        """The link in the container by which it is on its network; the address may be missing."""
        found = [
            interface
            for interface in (self.container(end.container) or {"interfaces": ()})["interfaces"]
            if interface["name"] != "lo"
        ]
        with_address = [interface for interface in found if holds(interface["addresses"], end.address)]
        return t.cast("Data | None", (with_address or found or [None])[0])

    def bridge_of(self, end: End) -> str | None:
        """The bridge that the container is a port of."""
        interface = self.interface(end)
        return None if interface is None else t.cast("str | None", interface["bridge"])

    def declared_bridge(self, end: End) -> str | None:
        """The bridge of the Docker network whose subnet holds the address."""
        container = self.container(end.container) or {"networks": ()}
        names = [attached["network"] for attached in container["networks"]]
        for network in self.info["networks"]:
            if network["name"] in names:
                return t.cast("str | None", network["bridge"])
        return None

    @property
    def addresses(self) -> list[str]:
        """The host's own addresses."""
        return [address.split("/")[0] for link in self.info["links"] for address in link["addresses"]]


def holds(addresses: t.Iterable[str], wanted: str) -> bool:
    """Whether one of the addresses (with prefix lengths) is the wanted one."""
    return any(address.split("/")[0] == wanted for address in addresses)
