# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: from declaration and leases to the plan of the fleet. Pure; runs once per play on the controller."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    overlapping,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import HOST_ADDRESSES, MTU
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.default_bridge import (
    KEEP,
    VARIABLE,
    check_default_bridge,
    with_host,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Fleet, Host, check_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import ErrorList, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook, lease
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.policy import make_policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.segments import check_segments
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.backends import BACKENDS, Underlay


@dataclasses.dataclass(frozen=True)
class FleetPlan:
    """The planned state of all hosts.

    ``held`` are the leases before this run. ``mtus`` are the MTUs (bytes), by host, of networks that set none, if other
    than Docker's default. ``limited`` are the hosts whose engine gives networks that are not declared Docker's default,
    which is larger than the MTU of the underlay, unless it is configured otherwise. ``controllers`` are the addresses
    of the Ansible controller, by host, that may connect to its engine's remote API.
    """

    fleet: Fleet
    hosts: tuple[Host, ...]
    leases: LeaseBook
    carriers: t.Mapping[str, frozenset[str]]
    policy: Policy
    held: LeaseBook | None = None
    mtus: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    limited: frozenset[str] = frozenset()
    controllers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def subnets(self, host: Host, network: Network) -> list[Prefix]:
        """The network's subnets on a host that carries it, IPv4 first."""
        return list(network.pinned(host.name)) or self._slot(host, network.name)

    def networks_of(self, host: Host) -> list[tuple[Network, Prefix]]:
        """The user-defined networks of a host with each of their subnets, in the order of the declaration."""
        fleet_wide = (network for network in self.fleet.networks if host.name in self.carriers[network.name])
        return [
            (network, subnet) for network in (*fleet_wide, *host.networks) for subnet in self.subnets(host, network)
        ]

    def blocks(self, host: Host) -> list[Prefix]:
        """The host's blocks of the supernets, IPv4 first."""
        return [leases.blocks[host.name] for leases in self.leases.families]

    def keeps_default_bridge(self, host: Host) -> bool:
        """Whether docker0 and the engine's pools stay as they are on a host, instead of coming from its block."""
        return bool(with_host(self.fleet.default_bridge, host.default_bridge).get(KEEP))

    def default_bridge(self, host: Host) -> list[Prefix]:
        """The subnets of docker0 in a host's block, IPv4 first."""
        return self._slot(host, DEFAULT_BRIDGE)

    def pools(self, host: Host) -> list[Prefix]:
        """The address pools of the host's engine for networks that are not declared, IPv4 first."""
        return [
            leases.blocks[host.name].at(leases.pools.offset, leases.pools.length) for leases in self.leases.families
        ]

    def _slot(self, host: Host, network: str) -> list[Prefix]:
        subnets = []
        for leases in self.leases.families:
            slot = leases.slots[network]
            subnets.append(leases.blocks[host.name].at(slot.offset, slot.length))
        return subnets


def default_bridge_options(plan: FleetPlan, host: Host) -> dict[str, t.Any]:
    """docker0 and the engine's pools, as options of module ``default_bridge``."""
    config = with_host(plan.fleet.default_bridge, host.default_bridge)
    if config.pop(KEEP, False):
        return config
    if host.name in plan.mtus:
        config.setdefault("mtu", plan.mtus[host.name])
    if host.name in plan.limited and "default_network_opts" not in config.get("unset", ()):
        defaults = config.get("default_network_opts", {})
        bridges = {MTU: str(plan.mtus[host.name]), **defaults.get("bridge", {})}
        config["default_network_opts"] = {**defaults, "bridge": bridges}
    for subnet in plan.default_bridge(host):
        if subnet.version == 4:
            config["bip"] = f"{subnet.host(1)}/{subnet.length}"
        else:
            # bip6 exists only from engine 28 on; the gateway is the first address with both
            config["ipv6"] = True
            config["fixed_cidr_v6"] = str(subnet)
    if plan.leases.of(4) is not None:  # in an IPv6-only fleet compose needs Docker's default IPv4 pools
        config["default_address_pools"] = [
            {"base": str(pool), "size": max(pool.length, scheme.network_prefix_length)}
            for pool, scheme in zip(plan.pools(host), plan.fleet.schemes)  # one each
        ]
    return config


def take_out(
    leaving: t.Collection[str],
    fleet: Fleet,
    names: t.Collection[str],
    groups: t.Mapping[str, t.Collection[str]],
    held: LeaseBook | None,
) -> tuple[Fleet, dict[str, t.Collection[str]]]:
    """Return the declaration and the groups without hosts that leave, for a plan of the others.

    References to these hosts are dropped. Raises InvalidValue for a host that is neither among the fleet's ``names``
    nor departed.
    """
    departed = held.departed() if held else {}
    for name in sorted(leaving):
        if name not in names and name not in departed:
            raise InvalidValue(
                PREFIX + "remove",
                name,
                f"is neither a host of the fleet nor departed. {nearest(name, names)}",
            )
    reservations = {host: blocks for host, blocks in fleet.reservations.items() if host not in leaving}
    networks = tuple(_without_hosts(network, leaving) for network in fleet.networks)
    # Networks may name a leaving host as a carrier: it becomes an empty group.
    return (
        dataclasses.replace(fleet, reservations=reservations, networks=networks),
        {**groups, **dict.fromkeys(leaving, ())},
    )


def _without_hosts(network: Network, leaving: t.Collection[str]) -> Network:
    if not network.host_ranges.keys() & leaving and not network.host_subnets.keys() & leaving:
        return network
    return dataclasses.replace(
        network,
        host_ranges={host: each for host, each in network.host_ranges.items() if host not in leaving},
        host_subnets={host: each for host, each in network.host_subnets.items() if host not in leaving},
    )


def make_plan(
    fleet: Fleet,
    hosts: t.Sequence[Host],
    groups: t.Mapping[str, t.Collection[str]],
    held: LeaseBook | None,
    renumber: bool = False,
    avoid: t.Collection[Prefix] = (),
) -> FleetPlan:
    """Plan the fleet: lease what is new, and check everything that needs no report from a host.

    ``groups`` are the inventory's groups with their hosts. With ``renumber`` leases may move. New leases
    are none of the blocks of ``avoid``. Raises InvalidValue. O(hosts x networks x log).
    """
    if not hosts:
        raise InvalidValue(PREFIX + "group", [], "no host found. Add hosts to the group")
    names = [host.name for host in hosts]
    known = frozenset(names)
    # Hosts with a lease that are not in the fleet, or no longer.
    left = (held.hosts() if held else frozenset()) - known
    errors = ErrorList()
    for reserved in fleet.reservations:
        if reserved not in known and reserved not in left:
            errors.found.append(
                InvalidValue(
                    f"{PREFIX}reservations.{reserved}",
                    reserved,
                    f"is not a host of the fleet. {nearest(reserved, names)}",
                )
            )
    carriers: dict[str, frozenset[str]] = {}
    for network in fleet.networks:
        with errors.collect():
            carriers[network.name] = _carriers(network, known, groups)
            _check_host_subnets(network, carriers[network.name] | left)
    with errors.collect():
        _check_underlay(hosts)
    with errors.collect():
        underlays = [Underlay(host.name, host.link, host.underlay, host.underlay_v6) for host in hosts]
        BACKENDS[fleet.backend].check(underlays, {scheme.supernet.version for scheme in fleet.schemes})
    errors.check()
    book = lease(_leasing(fleet, carriers), names, held, renumber, avoid)
    policed = {network.name: carriers[network.name] if network.routed else () for network in fleet.networks}
    plan = FleetPlan(fleet, tuple(hosts), book, carriers, make_policy(fleet, hosts, book, policed), held)
    with errors.collect():
        _check_disjoint(plan)
    for host in hosts:
        carried = [network for network in fleet.networks if host.name in carriers[network.name]]
        with errors.collect():
            check_host(fleet, [*carried, *host.networks], host)
    if fleet.default_bridge or any(host.default_bridge for host in hosts):
        errors.found += _default_bridge_errors(plan)
    with errors.collect():
        _check_kept_docker0(plan)
    errors.check()
    check_segments(fleet.networks, hosts, carriers, left)
    return plan


def _default_bridge_errors(plan: FleetPlan) -> list[InvalidValue]:
    """The errors of the default bridge's options, one per option. One that is the same on all hosts names no host."""
    found: dict[str, list[tuple[InvalidValue, str]]] = {}
    for host in plan.hosts:
        errors = ErrorList()
        with errors.collect():
            check_default_bridge(default_bridge_options(plan, host))
        for error in errors.found:
            found.setdefault(error.variable, []).append((error, host.name))
    distinct = []
    for alike in found.values():
        error, name = alike[0]
        everywhere = len(alike) == len(plan.hosts) and len({str(each) for each, _host in alike}) == 1
        distinct.append(InvalidValue(error.variable, error.value, error.reason, None if everywhere else name))
    return distinct


def _check_kept_docker0(plan: FleetPlan) -> None:
    """Raise InvalidValue for a policy line about docker0 if a host keeps its own, whose subnet no rule knows."""
    keeping = next((host for host in plan.hosts if plan.keeps_default_bridge(host)), None)
    for line in plan.fleet.policy if keeping else ():
        for key, names in (("from", line.sources), ("to", line.targets)):
            if DEFAULT_BRIDGE in names and keeping:
                raise InvalidValue(
                    f"{line.path}.{key}",
                    DEFAULT_BRIDGE,
                    f"requires a docker0 with addresses of the host's block, and host {keeping.name} keeps its own "
                    f"({VARIABLE}.{KEEP}). Set {KEEP} to false, or use the addresses of docker0 in the line",
                )


def _carriers(network: Network, known: frozenset[str], groups: t.Mapping[str, t.Collection[str]]) -> frozenset[str]:
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
                    f"{network.path}.hosts", name, f"is not a host or group. {nearest(name, [*known, *groups])}"
                )
        chosen = known & wanted
    if network.subnets and network.driver not in ON_THE_LAN and len(chosen) > 1:
        raise InvalidValue(
            f"{network.path}.subnet",
            str(network.subnets[0]),
            f"would exist on {len(chosen)} hosts. Name the one host that carries it in hosts, or omit the subnet so "
            "that each host gets its own",
        )
    addresses = [key for key in HOST_ADDRESSES.values() if key in dict(network.driver_options)]
    if addresses and len(chosen) > 1:
        raise InvalidValue(
            f"{network.path}.driver_options.{addresses[0]}",
            dict(network.driver_options)[addresses[0]],
            f"would be the source address on {len(chosen)} hosts, and replies reach only one of them. Name the one "
            "host with this address in hosts",
        )
    return frozenset(chosen)


