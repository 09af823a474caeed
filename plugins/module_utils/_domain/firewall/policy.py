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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

# Ways between a network and what is no network, as seen from the network. Each is as Docker has it until it is limited.
INGRESS, EGRESS, FROM_HOST, TO_HOST = DIRECTIONS = ("ingress", "egress", "from_host", "to_host")
_AS_DOCKER_DOES = {
    INGRESS: "published ports, as Docker does; no line limits it",
    EGRESS: "to the world, as Docker does; no line limits it",
    FROM_HOST: "a host reaches its own containers; no line limits it",
    TO_HOST: "containers reach the host that they run on; no line limits it",
}


@dataclasses.dataclass(frozen=True)
class NetworkMatch:
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
    members: t.Mapping[str, NetworkMatch]

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
                name: NetworkMatch(
                    tuple(parse_address(value)[1] for value in member["values"]),
                    tuple(Prefix.parse(subnet) for subnet in member["subnets"]),
                )
                for name, member in data["networks"].items()
            },
        )


@dataclasses.dataclass(frozen=True)
class Policy:
    """The fleet's policy: the networks in each IP version, and the lines that hold for all versions.

    ``local`` networks are one on each host and not one on all hosts. ``limited`` has, by direction, the networks where
    only what a line says may pass.
    """

    families: tuple[Family, ...]
    lines: tuple[PolicyLine, ...]
    local: frozenset[str] = frozenset()
    limited: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    def network_of(self, address: str) -> str | None:
        """The network that an address belongs to; None for one that is no declared network's."""
        version, number = parse_address(address)
        for family in self.families:
            if family.version == version:
                masked = number & family.mask if family.supernet.has(number) else None
                return next((name for name, member in family.members.items() if member.has(masked, number)), None)
        return None

    def allowing(
        self, source: str | None, target: str | None, protocol: str, port: int | None = None, same_host: bool = False
    ) -> str | None:
        """Why a new flow may pass, as text for a person; None where it may not.

        Ends are networks, ``host``, ``world`` or an outside address; None is an address of a network that nobody
        declared. ``port`` is the container's own where one is published. What begins and ends in one network of one
        host (``same_host``) stays on its bridge, where Docker's ``icc`` decides and no policy. docker0, like a local
        network, is not one network across hosts: between hosts it needs a line that says so.
        """
        if source is None or target is None:
            return None
        inside = self.is_network(source), self.is_network(target)
        if source == target and all(inside):
            if same_host:
                return f"{source} is one bridge on a host"
            if self.spans_hosts(source):
                return f"{source} is one network on all hosts"
        if not any(inside):
            return None
        way = _direction(source, target, *inside)
        if way is not None and (source if inside[0] else target) not in self.limited.get(way, ()):
            return _AS_DOCKER_DOES[way]
        for line in self.lines:
            if line.covers(protocol, port) and _names(line.sources, source) and _names(line.targets, target):
                return f"{line.path}: {line}"
        return None

    def is_network(self, end: str) -> bool:
        """Whether an end is a network of the policy, docker0 among them."""
        return any(end in family.members for family in self.families)

    def spans_hosts(self, network: str) -> bool:
        """Whether the network's containers on all hosts reach each other without a line."""
        return network != DEFAULT_BRIDGE and network not in self.local

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
            "local": sorted(self.local),
            "limited": {direction: sorted(names) for direction, names in self.limited.items() if names},
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
                local=frozenset(data["local"]),
                limited={direction: frozenset(data["limited"].get(direction, ())) for direction in DIRECTIONS},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidValue(
                "policy", data, f"is not what fleet_plan returns as policy ({type(error).__name__}: {error})"
            ) from None


def _direction(source: str, target: str, source_inside: bool, target_inside: bool) -> str | None:
    """Which way a flow takes that has a network at one end only; None for one between networks."""
    if source_inside and target_inside:
        return None
    if target_inside:
        return FROM_HOST if source == HOST else INGRESS
    return TO_HOST if target == HOST else EGRESS


def _names(ends: t.Collection[str], end: str) -> bool:
    """Whether a line's ends name this one: by name, as the world, or by a block that an address lies in."""
    if end in ends:
        return True
    try:
        version, number = parse_address(end)
    except ValueError:
        return False
    blocks = (Prefix.parse(block) for block in ends if is_block(block))
    return WORLD in ends or any(block.version == version and block.has(number) for block in blocks)
