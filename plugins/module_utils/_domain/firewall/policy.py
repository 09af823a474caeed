# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy: which network may open flows to which, and the decision for any pair of addresses.

A :class:`Policy` is the same on all hosts of a fleet. The hosts receive it as plain data (``to_data``) and compile it
to rules; ``verify`` uses the same record for the intended result of each probe.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import ApiAccess
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    CLOUD_METADATA,
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

# Directions between a network and the outside, as seen from the network. Docker's rules apply unless it is limited.
INGRESS, EGRESS, FROM_HOST, TO_HOST = DIRECTIONS = ("ingress", "egress", "from_host", "to_host")
_DOCKER_DEFAULTS = {
    INGRESS: "Docker's default: published ports; not limited by a line",
    EGRESS: "Docker's default: to the world; not limited by a line",
    FROM_HOST: "Docker's default: a host reaches its own containers; not limited by a line",
    TO_HOST: "Docker's default: containers reach their own host; not limited by a line",
}


@dataclasses.dataclass(frozen=True)
class NetworkMatch:
    """The addresses of a network: ``values`` of the masked address (slots), or ``subnets`` if one is pinned.

    A network that is pinned on some hosts only has both, and ``subnets`` are those of all hosts.
    """

    values: tuple[int, ...] = ()
    subnets: tuple[Prefix, ...] = ()

    def has(self, masked: int | None, address: int) -> bool:
        """Whether an address is in the network; ``masked`` is None outside of the supernet."""
        return masked in self.values or any(subnet.has(address) for subnet in self.subnets)


@dataclasses.dataclass(frozen=True)
class Family:
    """The networks' addresses of one IP version. ``mask`` (an integer) selects the bits that identify the network.

    ``hosts`` are the addresses of the fleet's hosts, as integers.
    """

    supernet: Prefix
    mask: int
    members: t.Mapping[str, NetworkMatch]
    hosts: tuple[int, ...] = ()

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
            "hosts": [format_address(self.version, host) for host in self.hosts],
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Family:
        """The inverse of :meth:`to_data`. Raises KeyError, TypeError or ValueError if the data is invalid."""
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
            tuple(parse_address(host)[1] for host in data["hosts"]),
        )

    def host_block_of(self, subnet: Prefix) -> Prefix | None:
        """The block of the host that has a subnet; None for a subnet outside of the supernet."""
        if not self.supernet.contains(subnet):
            return None
        host_bits = self.mask.bit_length()
        first = subnet.address >> host_bits << host_bits
        return Prefix(self.version, first, (32 if self.version == 4 else 128) - host_bits)

    @property
    def pinned(self) -> list[Prefix]:
        """The subnets outside of the supernet, sorted."""
        return sorted(
            subnet
            for member in self.members.values()
            for subnet in member.subnets
            if not self.supernet.contains(subnet)
        )

    def network_of(self, address: int) -> str | None:
        """The declared network of an address, or None."""
        masked = address & self.mask if self.supernet.has(address) else None
        return next((name for name, member in self.members.items() if member.has(masked, address)), None)

    @property
    def granule_mask(self) -> int:
        """The mask of the smallest network: all bits down to the last one that identifies a network."""
        everything = (1 << (32 if self.version == 4 else 128)) - 1
        return everything ^ ((self.mask & -self.mask or 1) - 1)