def _leasing(fleet: Fleet, carriers: t.Mapping[str, t.Collection[str]]) -> Fleet:
    """The declaration without the networks that keep a subnet on each of their hosts, which use no slot."""

    def keeps_all(network: Network) -> bool:
        return bool(carriers[network.name]) and all(host in network.host_subnets for host in carriers[network.name])

    return dataclasses.replace(fleet, networks=tuple(each for each in fleet.networks if not keeps_all(each)))


def _check_host_subnets(network: Network, valid: t.Collection[str]) -> None:
    """Raise InvalidValue if a host of ``subnets`` neither carries the network nor departed."""
    for host, subnets in network.host_subnets.items():
        if host not in valid:
            raise InvalidValue(
                f"{network.path}.subnets.{host}",
                " ".join(map(str, subnets)),
                f"{host} is not a host that carries the network. {nearest(host, valid)}",
            )


def _check_underlay(hosts: t.Sequence[Host]) -> None:
    seen: dict[str, str] = {}
    for host in hosts:
        for key, address in (("underlay_address", host.underlay), ("underlay_address_v6", host.underlay_v6)):
            other = seen.setdefault(address, host.name) if address else host.name
            if other != host.name:
                raise InvalidValue(
                    PREFIX + key,
                    address,
                    f"is also the address of host {other}. Set the address of this host",
                    host.name,
                )


