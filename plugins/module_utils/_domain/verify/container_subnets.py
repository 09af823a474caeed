# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of containers: what arrives from another address of them is not the probe of a container. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import Reports, is_undeclared

Data = t.Mapping[str, t.Any]


class ContainerSubnet(t.NamedTuple):
    """A subnet in which all addresses but ``gateways`` are those of containers.

    ``gateways`` are the host's, and the first addresses of networks, which rules of the policy make the source of what
    containers send to other hosts.

    ``host`` is None for a declared subnet. Any other one may exist on several hosts with other containers, so it counts
    for what arrives at its own host.
    """

    host: str | None
    subnet: str
    gateways: tuple[str, ...]

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return {**self._asdict(), "gateways": list(self.gateways)}

    @classmethod
    def from_data(cls, data: Data) -> ContainerSubnet:
        """The inverse of :meth:`to_data`."""
        return cls(data["host"], data["subnet"], tuple(data["gateways"]))


def find_container_subnets(slices: t.Mapping[str, Data], reports: Reports) -> list[ContainerSubnet]:
    """Return the declared subnets, from the plan's ``slices``, and the other ones of each host, from its report.

    So no report changes what arrivals at other hosts mean.
    """
    found = [each for own in slices.values() for each in _declared(own)]
    for host, report in reports.items():
        for network in report.get("networks", ()):
            if is_undeclared(network):
                for block in network["subnets"]:
                    if block.get("subnet"):
                        gateways = (block["gateway"],) if block.get("gateway") else ()
                        found.append(ContainerSubnet(host, block["subnet"], gateways))
    return list(dict.fromkeys(found))


def _declared(own: Data) -> t.Iterator[ContainerSubnet]:
    gateways: list[str] = []
    subnets = [own["block"], *([own["block_v6"]] if "block_v6" in own else [])]
    docker0 = own["default_bridge"]
    if docker0.get("bip"):
        address = ipaddress.ip_interface(docker0["bip"])
        gateways += [str(address.ip), str(address.network[0])]
    if docker0.get("fixed_cidr_v6"):  # the engine takes the address after the first one
        gateways += map(str, (ipaddress.ip_network(docker0["fixed_cidr_v6"])[number] for number in (0, 1)))
    for network in own["networks"]:
        for block in network["ipam_config"]:
            gateways += [block["gateway"]] if "gateway" in block else []
            gateways.append(str(ipaddress.ip_network(block["subnet"])[0]))
            if network["driver"] not in ON_THE_LAN:
                subnets.append(block["subnet"])
            elif "ip_range" in block:  # its other addresses are those of any machines on the LAN
                subnets.append(block["ip_range"])
    for subnet in subnets:
        block = ipaddress.ip_network(subnet)
        yield ContainerSubnet(None, subnet, tuple(each for each in gateways if ipaddress.ip_address(each) in block))


class SubnetIndex:
    """Finds out whether an address is that of a container."""

    def __init__(self, subnets: t.Iterable[ContainerSubnet]) -> None:
        self._subnets: dict[str | None, list[t.Any]] = {}
        self._gateways: dict[str | None, set[t.Any]] = {}
        for each in subnets:
            self._subnets.setdefault(each.host, []).append(ipaddress.ip_network(each.subnet))
            self._gateways.setdefault(each.host, set()).update(map(ipaddress.ip_address, each.gateways))
        self._known: dict[tuple[str, str], bool] = {}

    def is_container(self, address: str, at: str) -> bool:
        """Whether ``address`` is that of a container, in what arrives at the host ``at``."""
        key = address, at
        if key not in self._known:
            parsed = ipaddress.ip_address(address)
            self._known[key] = any(
                parsed not in self._gateways.get(host, ())
                and any(parsed in each for each in self._subnets.get(host, ()))
                for host in (None, at)
            )
        return self._known[key]
