# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What loses packets outside of the rules and routes of IP. Pure; each function returns None if it finds nothing.

Bridge ports, rules for frames, queues, connection tracking, and addresses that two interfaces have.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import BRIDGE_TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import (
    Chain,
    Facts,
    dropping_rule,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence, holds
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.inside import (
    FIELDS,
    RESOLUTION,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint

_FORWARDING = "forwarding"
# Connection tracking is full if it has this share of its maximum: it deletes entries when it is.
_FULL = 0.95


def blocked_port(end: Endpoint, evidence: Evidence) -> Cause | None:
    """Check the state of the container's port at its bridge. A bridge that is set down disables all of its ports."""
    port = _port(end, evidence)
    if port is None or port["state"] == _FORWARDING or port["bridge"] in evidence.disabled_bridges:
        return None
    values = {"container": end.container, "interface": port["name"], "bridge": port["bridge"], "state": port["state"]}
    return Cause(CauseKind.PORT_BLOCKED, end.host, values)


def isolated_ports(source: Endpoint, target: Endpoint, evidence: Evidence) -> Cause | None:
    """Check two ports of one bridge: the bridge forwards nothing between two isolated ones."""
    ports = [port for port in (_port(end, evidence) for end in (source, target)) if port is not None]
    if len(ports) < 2 or ports[0]["bridge"] != ports[1]["bridge"] or not all(port["isolated"] for port in ports):
        return None
    values = {"bridge": ports[0]["bridge"], "interfaces": [port["name"] for port in ports]}
    return Cause(CauseKind.PORTS_ISOLATED, source.host, values)


def _port(end: Endpoint, evidence: Evidence) -> Data | None:
    interface = evidence.interface(end)
    name = interface["peer"] if interface else None
    return next((port for port in evidence.bridge_ports if port["name"] == name), None)


def dropped_frames(host: str, links: t.Collection[str], facts: Facts, evidence: Evidence) -> Cause | None:
    """Check the rules that drop packets on devices, before or after the rules of IP. Those of bridges are traced."""
    for chain in _chains(evidence, ("netdev",)):
        if chain.device in links:
            cause = _dropped(host, chain, facts, links, None)
            if cause is not None:
                return cause
    return None


def dropped_resolution(
    host: str, links: t.Collection[str], ends: t.Collection[str], protocol: str, evidence: Evidence
) -> Cause | None:
    """Check the rules that drop ARP between two addresses on these links, or the ICMP by which IPv6 resolves them."""
    if protocol != RESOLUTION[4]:
        return _dropped_solicitation(host, links, protocol, evidence)
    facts = {
        "ether type": frozenset(("arp",)),
        "meta protocol": frozenset(("arp",)),
        "arp operation": frozenset(("request", "reply")),
        "arp saddr ip": frozenset(ends),
        "arp daddr ip": frozenset(ends),
        **{name: frozenset(()) for name in FIELDS},
    }
    for chain in _chains(evidence, ("bridge", "arp", "netdev")):
        if chain.device is None or chain.device in links:
            cause = _dropped(host, chain, facts, links, protocol)
            if cause is not None:
                return cause
    return None


def _dropped_solicitation(host: str, links: t.Collection[str], protocol: str, evidence: Evidence) -> Cause | None:
    """The addresses of these packets are not known: some are link-local, or those of groups."""
    facts = {
        **{name: frozenset(()) for name in FIELDS if name not in ("ip6 saddr", "ip6 daddr")},
        "ether type": frozenset(("ip6",)),
        "meta protocol": frozenset(("ip6",)),
        "meta nfproto": frozenset(("ipv6",)),
        "meta l4proto": frozenset(("ipv6-icmp",)),
        "ip6 nexthdr": frozenset(("ipv6-icmp",)),
        "icmpv6 type": frozenset(("nd-neighbor-solicit", "nd-neighbor-advert")),
        "ct state": frozenset(("untracked",)),
    }
    for chain in _chains(evidence, ("bridge", "netdev", "ip6", "inet")):
        if chain.device is None or chain.device in links:
            cause = _dropped(host, chain, facts, links, protocol)
            if cause is not None:
                return cause
    return None


def _chains(evidence: Evidence, families: t.Container[str]) -> t.Iterator[Chain]:
    for data in evidence.frame_chains:
        chain = Chain.from_data(data)
        if chain.family in families and chain.table != BRIDGE_TABLE:
            yield chain


def _dropped(host: str, chain: Chain, facts: Facts, links: t.Collection[str], protocol: str | None) -> Cause | None:
    known = {**facts, **{name: frozenset(links) for name in ("iifname", "iif", "oifname", "oif")}}
    rule = dropping_rule(chain, known)
    if rule is None:
        return None
    values = {"table": chain.table, "chain": chain.name, "rule": rule, "protocol": protocol}
    return Cause(CauseKind.FRAMES_DROPPED, host, values)


def queue(host: str, links: t.Collection[str], evidence: Evidence) -> Cause | None:
    """Check the queueing disciplines on the path: whether one dropped packets during the trace."""
    for each in evidence.queues:
        if each["link"] in links and each["lost"]:
            values = {"interface": each["link"], "container": None, "queue": each["kind"], "lost": each["lost"]}
            return Cause(CauseKind.QUEUE, host, values)
    return None


def connections(host: str, evidence: Evidence) -> Cause | None:
    """Check whether connection tracking was full, and dropped packets during the trace."""
    found = evidence.connections
    if not found.get("lost") or not found.get("most") or found["count"] < _FULL * found["most"]:
        return None
    values = {key: found[key] for key in ("count", "most", "lost")}
    return Cause(CauseKind.CONNECTIONS_FULL, host, values)


def duplicate(end: Endpoint, evidence: Evidence) -> Cause | None:
    """Check whether another interface at the container's bridge has its address, or that of its gateway."""
    interface = evidence.interface(end)
    if interface is None or interface["bridge"] is None:
        return None
    gateway = interface["gateway" if end.version == 4 else "gateway_v6"]
    for address in (end.address, gateway):
        owners = _owners_at(interface["bridge"], str(address), evidence) if address else []
        if len(owners) > 1:
            return Cause(CauseKind.DUPLICATE_ADDRESS, end.host, {"address": address, "owners": owners})
    return None


def _owners_at(bridge: str, address: str, evidence: Evidence) -> list[str]:
    links = [link["name"] for link in evidence.info["links"] if link["name"] == bridge]
    found = [
        f"interface {link['name']}"
        for link in evidence.info["links"]
        if link["name"] in links and holds(link["addresses"], address)
    ]
    found += [
        f"container {container['name']}"
        for container in evidence.info["containers"]
        if any(each["bridge"] == bridge and holds(each["addresses"], address) for each in container["interfaces"])
    ]
    return found


def duplicate_of_hosts(owner: str, address: str | None, hosts: t.Mapping[str, Evidence]) -> Cause | None:
    """Check whether another host than its owner has an address of the underlay."""
    names = [name for name, evidence in hosts.items() if address is not None and address in evidence.addresses]
    others = [name for name in names if name != owner]
    if not others:
        return None
    values = {"address": address, "owners": [f"host {name}" for name in dict.fromkeys((*names, owner))]}
    return Cause(CauseKind.DUPLICATE_ADDRESS, others[0], values)
