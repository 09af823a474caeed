# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: declaration and leases to one slice a host. Pure; run once a play on the controller."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    aligned_blocks,
    overlapping,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import (
    DEFAULT_BRIDGE,
    PREFIX,
    Fleet,
    Host,
    Network,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import Leases, lease
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.policy import Policy, make_policy

Data = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class FleetPlan:
    """Everything that the fleet's hosts shall be."""

    fleet: Fleet
    hosts: tuple[Host, ...]
    leases: Leases
    carriers: t.Mapping[str, t.FrozenSet[str]]
    policy: Policy

    def subnet(self, host: Host, network: Network) -> Prefix:
        """The network's subnet on a host that carries it."""
        if network.subnet is not None:
            return network.subnet
        slot = self.leases.slots[network.name]
        return self.leases.blocks[host.name].at(slot.offset, slot.length)

    def networks_of(self, host: Host) -> list[tuple[Network, Prefix]]:
        """The user-defined networks of a host with their subnets, in the order of the declaration."""
        fleet_wide = (network for network in self.fleet.networks if host.name in self.carriers[network.name])
        return [(network, self.subnet(host, network)) for network in (*fleet_wide, *host.networks)]

    def default_bridge(self, host: Host) -> Prefix:
        """docker0's subnet on a host."""
        slot = self.leases.slots[DEFAULT_BRIDGE]
        return self.leases.blocks[host.name].at(slot.offset, slot.length)

    def pools(self, host: Host) -> Prefix:
        """What the host's engine may give to networks that nobody declared."""
        return self.leases.blocks[host.name].at(self.leases.pools.offset, self.leases.pools.length)


def make_plan(
    fleet: Fleet, hosts: t.Sequence[Host], groups: t.Mapping[str, t.Collection[str]], held: Leases | None
) -> FleetPlan:
    """Plan the fleet: lease what is new, check everything that needs no look at a host, or InvalidValue.

    ``groups`` are the inventory's groups with their hosts. O(hosts x networks x log).
    """
    if not hosts:
        raise InvalidValue(PREFIX + "group", [], "the fleet has no host; put hosts into the group")
    names = [host.name for host in hosts]
    carriers = {network.name: _carriers(network, names, groups) for network in fleet.networks}
    _check_underlay(hosts)
    _check_links(fleet, hosts)
    leases = lease(fleet, names, held)
    policy = make_policy(fleet, leases, carriers)
    plan = FleetPlan(fleet, tuple(hosts), leases, carriers, policy)
    _check_disjoint(plan)
    return plan


def _carriers(network: Network, hosts: list[str], groups: t.Mapping[str, t.Collection[str]]) -> t.FrozenSet[str]:
    known = set(hosts)
    if network.hosts is None:
        chosen = known
    else:
        wanted: set[str] = set()
        for name in network.hosts:
            if name in known:
                wanted.add(name)
            elif name in groups:
                wanted.update(groups[name])
            else:
                raise InvalidValue(
                    f"{network.path}.hosts", name, f"no such host or group; {nearest(name, [*known, *groups])}"
                )
        chosen = known & wanted
    if network.subnet is not None and len(chosen) > 1:
        raise InvalidValue(
            f"{network.path}.subnet",
            str(network.subnet),
            f"would exist on {len(chosen)} hosts at once; name the one host that carries it with hosts, or leave the "
            "subnet out so that every host gets its own",
        )
    return frozenset(chosen)


def _check_underlay(hosts: t.Sequence[Host]) -> None:
    seen: dict[str, str] = {}
    for host in hosts:
        other = seen.setdefault(host.underlay, host.name)
        if other != host.name:
            raise InvalidValue(
                PREFIX + "underlay_address", host.underlay, f"is the address of host {other} too", host.name
            )


def _check_links(fleet: Fleet, hosts: t.Sequence[Host]) -> None:
    if fleet.backend != "host_gw":
        return
    for host in hosts:
        if host.link != hosts[0].link:
            raise InvalidValue(
                PREFIX + "link",
                host.link,
                f"backend host_gw needs all hosts on one link, and host {hosts[0].name} is on {hosts[0].link!r}: a "
                "host can be a gateway only for its direct neighbours. Give both the same link if they share a "
                "segment, or plan them as two fleets",
                host.name,
            )


def _check_disjoint(plan: FleetPlan) -> None:
    """Pinned subnets against each other, the supernet and the underlay; leased blocks are disjoint by construction."""
    claims: list[tuple[Prefix, tuple[str, str | None]]] = [(plan.fleet.supernet, (PREFIX + "supernet", None))]
    for network in plan.fleet.networks:
        if network.subnet is not None:
            claims.append((network.subnet, (network.path + ".subnet", None)))
    for host in plan.hosts:
        version, number = parse_address(host.underlay)
        claims.append((Prefix(version, number, 32 if version == 4 else 128), (PREFIX + "underlay_address", host.name)))
        for network in host.networks:
            if network.subnet is not None:
                claims.append((network.subnet, (network.path + ".subnet", host.name)))
            for other in plan.fleet.networks:
                if network.name == other.name or network.bridge_name == other.bridge_name:
                    raise InvalidValue(
                        f"{network.path}.name", network.name, f"is taken by {other.path} already", host.name
                    )
    for (held, (held_by, holder)), (inner, (variable, host_name)) in overlapping(claims):
        at = f" of host {holder}" if holder else ""
        raise InvalidValue(
            variable,
            str(inner) if inner.length < 32 else str(inner).split("/", maxsplit=1)[0],
            f"overlaps {held_by}{at} ({held}); every address may belong to one side only. Take a block outside of "
            f"{held}",
            host_name,
        )


def host_slice(plan: FleetPlan, host: Host) -> Data:
    """What the modules of one host take."""
    docker0 = plan.default_bridge(host)
    pool = plan.pools(host)
    networks = plan.networks_of(host)
    return {
        "block": str(plan.leases.blocks[host.name]),
        "underlay_address": host.underlay,
        "link": host.link,
        "default_bridge": {
            **plan.fleet.default_bridge,
            "bip": f"{docker0.host(1)}/{docker0.length}",
            "default_address_pools": [
                {"base": str(pool), "size": max(pool.length, plan.fleet.network_prefix_length)},
            ],
        },
        "networks": [_network_item(network, subnet) for network, subnet in networks],
        "routed_subnets": [str(subnet) for network, subnet in networks if not network.internal],
    }


def _network_item(network: Network, subnet: Prefix) -> Data:
    """A network as an item of module ``networks``."""
    item: Data = {
        "name": network.name,
        "driver": "bridge",
        "ipam_config": [{"subnet": str(subnet), "gateway": subnet.host(network.gateway or 1)}],
        "bridge_name": network.bridge_name,
        "internal": network.internal,
        "attachable": network.attachable,
        "labels": dict(network.labels),
        "driver_options": dict(network.driver_options),
    }
    if network.mtu is not None:
        item["mtu"] = network.mtu
    if not network.internal:
        # Our own table masquerades and decides what passes, the same on every engine; see _domain/firewall.py.
        item["masquerade"] = False
        item["gateway_mode_ipv4"] = "nat-unprotected"
    return item


def peers(plan: FleetPlan) -> list[Data]:
    """Every host as the others see it: name, address, link, and the blocks behind it. One list for the whole fleet."""
    pinned: dict[str, list[str]] = {}
    for network in plan.fleet.networks:
        if network.subnet is not None and not network.internal:
            for carrier in plan.carriers[network.name]:
                pinned.setdefault(carrier, []).append(str(network.subnet))
    return [
        {
            "host": host.name,
            "underlay_address": host.underlay,
            "link": host.link,
            "blocks": [str(plan.leases.blocks[host.name]), *pinned.get(host.name, [])],
        }
        for host in plan.hosts
    ]


def free_slots(plan: FleetPlan) -> list[Prefix]:
    """What no network holds yet, as offsets in a host's block (for the summary)."""
    taken = sorted([*plan.leases.slots.values(), *plan.leases.departed_slots.values(), plan.leases.pools])
    free: list[Prefix] = []
    offset = 0
    for slot in taken:
        free += aligned_blocks(4, offset, slot.offset)
        offset = slot.end
    return free + aligned_blocks(4, offset, 1 << (32 - plan.fleet.host_prefix_length))
