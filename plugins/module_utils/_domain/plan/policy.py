# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of a declaration: its lines and limits, with the networks' leased addresses."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Fleet, Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import HOST, is_outside
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    DIRECTIONS,
    EGRESS,
    FROM_HOST,
    INGRESS,
    TO_HOST,
    Family,
    NetworkMatch,
    Policy,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook, Leases


def make_policy(
    fleet: Fleet, hosts: t.Iterable[Host], book: LeaseBook, carriers: t.Mapping[str, t.Collection[str]]
) -> Policy:
    """Return the policy of a declaration. ``carriers`` are the hosts of each network. Raises InvalidValue."""
    networks = {network.name: network for network in fleet.networks}
    for line in fleet.policy:
        for key, names in (("from", line.sources), ("to", line.targets)):
            for name in names:
                if name in networks and networks[name].driver != "bridge":
                    raise InvalidValue(
                        f"{line.path}.{key}",
                        name,
                        f"is a network of driver {networks[name].driver}, whose traffic the hosts do not forward. Use "
                        "a network of driver bridge",
                    )
                if name in networks and networks[name].internal:
                    raise InvalidValue(
                        f"{line.path}.{key}",
                        name,
                        "is an internal network, which the engine isolates. Remove the network from the line, or "
                        "internal from the network",
                    )
    underlay = {parse_address(address) for host in hosts for address in host.addresses}
    return Policy(
        families=tuple(_family(fleet, underlay, leases, carriers) for leases in book.families),
        lines=fleet.policy,
        local=frozenset(network.name for network in fleet.networks if network.local),
        limited=_limited(fleet),
        api_access=fleet.api_access,
        closes_metadata=fleet.closes_metadata,
        isolates_spoofing=fleet.isolates_spoofing,
    )


def _limited(fleet: Fleet) -> dict[str, frozenset[str]]:
    """Networks, by direction, that are limited: by ingress or egress, or by a line with an outside end."""
    found: dict[str, set[str]] = {direction: set() for direction in DIRECTIONS}
    for network in fleet.networks:
        for declared, directions in (
            (network.ingress_by_policy, (INGRESS, FROM_HOST)),
            (network.egress_by_policy, (EGRESS, TO_HOST)),
        ):
            if declared:
                for direction in directions:
                    found[direction].add(network.name)
    for line in fleet.policy:
        for ends, others, of_host, of_world in (
            (line.sources, line.targets, FROM_HOST, INGRESS),
            (line.targets, line.sources, TO_HOST, EGRESS),
        ):
            for end in filter(is_outside, ends):
                found[of_host if end == HOST else of_world].update(others)
    return {direction: frozenset(names) for direction, names in found.items()}


def _explicit(network: Network, leases: Leases, carriers: t.Collection[str]) -> tuple[Prefix, ...]:
    """The subnets of a network with pinned ones, those that it leases on its other hosts included."""
    if not network.all_pinned:
        return ()
    version = leases.supernet.version
    found: dict[Prefix, None] = {}
    for host in sorted(carriers):
        pinned = network.pinned(host)
        slot = leases.slots.get(network.name)
        if pinned:
            found.update(dict.fromkeys(subnet for subnet in pinned if subnet.version == version))
        elif slot is not None:
            found[leases.blocks[host].at(slot.offset, slot.length)] = None
    return tuple(sorted(found))


def _family(
    fleet: Fleet, underlay: t.Collection[tuple[int, int]], leases: Leases, carriers: t.Mapping[str, t.Collection[str]]
) -> Family:
    version = leases.supernet.version
    bits = 32 if version == 4 else 128
    networks = {network.name: network for network in fleet.networks}
    granule = max(slot.length for slot in leases.slots.values())
    mask = ((1 << (granule - leases.host_prefix_length)) - 1) << (bits - granule)
    members = {
        name: NetworkMatch(values=tuple(range(slot.offset, slot.end, 1 << (bits - granule))))
        for name, slot in leases.slots.items()
        if name not in networks or networks[name].routed
    }
    for network in fleet.networks:
        subnets = _explicit(network, leases, carriers[network.name])
        if subnets:
            values = members[network.name].values if network.name in members else ()
            members[network.name] = NetworkMatch(values, subnets)
    return Family(leases.supernet, mask, members, tuple(sorted(number for each, number in underlay if each == version)))