class _Owner(t.NamedTuple):
    """The owner of a block: the variable, and the host if the variable is a host's own."""

    variable: str
    host: str | None = None
    # macvlan and ipvlan networks may be in it: they put containers on the host's L2 segment
    on_the_lan: bool = False
    # the subnet that the network has on a host today, which would otherwise lease one
    kept: bool = False


def _check_disjoint(plan: FleetPlan) -> None:
    """Check pinned subnets against each other, the supernets and the underlay. Leased blocks are always disjoint."""
    claims: list[tuple[Prefix, _Owner]] = []
    for scheme in plan.fleet.schemes:
        suffix = "_v6" if scheme.supernet.version == 6 else ""
        claims.append((scheme.supernet, _Owner(PREFIX + "supernet" + suffix)))
    for network in plan.fleet.networks:
        claims += [
            (subnet, _Owner(variable, None, network.driver in ON_THE_LAN, bool(network.host_subnets)))
            for subnet, variable in network.all_pinned
        ]
    fleet_wide = {network.name: network for network in plan.fleet.networks}
    bridges = {network.bridge_name: network for network in plan.fleet.networks if network.bridge_name}
    for host in plan.hosts:
        claims.append((_underlay(host.underlay), _Owner(PREFIX + "underlay_address", host.name, True)))
        if host.underlay_v6 and host.underlay_v6 != host.underlay:
            claims.append((_underlay(host.underlay_v6), _Owner(PREFIX + "underlay_address_v6", host.name, True)))
        key = PREFIX + "other_addresses"
        claims += [(_underlay(address), _Owner(key, host.name, True)) for address in host.other_addresses]
        for network in host.networks:
            other = fleet_wide.get(network.name) or bridges.get(network.bridge_name)
            if other is not None:
                raise InvalidValue(
                    f"{network.path}.name",
                    network.name,
                    f"is already used by {other.path}. Choose another name",
                    host.name,
                )
            claims += [
                (subnet, _Owner(network.path + ".subnet", host.name, network.driver in ON_THE_LAN))
                for subnet in network.subnets
            ]
    for (held, holder), (inner, owner) in overlapping(claims):
        if holder.on_the_lan and owner.on_the_lan:
            continue
        remedy = ""
        if holder.kept or owner.kept:
            remedy = (
                ", or leave the host out of subnets: the network then leases a subnet of the host's block. If the host "
                "has it from another program, disconnect its containers and remove it there first"
            )
        if holder.kept and not owner.kept:
            (held, holder), (inner, owner) = (inner, owner), (held, holder)
        at = f" of host {holder.host}" if holder.host else ""
        raise InvalidValue(
            owner.variable,
            str(inner) if inner.size > 1 else str(inner).split("/", maxsplit=1)[0],
            f"overlaps {holder.variable}{at} ({held}). Use a block outside of {held}{remedy}",
            owner.host,
        )


def _underlay(address: str) -> Prefix:
    return single(*parse_address(address))
