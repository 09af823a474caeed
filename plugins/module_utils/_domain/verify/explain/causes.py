# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults at each hop of a packet's path. Pure; each function returns None if it finds nothing."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ENGINE_TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ADDRESS,
    CHAIN,
    FILE,
    FIREWALLD,
    JUMP,
    ROUTE,
    SYSCTL,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    BRIDGE_TABLE,
    CHAIN_PREFIX,
    IP6TABLES_FILE,
    IPTABLES_FILE,
    NFT_FILE,
    TABLES,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import frames, inside
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import Facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence, holds
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.inside import FAILED, RESOLUTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.routing import DROPPING, values_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import (
    SETS_DESTINATION,
    SETS_SOURCE,
    Flow,
    TraceStep,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint

_DOCKERS = ("DOCKER", "DOCKER-FORWARD", "DOCKER-CT", "DOCKER-BRIDGE", "DOCKER-INTERNAL", "DOCKER-ISOLATION-STAGE-1",
            "DOCKER-ISOLATION-STAGE-2")  # fmt: skip
# Errors of a route lookup, as strerror prints them, and what they mean (net/ipv4/fib_frontend.c).
_LOOKUP_ERRORS: dict[str, tuple[CauseKind, dict[str, str]]] = {
    "Invalid cross-device link": (CauseKind.REVERSE_PATH, {}),
    "Network is unreachable": (CauseKind.NO_ROUTE, {}),
    "No route to host": (CauseKind.UNREACHABLE, {}),
    "Invalid argument": (CauseKind.DROPPING_ROUTE, {"type": "blackhole"}),
    "Permission denied": (CauseKind.DROPPING_ROUTE, {"type": "prohibit"}),
}
# nft prints iptables' target CT, which sets the zone, without its options.
_UNTRACKS = re.compile(r'\bnotrack\b|\bct (?:original |reply )?zone set\b|\bxt target "CT"')
_KEEPS_SOURCE = re.compile(r"snat to ip6? saddr")
# iptables' tables of filters.
_FILTERS = ("ip filter", "ip6 filter")
# By IP version: how the names of tables, chains and jumps begin.
_NAMES_OF_RULES = {4: ("ip ", "iptables "), 6: ("ip6 ", "ip6tables ")}
# By IP version: the file of the rules of iptables.
_FILES_OF_RULES = {4: IPTABLES_FILE, 6: IP6TABLES_FILE}
# By IP version: the sysctl for forwarding.
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def in_container(end: Endpoint, evidence: Evidence, sends: bool = False) -> Cause | None:
    """Check the container: it runs, and has its address and an interface that is up; if it sends, a default route."""
    where = {"container": end.container}
    if evidence.container(end.container) is None:
        return Cause(CauseKind.NOT_RUNNING, end.host, where)
    interface = evidence.interface(end)
    if interface is None:
        return Cause(CauseKind.NO_INTERFACE, end.host, where)
    where["interface"] = interface["name"]
    if interface["state"] == "down":
        return Cause(CauseKind.INTERFACE_DOWN, end.host, where)
    if not holds(interface["addresses"], end.address):
        values = {**where, "address": end.address, "observed": list(interface["addresses"])}
        return Cause(CauseKind.ADDRESS_MISSING, end.host, values)
    if sends and interface["gateway" if end.version == 4 else "gateway_v6"] is None:
        return Cause(CauseKind.NO_DEFAULT_ROUTE, end.host, where)
    return None


def at_bridge(end: Endpoint, evidence: Evidence) -> Cause | None:
    """Check the host's interface of the veth pair, and the bridge: the attachment, its port, and the gateway's address.

    A bridge of which no port forwards is down, so the port comes first.
    """
    interface = evidence.interface(end)
    if interface is None:
        return None
    declared = evidence.declared_bridge(end)
    peer, bridge = evidence.link(interface["peer"]), evidence.link(interface["bridge"])
    if peer is None:
        values = {"container": end.container, "interface": interface["name"]}
        return Cause(CauseKind.NO_PEER, end.host, values)
    values = {"container": end.container, "interface": peer["name"], "bridge": declared}
    if bridge is None:
        return Cause(CauseKind.NOT_ON_BRIDGE, end.host, values)
    if declared is not None and bridge["name"] != declared:
        return Cause(CauseKind.ON_ANOTHER_BRIDGE, end.host, {**values, "observed": bridge["name"]})
    if peer["state"] == "down":
        return _down(end.host, peer)
    blocked = frames.blocked_port(end, evidence)
    if blocked is not None:
        return blocked
    if bridge["state"] == "down":
        return _down(end.host, bridge)
    gateway = interface["gateway" if end.version == 4 else "gateway_v6"]
    # A container may use another gateway than the bridge.
    if gateway in evidence.gateways(end) and not holds(bridge["addresses"], gateway):
        length = next((own.partition("/")[2] for own in interface["addresses"] if holds((own,), end.address)), "")
        values = {"container": end.container, "bridge": bridge["name"], "gateway": gateway, "length": length}
        return Cause(CauseKind.NO_GATEWAY, end.host, values, None, _of_kind(evidence, ADDRESS))
    return None


def _down(host: str, link: t.Mapping[str, t.Any]) -> Cause:
    return Cause(CauseKind.INTERFACE_DOWN, host, {"interface": link["name"], "container": None})


def on_host(host: str, flow: Flow, evidence: Evidence) -> Cause | None:
    """Check the rules, then the routing of the host."""
    steps = evidence.traces.get(flow)
    if steps is None:
        return None
    for step in steps:
        if step.drops:
            return _dropped(host, step, evidence, flow.version)
    routed = [step for step in steps if not step.of_frames]
    if any(step.oif for step in routed) or (steps and not routed):
        return None
    # The chains of a forwarded packet name its output interface; this packet was only received.
    lookup = evidence.lookups.get(flow, {})
    found = _of_kind(evidence, ADDRESS, ROUTE, SYSCTL)
    if not evidence.info["forwarding"][f"ipv{flow.version}"]:
        return Cause(CauseKind.NOT_FORWARDING, host, {"sysctl": _FORWARDING[flow.version]}, None, found)
    incoming = lookup.get("iif")
    if flow.version == 4 and evidence.state["forwarding"].get(incoming) is False:
        return Cause(CauseKind.NOT_FORWARDING, host, {"sysctl": f"net.ipv4.conf.{incoming}.forwarding"}, None, found)
    values = {"destination": flow.destination, **values_of(evidence.decision(flow))}
    if "error" in lookup:
        failed = CauseKind.LOOKUP_FAILED, {"error": lookup["error"]}
        kind, more = _LOOKUP_ERRORS.get(lookup["error"], failed)
        values.update(more)
        if kind is CauseKind.REVERSE_PATH:
            values.update(interface=incoming, sysctls=_rp_filters(incoming, evidence))
        return Cause(kind, host, values, None, found)
    if lookup.get("type") in DROPPING:
        return Cause(CauseKind.DROPPING_ROUTE, host, {**values, "type": lookup["type"]}, None, found)
    return None


def _rp_filters(incoming: str | None, evidence: Evidence) -> list[str]:
    """The sysctls that make the kernel check the route back: the larger of both values applies."""
    found = evidence.info["forwarding"].get("rp_filter", {})
    return [f"net.ipv4.conf.{name}.rp_filter" for name in ("all", incoming) if name and found.get(name)]


def _of_kind(evidence: Evidence, *kinds: str) -> tuple[Difference, ...]:
    return tuple(difference for difference in evidence.checks if difference.kind in kinds)


def of_rules(evidence: Evidence, version: int) -> tuple[Difference, ...]:
    """The differences between the rules for an IP version and the plan."""
    other = _NAMES_OF_RULES[10 - version]
    found = [
        *(each for each in _of_kind(evidence, TABLE, CHAIN, JUMP, FIREWALLD) if not each.name.startswith(other)),
        *(each for each in _of_kind(evidence, FILE) if each.name in (NFT_FILE, _FILES_OF_RULES[version])),
    ]
    return tuple(found)


def _dropped(host: str, step: TraceStep, evidence: Evidence, version: int) -> Cause:
    owner, differences = owner_of(step), of_rules(evidence, version)
    if not step.rule and owner is not Owner.OURS:
        # Only in iptables' table of filters do rules of this collection accept packets.
        related = differences if step.table in _FILTERS else ()
        return Cause(CauseKind.NOT_ACCEPTED, host, step.place(), None, related)
    # A rule of others drops the packet, however the rules of this collection differ.
    return Cause(CauseKind.DROPPED, host, step.place(), owner, () if owner is Owner.FOREIGN else differences)


def owner_of(step: TraceStep) -> Owner:
    """Return the owner of a rule, by its table and chain."""
    if step.table in (*TABLES.values(), BRIDGE_TABLE) or step.chain.startswith(CHAIN_PREFIX):
        return Owner.OURS
    dockers = step.chain in _DOCKERS or step.table.partition(" ")[2] == ENGINE_TABLE
    return Owner.DOCKER if dockers else Owner.FOREIGN


def between(
    source: Endpoint, target: Endpoint, flow: Flow, hosts: t.Mapping[str, Evidence], facts: Facts
) -> Cause | None:
    """Check the underlay: the next hop must be the target's host, which must receive the packets."""
    first, last = hosts[source.host], hosts[target.host]
    lookup = first.lookups.get(flow, {})
    gateway = lookup.get("gateway")
    expected = (*last.declared, *last.addresses)
    if flow in first.traces and "error" not in lookup and gateway not in expected:
        values = {"destination": flow.destination, "gateway": gateway, "interface": lookup.get("dev")}
        values = {**values, "target": target.host, **values_of(first.decision(flow))}
        return Cause(CauseKind.WRONG_NEXT_HOP, source.host, values, None, _of_kind(first, ROUTE))
    if flow not in first.traces or flow in last.traces:
        return None
    duplicate = frames.duplicate_of_hosts(target.host, gateway, hosts)
    if duplicate is not None:
        return duplicate
    for entry in first.neighbours:
        if entry["dst"] == gateway and entry.get("lladdr"):
            macs = [link["mac"] for link in last.info["links"]]
            others = [evidence for name, evidence in hosts.items() if name not in (source.host, target.host)]
            if entry["lladdr"] not in macs and not any(_knows(each, gateway, entry["lladdr"]) for each in others):
                values = {"address": gateway, "observed": entry["lladdr"], "target": target.host}
                return Cause(CauseKind.WRONG_NEIGHBOUR, source.host, values)
    unresolved = unresolved_gateway(flow, first)
    ends = tuple(address for evidence in (first, last) for address in evidence.addresses)
    for end, evidence in ((source, first), (target, last)):
        links = evidence.path_links(end, flow)
        found = frames.dropped_frames(end.host, links, facts, evidence) or frames.queue(end.host, links, evidence)
        if found is None and unresolved is not None:
            found = frames.dropped_resolution(end.host, links, ends, RESOLUTION[flow.version], evidence)
        if found is not None:
            return found
    return None


def _knows(evidence: Evidence, address: str, mac: str) -> bool:
    """Whether a host knows an address by this MAC address. Then what the address's host reports is not true."""
    return any((each["dst"], each.get("lladdr")) == (address, mac) for each in evidence.neighbours)


def unresolved_gateway(flow: Flow, evidence: Evidence) -> str | None:
    """The next hop of a flow if it does not answer: that alone does not show which of both hosts is at fault."""
    gateway = evidence.lookups.get(flow, {}).get("gateway")
    return gateway if gateway is not None and _fails(evidence, gateway) else None


def _fails(evidence: Evidence, address: str) -> bool:
    """Whether the host tries to resolve an address and gets no answer."""
    return any(each["dst"] == address and set(each.get("state", ())) & set(FAILED) for each in evidence.neighbours)


def _unresolved(source: Endpoint, target: Endpoint, flow: Flow, evidence: Evidence) -> Cause | None:
    """Check that a container answers its host, and which rule for frames drops its answers or the queries.

    Of more than gc_thresh1 entries (128), the kernel deletes those that failed. It keeps others for a minute, so a host
    that sent a packet and has no entry got no answer. Between the ports of one bridge it needs none.
    """
    address, protocol = target.address, RESOLUTION[flow.version]
    bridged = source.host == target.host and evidence.bridge_of(source) == evidence.bridge_of(target)
    sent = any(step.oif for step in evidence.traces.get(flow, ()) if not step.of_frames)
    deleted = sent and not bridged and all(each["dst"] != address for each in evidence.neighbours)
    if not deleted and not _fails(evidence, address):
        return None
    links = evidence.path_links(target, flow)
    dropped = frames.dropped_resolution(target.host, links, (address, *evidence.addresses), protocol, evidence)
    return dropped or Cause(CauseKind.NO_NEIGHBOUR, target.host, {"address": address, "protocol": protocol})


def to_neighbour(target: Endpoint, evidence: Evidence) -> Cause | None:
    """Check the last hop: the host must know the container's MAC address."""
    interface = evidence.interface(target)
    for entry in evidence.neighbours:
        if entry["dst"] != target.address or interface is None:
            continue
        if entry.get("lladdr") and entry["lladdr"] != interface["mac"]:
            values = {"address": target.address, "observed": entry["lladdr"], "container": target.container}
            return Cause(CauseKind.WRONG_NEIGHBOUR, target.host, {**values, "mac": interface["mac"]})
    return None


def unseen(
    source: Endpoint, target: Endpoint, flow: Flow, hosts: t.Mapping[str, Evidence], facts: Facts
) -> Cause | None:
    """Check what drops packets without a trace, then whether the source's gateway and the target answer."""
    ends = {end.host: end for end in (target, source)}
    for host, end in ends.items():
        links = hosts[host].path_links(end, flow)
        found = (
            frames.dropped_frames(host, links, facts, hosts[host])
            or frames.queue(host, links, hosts[host])
            or frames.connections(host, hosts[host])
        )
        if found is not None:
            return found
    unresolved = inside.resolves_neighbour(source, target, hosts[source.host])
    if unresolved is not None:
        links = hosts[source.host].path_links(source, flow)
        addresses, protocol = (source.address, unresolved.values["address"]), unresolved.values["protocol"]
        return frames.dropped_resolution(source.host, links, addresses, protocol, hosts[source.host]) or unresolved
    return _unresolved(source, target, flow, hosts[target.host])


def untracked(flow: Flow, *hosts: tuple[str, Evidence]) -> Cause | None:
    """Check whether a rule of others takes a flow or its answers out of connection tracking, or into another zone."""
    for host, evidence in hosts:
        for each in (flow, Flow(flow.destination, flow.source)):
            for step in evidence.traces.get(each, ()):
                if _UNTRACKS.search(step.rule) and owner_of(step) is not Owner.OURS:
                    return Cause(CauseKind.UNTRACKED, host, step.place(), owner_of(step))
    return None


def of_size(source: Endpoint, target: Endpoint, packet: int, hosts: t.Mapping[str, Evidence]) -> tuple[Cause, ...]:
    """Return the interfaces on the path whose MTU is below ``packet`` bytes."""
    found = []
    for end in (source, target):
        evidence = hosts[end.host]
        interface = evidence.interface(end)
        if interface is None:
            continue
        if interface["mtu"] < packet:
            found.append(_small(end.host, interface, end.container))
        lookup = next(iter(evidence.lookups.values()), {})
        names = [interface["peer"], interface["bridge"]]
        if source.host != target.host:
            names += [link["name"] for link in evidence.info["links"] if link["name"] == lookup.get("dev")]
        links = [evidence.link(name) for name in dict.fromkeys(names)]
        found += [_small(end.host, link) for link in links if link and link["mtu"] < packet]
    return tuple(cause for number, cause in enumerate(found) if cause not in found[:number])


def _small(host: str, interface: t.Mapping[str, t.Any], container: str | None = None) -> Cause:
    values = {"interface": interface["name"], "container": container, "mtu": interface["mtu"]}
    return Cause(CauseKind.SMALL_MTU, host, values)


def rewrites_source(step: TraceStep) -> bool:
    """Whether a rule changes the source address; ours sets it to itself."""
    text = step.rule.lower()
    changes = "masquerade" in text or "snat" in text or SETS_SOURCE.search(text) is not None
    return changes and _KEEPS_SOURCE.search(text) is None


def redirects(step: TraceStep) -> bool:
    """Whether a rule changes the destination address."""
    changes = "dnat to" in step.rule or "redirect" in step.rule or "DNAT" in step.rule
    return changes or SETS_DESTINATION.search(step.rule) is not None
