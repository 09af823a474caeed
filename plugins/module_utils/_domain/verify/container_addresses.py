# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container has an address: what arrives from it is that container's, and no probe of another one. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import Reports

Data = t.Mapping[str, t.Any]


class ContainerAddress(t.NamedTuple):
    """An address of a container.

    ``fleetwide`` is True in the declared subnets of the container's host. Any other address may exist on several hosts,
    so it identifies the container on its own host only.
    """

    host: str
    container: str
    address: str
    fleetwide: bool

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return self._asdict()

    @classmethod
    def from_data(cls, data: Data) -> ContainerAddress:
        """The inverse of :meth:`to_data`."""
        return cls(**data)


def find_container_addresses(policy: Policy, slices: t.Mapping[str, Data], reports: Reports) -> list[ContainerAddress]:
    """Return the addresses of all containers in ``reports``, with or without probes.

    ``slices`` are those of the plan: a host cannot claim addresses of another host's subnets, nor the gateways of its
    own, whose packets may be those of a container that a rule rewrites. Without a slice of the host, ``policy`` decides
    which addresses are declared.
    """
    found = []
    for host, report in reports.items():
        own = _HostSubnets(slices[host]) if host in slices else None
        for container in report["containers"]:
            for attached in container["networks"]:
                for key in ("ipv4", "ipv6"):
                    address = (attached.get(key) or "").split("/", maxsplit=1)[0]
                    if not address or (own and own.is_gateway(address)):
                        continue
                    fleetwide = own.have(address) if own else policy.network_of(address) is not None
                    found.append(ContainerAddress(host, container["name"], address, fleetwide))
    return found


class _HostSubnets:
    """The subnets of a host's slice, and the host's own addresses in them."""

    def __init__(self, own: Data) -> None:
        blocks = [block for network in own["networks"] for block in network["ipam_config"]]
        self._subnets = [
            ipaddress.ip_network(text)
            for text in (own["block"], own.get("block_v6"), *(block["subnet"] for block in blocks))
            if text
        ]
        self._gateways = {ipaddress.ip_address(block["gateway"]) for block in blocks if "gateway" in block}
        docker0 = own["default_bridge"]
        if docker0.get("bip"):
            self._gateways.add(ipaddress.ip_interface(docker0["bip"]).ip)
        if docker0.get("fixed_cidr_v6"):  # the engine takes the first address
            self._gateways.add(ipaddress.ip_network(docker0["fixed_cidr_v6"])[1])

    def have(self, address: str) -> bool:
        return any(ipaddress.ip_address(address) in subnet for subnet in self._subnets)

    def is_gateway(self, address: str) -> bool:
        return ipaddress.ip_address(address) in self._gateways
