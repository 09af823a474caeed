# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong at each hop of a packet's way, and how it is told. Pure; each answers None where all is well."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import CHAIN_PREFIX, TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import (
    End,
    Evidence,
    holds,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep

_DOCKERS = ("DOCKER", "DOCKER-FORWARD", "DOCKER-CT", "DOCKER-BRIDGE", "DOCKER-INTERNAL", "DOCKER-ISOLATION-STAGE-1",
            "DOCKER-ISOLATION-STAGE-2")  # fmt: skip
# What the kernel says where it does not route, in the words of strerror, and what that means (net/ipv4/fib_frontend.c).
_NO_ROUTE = {
    "Invalid cross-device link": "rp_filter drops it: the way back to its source is by another link",
    "Network is unreachable": "there is no route",
    "No route to host": "there is no route, or forwarding is off",
    "Invalid argument": "a blackhole route drops it",
    "Permission denied": "a prohibit route drops it",
}
_KEEPS_SOURCE = re.compile(r"snat to ip6? saddr")
_LOSING = ("FAILED", "INCOMPLETE")
# By IP version: the switch, and how neighbours are found.
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_RESOLUTION = {4: "ARP", 6: "neighbour solicitations"}


def in_container(end: End, evidence: Evidence) -> str | None:
    """The container's own end: running, with its address, a link that is up and a way out."""
    container = evidence.container(end.container)
    if container is None:
        return f"{end.host}: container {end.container} does not run any more"
    interface = evidence.interface(end)
    where = f"{end.host}: container {end.container}"
    if interface is None:
        return f"{where} has no link but lo"
    name = interface["name"]
    if interface["state"] == "down":
        return f"{where}: its link {name} is down"
    if not holds(interface["addresses"], end.address):
        found = ", ".join(interface["addresses"]) or "none"
        return f"{where}: its link {name} has lost address {end.address}, and has: {found}"
    if interface["gateway" if end.version == 4 else "gateway_v6"] is None:
        return f"{where} has no default route"
    return None


def at_bridge(end: End, evidence: Evidence) -> str | None:
    """The host's end of the veth pair, and the bridge that it has to be a port of."""
    interface = evidence.interface(end)
    if interface is None:
        return None
    declared = evidence.declared_bridge(end)
    peer, bridge = evidence.link(interface["peer"]), evidence.link(interface["bridge"])
    if peer is None:
        return f"{end.host}: the host's end of {end.container}'s link {interface['name']} is gone"
    if bridge is None:
        return f"{end.host}: link {peer['name']} of container {end.container} is no port of bridge {declared}"
    if declared is not None and bridge["name"] != declared:
        return (
            f"{end.host}: link {peer['name']} of container {end.container} is a port of bridge {bridge['name']}, "
            f"not of {declared}"
        )
    for link in (peer, bridge):
        if link["state"] == "down":
            return f"{end.host}: link {link['name']} is down"
    return None


def on_host(host: str, flow: Flow, evidence: Evidence) -> str | None:
    """Rules that dropped it, else the kernel that has no way for it."""
    steps = evidence.traces.get(flow)
    if steps is None:
        return None
    for step in steps:
        if step.verdict.startswith("drop"):
            return _dropped(host, step, evidence)
    if any(step.oif for step in steps):
        return None
    # Rules see a packet that is forwarded; this one has only come in.
    lookup = evidence.lookups.get(flow, {})
    forwards = evidence.info["forwarding"][f"ipv{flow.version}"]
    lost = [line for line in evidence.checks if line.startswith(("routes:", "sysctl:"))]
    also = f" ({'; '.join(lost)})" if lost else ""
    if "error" in lookup:
        reason = _NO_ROUTE.get(lookup["error"], lookup["error"])
        if not forwards:
            reason = "the host does not forward"
        return f"{host}: no way to {flow.destination}: {reason}{also}"
    if not forwards:
        return f"{host}: the host does not forward: {_FORWARDING[flow.version]} is 0{also}"
    if lookup.get("type") in ("blackhole", "unreachable", "prohibit"):
        return f"{host}: a {lookup['type']} route drops what is for {flow.destination}{also}"
    return None


