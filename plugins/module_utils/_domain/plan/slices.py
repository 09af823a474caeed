# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as plain data: the module options of each host (its slice), and the list of peers.

Keys that end in ``_v6`` exist only in a fleet with an IPv6 supernet, ``egress_sources`` and ``bridges`` only on a host
with such a network, ``controller`` only on a host that reports the controller's address.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.driver_options import (
    adopted_options,
    pinned_options,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    Network,
    default_bridge_name,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    GATEWAY_MODE_IPV4,
    GATEWAY_MODE_IPV6,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import DRIVER_OPTION_OF
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, default_bridge_options

Data = t.Dict[str, t.Any]

# Options of routed networks that the plan chooses.
_PLANNED = ("masquerade", "gateway_mode_ipv4", "gateway_mode_ipv6")


def slices(plan: FleetPlan) -> dict[str, Data]:
    """The slices of all hosts by name. O(hosts x networks)."""
    # What a network has in common on all hosts is built once.
    common = {id(network): _common_item(plan, network) for network in plan.fleet.networks}
    return {host.name: _slice(plan, host, common) for host in plan.hosts}


def host_slice(plan: FleetPlan, host: Host) -> Data:
    """The slice of one host."""
    return _slice(plan, host, {})


def _slice(plan: FleetPlan, host: Host, common: t.Mapping[int, Data]) -> Data:
    blocks = plan.blocks(host)
    items: dict[str, Data] = {}
    routed: dict[int, list[str]] = {4: [], 6: []}
    sources: dict[str, str] = {}
    for network, subnet in plan.networks_of(host):
        item = items.get(network.name)
        if item is None:
            item = {**(common.get(id(network)) or _common_item(plan, network)), "ipam_config": []}
            if network.routed and network.mtu is None and host.name in plan.mtus:
                item["mtu"] = plan.mtus[host.name]
            items[network.name] = item
        if subnet.version == 6:
            item["enable_ipv6"] = True
            if "gateway_mode_ipv4" in item:
                item["gateway_mode_ipv6"] = item["gateway_mode_ipv4"]
        item["ipam_config"].append(_ipam_block(network, subnet, host.name))
        if network.routed:
            routed[subnet.version].append(str(subnet))
            source = network.egress_source(subnet.version)
            if source is not None:
                sources[str(subnet)] = source
    for item in items.values():
        if item.get("adopt"):
            # Nothing of this collection would route or filter the IPv6 addresses that a network has already.
            item.setdefault("enable_ipv6", False)
        if item.get("enable_ipv6") and all(":" in block["subnet"] for block in item["ipam_config"]):
            item["enable_ipv4"] = False
            item.pop("gateway_mode_ipv4", None)
    bridges = _bridges(plan, host, items.values())
    data: Data = {
        "block": str(blocks[0]),
        "underlay_address": host.underlay,
        "link": host.link,
        "default_bridge": default_bridge_options(plan, host),
        "networks": list(items.values()),
        "routed_subnets": routed[4],
    }
    if sources:
        data["egress_sources"] = sources
    if host.name in plan.controllers:
        data["controller"] = plan.controllers[host.name]
    if bridges:
        data["bridges"] = bridges
    if blocks[-1].version == 6:
        data["block_v6"] = str(blocks[-1])
        data["routed_subnets_v6"] = routed[6]
    return data


def _common_item(plan: FleetPlan, network: Network) -> Data:
    """A network as an item of module ``networks``, without its subnets."""
    item: Data = {"name": network.name, "driver": network.driver, "internal": network.internal}
    # Empty values are omitted: Ansible processes each value of a result several times, which is most of the cost of
    # planning a large fleet.
    if network.attachable:
        item["attachable"] = True
    if network.labels:
        item["labels"] = dict(network.labels)
    options = dict(network.driver_options)
    if network.driver == "bridge":
        defaults = plan.fleet.default_bridge.get("default_network_opts", {}).get("bridge", {})
        options = {**pinned_options(defaults, network.internal), **options}
    if _adopts(plan, network):
        item.update(_adoption(network))
        if network.driver == "bridge":
            options = {**adopted_options(network.internal), **options}
    if options:
        item["driver_options"] = options
    if network.mtu is not None:
        item["mtu"] = network.mtu
    if network.bridge_name:
        item["bridge_name"] = network.bridge_name
    if network.routed:
        # This collection's nftables table masquerades and filters, the same on each engine.
        item["masquerade"] = False
        item["gateway_mode_ipv4"] = "nat-unprotected"
    return item