@dataclasses.dataclass(frozen=True)
class Policy:
    """The fleet's policy: the networks in each IP version, and the lines, which apply to all versions.

    ``local`` networks are separate on each host. ``limited`` are, by direction, the networks for which only lines allow
    flows. ``api_access`` is None if the policy does not apply to the engines' remote API.
    With ``closes_metadata`` only lines that name the metadata address of clouds allow flows to it.
    ``isolates_spoofing`` binds the port of each container to its addresses.
    """

    families: tuple[Family, ...]
    lines: tuple[PolicyLine, ...]
    local: frozenset[str] = frozenset()
    limited: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    api_access: ApiAccess | None = None
    closes_metadata: bool = False
    isolates_spoofing: bool = False

    def network_of(self, address: str) -> str | None:
        """The declared network of an address, or None."""
        version, number = parse_address(address)
        for family in self.families:
            if family.version == version:
                return family.network_of(number)
        return None

    def allowing(
        self, source: str | None, target: str | None, protocol: str, port: int | None = None, same_host: bool = False
    ) -> str | None:
        """Return the reason why a new flow is allowed, as text; None if it is denied.

        Ends are networks, ``host``, ``world`` or an outside address; None is an address of an undeclared network.
        ``port`` is the container's port if it is published. Flows within one network of one host (``same_host``) stay
        on its bridge, where only Docker's ``icc`` applies. docker0 and local networks are separate on each host: flows
        between hosts require a line.
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
        direction = _direction(source, target, *inside)
        if self.closes_metadata and target in CLOUD_METADATA.values():
            named = str(single(*parse_address(target)))
            allowing = (line for line in self.lines if line.covers(protocol, port) and named in line.targets)
            return next((f"{line.path}: {line}" for line in allowing if source in line.sources), None)
        if direction and (source if inside[0] else target) not in self.limited.get(direction, ()):
            return _DOCKER_DEFAULTS[direction]
        return next((f"{line.path}: {line}" for line in self.matching(source, target, protocol, port)), None)

    def matching(self, source: str, target: str, protocol: str, port: int | None = None) -> t.Iterator[PolicyLine]:
        """Yield the lines that allow a flow. Ends and port are as for :meth:`allowing`."""
        for line in self.lines:
            if (
                line.covers(protocol, port)
                and self.names(line.sources, source)
                and self.names(line.targets, target, as_target=True)
            ):
                yield line

    def names(self, ends: t.Collection[str], end: str, as_target: bool = False) -> bool:
        """Whether a line's ends include this one: by name, as ``world``, or by a block that contains an address.

        As a target, the world does not include the hosts of the fleet.
        """
        if end in ends:
            return True
        try:
            version, number = parse_address(end)
        except ValueError:
            return False
        if WORLD in ends and not (as_target and self._is_host(version, number)):
            return True
        blocks = (Prefix.parse(block) for block in ends if is_block(block))
        return any(block.version == version and block.has(number) for block in blocks)

    def _is_host(self, version: int, number: int) -> bool:
        """Whether an address is that of a host of the fleet."""
        return any(family.version == version and number in family.hosts for family in self.families)

    def source_to_hosts(self, address: str) -> str:
        """The source that other hosts see of packets of a container to them: the first address of its network."""
        version, number = parse_address(address)
        for family in self.families:
            if family.version == version:
                if family.supernet.has(number):
                    return format_address(version, number & family.granule_mask)
                for member in family.members.values():
                    for subnet in member.subnets:
                        if subnet.has(number):
                            return format_address(version, subnet.address)
        return address

    def is_network(self, end: str) -> bool:
        """Whether an end is a network of the policy, including docker0."""
        return any(end in family.members for family in self.families)

    def spans_hosts(self, network: str) -> bool:
        """Whether the network's containers reach each other across hosts without a line."""
        return network != DEFAULT_BRIDGE and network not in self.local

    def services_of(self, target: str) -> list[tuple[str, int]]:
        """All (protocol, first port) of lines to a target, for probes."""
        found = {
            (line.protocol, ports[0])
            for line in self.lines
            if target in line.targets and line.protocol in ("tcp", "udp")
            for ports in line.ports
        }
        return sorted(found)

    def to_data(self) -> dict[str, t.Any]:
        """Plain data, as modules take it."""
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
            **({"remote_api": self.api_access.to_data()} if self.api_access else {}),
            **({"cloud_metadata": "closed"} if self.closes_metadata else {}),
            **({"isolate_spoofing": True} if self.isolates_spoofing else {}),
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Policy:
        """The inverse of :meth:`to_data`. Raises InvalidValue if the data is invalid."""
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
                api_access=ApiAccess.from_data(data["remote_api"]) if data.get("remote_api") else None,
                closes_metadata=data.get("cloud_metadata") == "closed",
                isolates_spoofing=data.get("isolate_spoofing") is True,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidValue(
                "policy", data, f"must be the policy that fleet_plan returns ({type(error).__name__}: {error})"
            ) from None


def _direction(source: str, target: str, source_inside: bool, target_inside: bool) -> str | None:
    """The direction of a flow with a network at one end only; None between networks."""
    if source_inside and target_inside:
        return None
    if target_inside:
        return FROM_HOST if source == HOST else INGRESS
    return TO_HOST if target == HOST else EGRESS


def flow_text(direction: str, network: str) -> str:
    """A flow between a network and the outside or its host, as text."""
    return {
        EGRESS: f"{network} -> {WORLD}",
        INGRESS: f"{WORLD} -> {network}",
        TO_HOST: f"{network} -> {HOST}",
        FROM_HOST: f"{HOST} -> {network}",
    }[direction]