def _dropped(host: str, step: TraceStep, evidence: Evidence) -> str:
    lost = f" ({'; '.join(evidence.checks)})" if evidence.checks else ""
    if step.table in TABLES.values():
        return f"{host}: our {step} dropped it{lost or ', as the policy there says'}"
    if not step.rule:
        return f"{host}: {step} dropped it: nothing accepted it before{lost}"
    return f"{host}: {step} dropped it; {whose(step)}{lost}"


def whose(step: TraceStep) -> str:
    """Who made a rule, by where it is."""
    if step.table in TABLES.values() or step.chain.startswith(CHAIN_PREFIX):
        return "it is ours"
    return "it is Docker's" if step.chain in _DOCKERS else "it is not ours"


def between(source: End, target: End, flow: Flow, first: Evidence, last: Evidence) -> str | None:
    """The underlay: the next hop has to be the target's host, and what was sent has to come in there."""
    lookup = first.lookups.get(flow, {})
    gateway = lookup.get("gateway")
    lost = [line for line in first.checks if line.startswith("routes:")]
    also = f" ({'; '.join(lost)})" if lost else ""
    if flow in first.traces and "error" not in lookup and gateway not in last.addresses:
        way = f"by way of {gateway}" if gateway else f"out of {lookup.get('dev')}, by no gateway"
        return f"{source.host}: the route to {flow.destination} leads {way}, which is not {target.host}{also}"
    if flow not in first.traces or flow in last.traces:
        return None
    for entry in first.neighbours:
        if entry["dst"] == gateway:
            macs = [link["mac"] for link in last.info["links"]]
            if entry.get("lladdr") and entry["lladdr"] not in macs:
                return f"{source.host}: neighbour {gateway} is {entry['lladdr']}, which {target.host} is not"
    for name, evidence in ((source.host, first), (target.host, last)):
        found = unseen(name, evidence)
        if found is not None:
            return found
    return f"{target.host}: what {source.host} sent to {gateway} did not come in"


def to_neighbour(target: End, evidence: Evidence) -> str | None:
    """The last hop: the container has to be found by its MAC address."""
    interface = evidence.interface(target)
    for entry in evidence.neighbours:
        if entry["dst"] != target.address or interface is None:
            continue
        if entry.get("lladdr") and entry["lladdr"] != interface["mac"]:
            return (
                f"{target.host}: neighbour {target.address} is {entry['lladdr']}, and container {target.container} is "
                f"{interface['mac']}"
            )
        if set(entry.get("state", ())) & set(_LOSING):
            return (
                unseen(target.host, evidence)
                or f"{target.host}: neighbour {target.address} does not answer {_RESOLUTION[target.version]}"
            )
    return None


def unseen(host: str, evidence: Evidence) -> str | None:
    """What loses packets where no rule of IP sees them."""
    for queue in evidence.queues:
        return f"{host}: queueing discipline {queue['kind']} on link {queue['link']} may lose packets: {queue['text']}"
    for table in evidence.info["firewall"]["tables"]:
        family = table.split()[0]
        if family in ("bridge", "netdev", "arp"):
            return f"{host}: table {table} may drop frames; it is not ours"
    return None


def of_size(source: End, target: End, packet: int, hosts: t.Mapping[str, Evidence]) -> str | None:
    """The links on the way that carry less."""
    found = []
    for end in (source, target):
        evidence = hosts[end.host]
        interface = evidence.interface(end)
        if interface is None:
            continue
        if interface["mtu"] < packet:
            found.append(f"{end.host}: container {end.container}'s link {interface['name']} has MTU {interface['mtu']}")
        lookup = next(iter(evidence.lookups.values()), {})
        names = [interface["peer"], interface["bridge"]]
        if source.host != target.host:
            names += [link["name"] for link in evidence.info["links"] if link["name"] == lookup.get("dev")]
        links = [evidence.link(name) for name in dict.fromkeys(names)]
        found += [
            f"{end.host}: link {link['name']} has MTU {link['mtu']}" for link in links if link and link["mtu"] < packet
        ]
    return "; ".join(dict.fromkeys(found)) or None


def rewrites_source(step: TraceStep) -> bool:
    """Whether a rule gives a packet another source address; ours keeps it, by giving it its own."""
    text = step.rule.lower()
    return ("masquerade" in text or "snat" in text) and _KEEPS_SOURCE.search(text) is None
