# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy: which network may open flows to which, and the answer for any pair of addresses.

A :class:`Policy` is the same for every host of a fleet. It travels to the hosts as plain data (``to_data``) and is
there compiled to rules; the verifier asks it what was intended. Both read the same record, so they cannot differ.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import (
    DEFAULT_BRIDGE,
    Fleet,
    PolicyLine,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import Leases


@dataclasses.dataclass(frozen=True)
class Member:
    """How a network's addresses are known: ``values`` of the masked address (slots), or pinned ``subnets``."""

    values: tuple[int, ...] = ()
    subnets: tuple[Prefix, ...] = ()


@dataclasses.dataclass(frozen=True)
class Policy:
    """The fleet's policy. ``mask`` (an integer) picks the bits of an address that tell its network."""

    supernet: Prefix
    mask: int
    members: t.Mapping[str, Member]
    lines: tuple[PolicyLine, ...]

    def network_of(self, address: str) -> str | None:
        """The network that an address belongs to; None for one that is no declared network's."""
        version, number = parse_address(address)
        if version != 4:
            return None
        inside = self.supernet.has(number)
        for name, member in self.members.items():
            if inside and number & self.mask in member.values:
                return name
            if any(subnet.has(number) for subnet in member.subnets):
                return name
        return None

    def allowing(self, source: str | None, target: str | None, protocol: str, port: int | None = None) -> str | None:
        """Why a new flow between two networks may pass, as text for a person; None where it may not.

        docker0 is not one network across hosts: what has a docker0 at both ends needs a line that says so.
        """
        if source is None or target is None:
            return None
        if source == target and source != DEFAULT_BRIDGE:
            return f"{source} is one network on all hosts"
        for line in self.lines:
            if (
                source in line.sources
                and target in line.targets
                and line.protocol in ("any", protocol)
                and (not line.ports or (port is not None and any(low <= port <= high for low, high in line.ports)))
            ):
                return f"{line.path}: {line}"
        return None

    def services_of(self, target: str) -> list[tuple[str, int]]:
        """Every (protocol, first port) that some line names for a target; what a verifier should try."""
        found = {
            (line.protocol, low)
            for line in self.lines
            if target in line.targets and line.protocol in ("tcp", "udp")
            for low, high in line.ports
        }
        return sorted(found)

    def to_data(self) -> dict[str, t.Any]:
        """Plain data, the form in which modules take it."""
        return {
            "supernet": str(self.supernet),
            "mask": format_address(4, self.mask),
            "networks": {
                name: {
                    "values": [format_address(4, value) for value in member.values],
                    "subnets": [str(subnet) for subnet in member.subnets],
                }
                for name, member in self.members.items()
            },
            "lines": [
                {
                    "from": list(line.sources),
                    "to": list(line.targets),
                    "protocol": line.protocol,
                    "ports": [f"{low}-{high}" for low, high in line.ports],
                    "path": line.path,
                }
                for line in self.lines
            ],
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Policy:
        """The inverse of :meth:`to_data`. The data comes from the plan, which has checked it."""
        try:
            return cls(
                supernet=Prefix.parse(data["supernet"]),
                mask=parse_address(data["mask"])[1],
                members={
                    name: Member(
                        tuple(parse_address(value)[1] for value in member["values"]),
                        tuple(Prefix.parse(subnet) for subnet in member["subnets"]),
                    )
                    for name, member in data["networks"].items()
                },
                lines=tuple(
                    PolicyLine(
                        tuple(line["from"]),
                        tuple(line["to"]),
                        line["protocol"],
                        tuple(
                            (int(low), int(high)) for low, high in (text.split("-") for text in line["ports"])
                        ),
                        line["path"],
                    )
                    for line in data["lines"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidValue(
                "policy", data, f"is not what fleet_plan returns as fleet.policy ({type(error).__name__}: {error})"
            ) from None


def make_policy(fleet: Fleet, leases: Leases, carriers: t.Mapping[str, t.Collection[str]]) -> Policy:
    """The policy of a declaration. ``carriers``: network name to the hosts that carry it."""
    networks = {network.name: network for network in fleet.networks}
    lengths = [slot.length for name, slot in leases.slots.items() if name == DEFAULT_BRIDGE or name in networks]
    granule = max(lengths)
    step = 1 << (32 - granule)
    mask = ((1 << (granule - leases.host_prefix_length)) - 1) << (32 - granule)
    members: dict[str, Member] = {}
    for name, slot in leases.slots.items():
        network = networks.get(name)
        if network is not None and network.internal:
            continue
        members[name] = Member(values=tuple(range(slot.offset, slot.end, step)))
    for network in fleet.networks:
        if network.subnet is not None and not network.internal and carriers[network.name]:
            members[network.name] = Member(subnets=(network.subnet,))
    for line in fleet.policy:
        for key, names in (("from", line.sources), ("to", line.targets)):
            for name in names:
                if name in networks and networks[name].internal:
                    raise InvalidValue(
                        f"{line.path}.{key}",
                        name,
                        "is an internal network, which the engine itself cuts off from everything else; take the "
                        "network out of the line, or internal out of the network",
                    )
    return Policy(fleet.supernet, mask, members, fleet.policy)