def _adopts(plan: FleetPlan, network: Network) -> bool:
    return plan.fleet.adopts if network.adopt is None else network.adopt


def _adoption(network: Network) -> Data:
    """The options of an item whose network hosts may have already. It keeps what the plan, not the user, chooses."""
    declared = dict(network.driver_options)
    keeps = []
    if network.mtu is None:
        keeps.append("mtu")
    if network.bridge_name == default_bridge_name(network.name):
        keeps.append("bridge_name")
    if network.routed:
        keeps += [name for name in _PLANNED if DRIVER_OPTION_OF[name] not in declared]
    return {"adopt": True, **({"adopt_keeps": keeps} if keeps else {})}


def _bridges(plan: FleetPlan, host: Host, items: t.Iterable[Data]) -> list[Data]:
    """The bridges with IPv6 addresses that the engine sets, as option ``bridges`` of module ``host_routes``."""
    found = []
    kept = plan.keeps_default_bridge(host)
    subnets = {} if kept else {subnet.version: subnet for subnet in plan.default_bridge(host)}
    if 6 in subnets:
        addresses = {version: f"{subnet.host(1)}/{subnet.length}" for version, subnet in subnets.items()}
        found.append(_bridge(DOCKER0, addresses))
    defaults = plan.fleet.default_bridge.get("default_network_opts", {}).get("bridge", {})
    for item in items:
        if item["driver"] != "bridge" or not item.get("enable_ipv6"):
            continue
        options = {**defaults, **item.get("driver_options", {})}
        # a bridge has no address of an IP version in this mode
        isolated = [
            version
            for version, mode in ((4, GATEWAY_MODE_IPV4), (6, GATEWAY_MODE_IPV6))
            if options.get(mode) == "isolated"
        ]
        addresses = {}
        for block in item["ipam_config"]:
            version, length = 6 if ":" in block["subnet"] else 4, block["subnet"].partition("/")[2]
            if version not in isolated:
                addresses[version] = f"{block['gateway']}/{length}"
        if 6 in addresses:
            found.append(_bridge(item["bridge_name"], addresses))
    return found


def _bridge(name: str, addresses: t.Mapping[int, str]) -> Data:
    # A bridge with the IPv4 address is the declared network's; the network of that name may be another one.
    identity = {"address": addresses[4]} if 4 in addresses else {"bridge_name": name}
    return {**identity, "address_v6": addresses[6]}


def _ipam_block(network: Network, subnet: Prefix, host: str) -> Data:
    version = subnet.version
    block: Data = {"subnet": str(subnet)}
    if network.driver == "bridge" or version in network.gateways:  # on a LAN the gateway belongs to others
        block["gateway"] = subnet.host(network.gateways.get(version, 1))
    inside = network.ip_range(subnet, host)
    if inside is not None:
        block["ip_range"] = str(inside)
    aux = {name: subnet.host(places[version]) for name, places in network.aux.items() if version in places}
    if aux:
        block["aux_addresses"] = aux
    return block


def peers(plan: FleetPlan) -> list[Data]:
    """All hosts as their peers see them: name, addresses, L2 segment, blocks. The list is the same for all hosts.

    A peer costs one route per block, however many networks it has, and one per pinned subnet.
    """
    pinned: dict[str, list[Prefix]] = {}
    for network in plan.fleet.networks:
        if network.routed and network.all_pinned:
            for carrier in plan.carriers[network.name]:
                pinned.setdefault(carrier, []).extend(network.pinned(carrier))
    dual = plan.leases.of(6) is not None
    found = []
    for host in plan.hosts:
        blocks = [*plan.blocks(host), *pinned.get(host.name, ())]
        peer: Data = {
            "host": host.name,
            "underlay_address": host.underlay,
            "link": host.link,
            "blocks": [str(block) for block in blocks if block.version == 4],
        }
        if dual:
            peer["blocks_v6"] = [str(block) for block in blocks if block.version == 6]
            if host.underlay_v6:
                peer["underlay_address_v6"] = host.underlay_v6
        found.append(peer)
    return found
