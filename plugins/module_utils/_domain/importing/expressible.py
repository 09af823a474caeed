# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a network of a host cannot be part of a declaration. Pure."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    is_address,
    overlapping,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_NAME
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    RESERVED_NAMES,
    default_bridge_name,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.supernet import is_public
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.direct_routing import (
    needs_direct_routing,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import (
    HostNetwork,
    Report,
    is_certain,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import name_problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

_DRIVERS = ("bridge", *ON_THE_LAN)


# The prefix lengths of the largest subnets that are imported. Docker's default pools have none that are larger.
_LARGEST = {4: 16, 6: 48}
# Docker's default pools for IPv4, and the length of their subnets.
_DEFAULT_POOLS = ((Prefix.parse("172.16.0.0/12"), 16), (Prefix.parse("192.168.0.0/16"), 20))


class LeftOut(t.NamedTuple):
    """A network of a host that stays undeclared, and the reason."""

    place: HostNetwork
    reason: str


class Limits(t.NamedTuple):
    """What is declared already and limits the networks that a declaration can contain.

    ``versions`` are the IP versions of the supernets, ``public`` is the consent to public addresses. ``addresses`` are
    those of the hosts, ``blocks`` supernets and subnets, each with what it is; a subnet of a network on the LAN with
    its host, since networks of other hosts may be on the same LAN. ``names`` and ``bridges`` are those of networks of
    single hosts, with the host.
    """

    versions: tuple[int, ...]
    public: bool
    addresses: tuple[tuple[Prefix, str], ...]
    blocks: tuple[tuple[Prefix, str, str | None], ...]
    names: t.Mapping[str, str]
    bridges: t.Mapping[str, str]


def limits_of(
    hosts: t.Sequence[Host],
    declared: t.Mapping[str, t.Any],
    supernets: t.Sequence[Prefix],
    versions: t.Collection[int],
) -> Limits:
    """The limits of a declaration. ``declared`` are fleet-wide variables, without prefix."""
    own = [(host, network) for host in hosts for network in host.networks]
    return Limits(
        tuple(sorted(versions)),
        bool(declared.get("public_supernet")),
        tuple(
            (single(*parse_address(each)), f"an address of host {host.name}")
            for host in hosts
            for each in host.addresses
        ),
        (
            *((scheme, "the supernet", None) for scheme in supernets),
            *(
                (subnet, f"{network.path} of host {host.name}", host.name if network.driver in ON_THE_LAN else None)
                for host, network in own
                for subnet in network.subnets
            ),
        ),
        {network.name: host.name for host, network in own},
        {network.bridge_name: host.name for host, network in own if network.bridge_name},
    )


def inexpressible(places: t.Sequence[HostNetwork], report: Report, limits: Limits) -> dict[str, LeftOut]:
    """The networks of a host, by id, that no declaration can contain."""
    names = collections.Counter(place.name for place in places)
    shared = _shared(places)
    nftables = (report.get("engine") or {}).get("firewall_backend") == "nftables"
    others = _ports_of_others(report)
    found = {}
    for place in places:
        reason = _reason(place, limits, nftables, others.get(str(place.network["bridge"]), []))
        if names[place.name] > 1:
            reason = f"{names[place.name]} networks of the host have this name"
        if reason is None and id(place) in shared:
            reason = f"it shares addresses with network {quoted_name(shared[id(place)].name)} of the same host"
        if reason is not None and not place.is_docker0:
            found[str(place.network["id"])] = LeftOut(place, reason)
    return found


def _shared(places: t.Sequence[HostNetwork]) -> dict[int, HostNetwork]:
    """The networks, by id(), that share addresses with another one of the host, which is given."""
    found: dict[int, HostNetwork] = {}
    for (_one, first), (_other, second) in overlapping((subnet, place) for place in places for subnet in place.subnets):
        if first is not second:
            found.setdefault(id(first), second)
            found.setdefault(id(second), first)
    return found


def _reason(place: HostNetwork, limits: Limits, nftables: bool, others: t.Sequence[str]) -> str | None:
    network, name = place.network, place.name
    if name in RESERVED_NAMES or name_problem(name) is not None or is_address(name):
        return "its name is reserved, or not valid in a declaration"
    if is_labeled(network["labels"]):
        return "this collection has created it for an earlier declaration"
    if network["driver"] not in _DRIVERS:
        return f"networks of driver {quoted_name(network['driver'])} are not imported"
    if network["scope"] != "local":
        return f"its scope is {quoted_name(network['scope'])}"
    return (
        _declared_reason(place, limits) or _addresses_reason(place, limits) or _bridge_reason(place, nftables, others)
    )


def _declared_reason(place: HostNetwork, limits: Limits) -> str | None:
    if place.name in limits.names:
        return f"its name is that of a network of {PREFIX}host_networks of host {limits.names[place.name]}"
    bridge = place.network["options"].get(BRIDGE_NAME) or default_bridge_name(place.name)
    if bridge in limits.bridges:
        return f"its bridge is that of a network of {PREFIX}host_networks of host {limits.bridges[bridge]}"
    blocks = [(block, what) for block, what, lan in limits.blocks if not place.on_the_lan or lan in (None, place.host)]
    for subnet in place.subnets:
        for block, what in (*blocks, *(() if place.on_the_lan else limits.addresses)):
            if subnet.overlaps(block):
                return f"its subnet {subnet} overlaps {what} ({block if block.size > 1 else block.host(0)})"
    return None


def _addresses_reason(place: HostNetwork, limits: Limits) -> str | None:
    blocks, subnets = place.network["subnets"], place.subnets
    if not subnets or len(subnets) < len(blocks):
        return "the engine reports no subnet of it"
    if not all(is_address(each) for block in blocks for each in block["aux_addresses"].values()):
        return "the engine reports reserved addresses of it that are not addresses"
    if len({subnet.version for subnet in subnets}) < len(subnets):
        return "it has several subnets of one IP version"
    for subnet in subnets:
        if subnet.version not in limits.versions:
            return f"its subnet {subnet} requires {PREFIX}supernet{'_v6' if subnet.version == 6 else ''}"
        if subnet.length < _LARGEST[subnet.version] and not place.on_the_lan:
            return (
                f"its subnet {subnet} is larger than a /{_LARGEST[subnet.version]}, and all hosts would route it to "
                "this host. If that is correct, declare the network"
            )
        if is_public(subnet) and not (limits.public and subnet.version == 4):
            return (
                f"its subnet {subnet} has public addresses, which all hosts would route to this host. If they are "
                "yours, declare the network"
            )
    return None


def is_of_default_pools(subnet: Prefix) -> bool:
    """Whether an engine without configuration may have chosen the subnet."""
    return any(pool.contains(subnet) and subnet.length >= length for pool, length in _DEFAULT_POOLS)


def _bridge_reason(place: HostNetwork, nftables: bool, others: t.Sequence[str]) -> str | None:
    options = place.network["options"]
    if not all(is_certain(text) for option in options.items() for text in option):
        return "one of its options has a backslash, which the report escapes, or looks like a template to Ansible"
    if others:
        return f"its bridge has ports that are not containers' interfaces ({', '.join(map(quoted_name, others))})"
    if nftables and place.routed and any(needs_direct_routing(options, each.version) for each in place.subnets):
        return (
            "with the nftables firewall backend, it requires allow_direct_routing and bridge_accept_fwmark in "
            f"{PREFIX}default_bridge, and with that a restart of the engine"
        )
    return None


def _ports_of_others(report: Report) -> dict[str, list[str]]:
    """The ports of bridges that cannot lead to a container, by bridge."""
    found: dict[str, list[str]] = {}
    for link in report.get("links", ()):
        if link["master"] and link["kind"] != "veth":
            found.setdefault(link["master"], []).append(link["name"])
    return found
