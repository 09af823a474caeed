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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import Fleet, PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declared_network import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import LeaseBook, Leases


@dataclasses.dataclass(frozen=True)
class Member:
    """How a network's addresses are known: ``values`` of the masked address (slots), or pinned ``subnets``."""

    values: tuple[int, ...] = ()
    subnets: tuple[Prefix, ...] = ()

    def has(self, masked: int | None, address: int) -> bool:
        """Whether an address is the network's; ``masked`` is None for one outside of the supernet."""
        return masked in self.values or any(subnet.has(address) for subnet in self.subnets)


@dataclasses.dataclass(frozen=True)
class Family:
    """The networks' addresses of one IP version. ``mask`` (an integer) picks the bits that tell the network."""

    supernet: Prefix
    mask: int
    members: t.Mapping[str, Member]

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.supernet.version

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return {
            "supernet": str(self.supernet),
            "mask": format_address(self.version, self.mask),
            "networks": {
                name: {
                    "values": [format_address(self.version, value) for value in member.values],
                    "subnets": [str(subnet) for subnet in member.subnets],
                }
                for name, member in self.members.items()
            },
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Family:
        """The inverse of :meth:`to_data`; KeyError, TypeError or ValueError where it is none."""
        return cls(
            Prefix.parse(data["supernet"]),
            parse_address(data["mask"])[1],
            {
                name: Member(
                    tuple(parse_address(value)[1] for value in member["values"]),
                    tuple(Prefix.parse(subnet) for subnet in member["subnets"]),
                )
                for name, member in data["networks"].items()
            },
        )


@dataclasses.dataclass(frozen=True)
class Policy:
    """The fleet's policy: the networks in each IP version, and the lines that hold for all versions."""

    families: tuple[Family, ...]
    lines: tuple[PolicyLine, ...]

    def network_of(self, address: str) -> str | None:
        """The network that an address belongs to; None for one that is no declared network's."""
        version, number = parse_address(address)
        for family in self.families:
            if family.version == version:
                masked = number & family.mask if family.supernet.has(number) else None
                return next((name for name, member in family.members.items() if member.has(masked, number)), None)
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
            (line.protocol, ports[0])
            for line in self.lines
            if target in line.targets and line.protocol in ("tcp", "udp")
            for ports in line.ports
        }
        return sorted(found)

    def to_data(self) -> dict[str, t.Any]:
        """Plain data, the form in which modules take it."""
        return {
            "families": [family.to_data() for family in self.families],
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
                families=tuple(Family.from_data(family) for family in data["families"]),
                lines=tuple(
                    PolicyLine(
                        tuple(line["from"]),
                        tuple(line["to"]),
                        line["protocol"],
                        tuple((int(low), int(high)) for low, high in (text.split("-") for text in line["ports"])),
                        line["path"],
                    )
                    for line in data["lines"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidValue(
                "policy", data, f"is not what fleet_plan returns as policy ({type(error).__name__}: {error})"
            ) from None


def make_policy(fleet: Fleet, book: LeaseBook, carriers: t.Mapping[str, t.Collection[str]]) -> Policy:
    """The policy of a declaration. ``carriers``: network name to the hosts that carry it."""
    networks = {network.name: network for network in fleet.networks}
    for line in fleet.policy:
        for key, names in (("from", line.sources), ("to", line.targets)):
            for name in names:
                if name in networks and networks[name].driver != "bridge":
                    raise InvalidValue(
                        f"{line.path}.{key}",
                        name,
                        f"is a network of driver {networks[name].driver}, whose traffic does not pass the hosts' "
                        "forwarding; only networks of driver bridge can stand here",
                    )
                if name in networks and networks[name].internal:
                    raise InvalidValue(
                        f"{line.path}.{key}",
                        name,
                        "is an internal network, which the engine itself cuts off from everything else; take the "
                        "network out of the line, or internal out of the network",
                    )
    return Policy(tuple(_family(fleet, leases, carriers) for leases in book.families), fleet.policy)


def _family(fleet: Fleet, leases: Leases, carriers: t.Mapping[str, t.Collection[str]]) -> Family:
    version = leases.supernet.version
    bits = 32 if version == 4 else 128
    networks = {network.name: network for network in fleet.networks}
    granule = max(slot.length for slot in leases.slots.values())
    mask = ((1 << (granule - leases.host_prefix_length)) - 1) << (bits - granule)
    members = {
        name: Member(values=tuple(range(slot.offset, slot.end, 1 << (bits - granule))))
        for name, slot in leases.slots.items()
        if name not in networks or networks[name].routed
    }
    for network in fleet.networks:
        subnets = tuple(subnet for subnet in network.subnets if subnet.version == version)
        if subnets and carriers[network.name]:
            members[network.name] = Member(subnets=subnets)
    return Family(leases.supernet, mask, members)
