# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults in a container's network namespace. Pure; each function returns None if it finds nothing."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import (
    Chain,
    Facts,
    dropping_rule,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.routing import DROPPING
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint, Probe

_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
# Fields that only packets of some protocols have.
FIELDS = (
    "ip saddr", "ip daddr", "ip protocol", "ip6 saddr", "ip6 daddr", "ip6 nexthdr", "tcp dport", "tcp sport",
    "udp dport", "udp sport", "icmp type", "icmpv6 type",
)  # fmt: skip
FAILED = ("FAILED", "INCOMPLETE")
RESOLUTION = {4: "ARP", 6: "neighbor solicitations"}


def packet_facts(probe: Probe, source: Endpoint, target: Endpoint, answer: bool = False) -> dict[str, frozenset[str]]:
    """What is known about the packets of a probe, or of its answer, by condition of nftables."""
    version = source.version
    family, icmp = ("ip", "icmp") if version == 4 else ("ip6", "icmpv6")
    protocol = {"icmp": icmp if version == 4 else "ipv6-icmp"}.get(probe.protocol, probe.protocol)
    facts: dict[str, set[str]] = {
        f"{family} saddr": {source.address},
        f"{family} daddr": {target.address},
        "meta l4proto": {protocol},
        "meta protocol": {family},
        "ether type": {family},
        "meta nfproto": {f"ipv{version}"},
        "ct state": {"established"} if answer else {"new"},
        ("ip protocol" if version == 4 else "ip6 nexthdr"): {protocol},
    }
    facts.update((name, set()) for name in FIELDS if name not in facts and not name.startswith(f"{probe.protocol} "))
    if probe.port is not None:
        facts[f"{probe.protocol} {'sport' if answer else 'dport'}"] = {str(probe.port)}
    elif probe.protocol == "icmp":
        facts[f"{icmp} type"] = {"echo-reply" if answer else "echo-request"}
    return {name: frozenset(values) for name, values in facts.items()}


def drops(end: Endpoint, hook: str, facts: Facts, evidence: Evidence) -> Cause | None:
    """Check the container's own rules: ``hook`` is output for what it sends, input for what it receives."""
    inside = evidence.namespaces.get(end.container)
    interface = evidence.interface(end)
    if inside is None or interface is None:
        return None
    links = {"output": ("oifname", "oif"), "input": ("iifname", "iif")}[hook]
    known = {**facts, **{name: frozenset((interface["name"],)) for name in links}}
    for chain in map(Chain.from_data, inside["chains"]):
        if chain.hook == hook and chain.table.split()[0] in _FAMILIES[end.version]:
            rule = dropping_rule(chain, known)
            if rule is not None:
                values = {"container": end.container, "table": chain.table, "chain": chain.name, "rule": rule}
                return Cause(CauseKind.DROPPED_INSIDE, end.host, values)
    return None


def sends(end: Endpoint, other: Endpoint, evidence: Evidence) -> Cause | None:
    """Check the container's route and neighbor for packets to ``other``, and its queues."""
    inside, interface = evidence.namespaces.get(end.container), evidence.interface(end)
    if inside is None or interface is None:
        return None
    lookup = next((each for each in inside["lookups"] if each["destination"] == other.address), None)
    if lookup is not None:
        wrong = _wrong_route(lookup, interface["name"], gateway_to(end, other, interface))
        if wrong:
            values = {"container": end.container, "destination": other.address, **wrong}
            return Cause(CauseKind.WRONG_ROUTE_INSIDE, end.host, values)
    return knows_neighbour(end, other, evidence) or _queue(end, inside, interface["name"])


def _wrong_route(lookup: Data, interface: str, gateway: str | None) -> dict[str, t.Any]:
    """How a route differs from that by the gateway; empty if it does not."""
    if "error" in lookup:
        return {"error": lookup["error"]}
    if lookup.get("type") in DROPPING:
        return {"type": lookup["type"]}
    if (lookup.get("dev"), lookup.get("gateway")) == (interface, gateway):
        return {}
    return {"gateway": lookup.get("gateway"), "interface": lookup.get("dev"), "declared": gateway}


def _neighbour(end: Endpoint, other: Endpoint, evidence: Evidence) -> tuple[Data | None, str | None]:
    """The container's entry for the next hop to ``other``, and the MAC address that it must have, if known."""
    inside, interface = evidence.namespaces.get(end.container), evidence.interface(end)
    if inside is None or interface is None:
        return None, None
    hop, expected = gateway_to(end, other, interface), _mac_of_gateway(end, evidence)
    if hop is None:
        hop, expected = other.address, _mac_of_neighbour(end, other, evidence)
    return next((entry for entry in inside["neighbours"] if entry.get("dst") == hop), None), expected


def knows_neighbour(end: Endpoint, other: Endpoint, evidence: Evidence) -> Cause | None:
    """Check that the container's next hop has the MAC address of its gateway or neighbor."""
    entry, expected = _neighbour(end, other, evidence)
    if entry is None or expected is None or entry.get("lladdr") in (None, expected):
        return None
    values = {"inside": end.container, "address": entry["dst"], "observed": entry["lladdr"], "mac": expected}
    return Cause(CauseKind.WRONG_NEIGHBOUR, end.host, values)


def resolves_neighbour(end: Endpoint, other: Endpoint, evidence: Evidence) -> Cause | None:
    """Check that the container's next hop answers."""
    entry, _expected = _neighbour(end, other, evidence)
    if entry is None or not set(entry.get("state", ())) & set(FAILED):
        return None
    values = {"inside": end.container, "address": entry["dst"], "protocol": RESOLUTION[end.version]}
    return Cause(CauseKind.NO_NEIGHBOUR, end.host, values)


def gateway_to(end: Endpoint, other: Endpoint, interface: Data) -> str | None:
    """The gateway to ``other``; None for a neighbor."""
    if _on_link(interface, other.address):
        return None
    return t.cast("str | None", interface["gateway" if end.version == 4 else "gateway_v6"])


def _mac_of_gateway(end: Endpoint, evidence: Evidence) -> str | None:
    interface = evidence.interface(end)
    bridge = evidence.link(interface["bridge"]) if interface else None
    gateway = interface["gateway" if end.version == 4 else "gateway_v6"] if interface else None
    return bridge["mac"] if bridge is not None and gateway in evidence.gateways(end) else None


def _mac_of_neighbour(end: Endpoint, other: Endpoint, evidence: Evidence) -> str | None:
    interface = evidence.interface(other) if other.host == end.host else None
    return interface["mac"] if interface is not None else None


def _queue(end: Endpoint, inside: Data, name: str) -> Cause | None:
    for queue in inside["queues"]:
        if queue["link"] == name and queue["lost"]:
            values = {"container": end.container, "interface": name, "queue": queue["kind"], "lost": queue["lost"]}
            return Cause(CauseKind.QUEUE, end.host, values)
    return None


def _on_link(interface: Data, address: str) -> bool:
    """Whether an address is in a subnet of an interface."""
    wanted = ipaddress.ip_address(address)
    networks = (ipaddress.ip_interface(own).network for own in interface["addresses"])
    return any(wanted in network for network in networks if network.version == wanted.version)


def resolves(end: Endpoint, evidence: Evidence) -> Cause | None:
    """Check the rules that forward queries to Docker's DNS server."""
    inside = evidence.namespaces.get(end.container)
    if inside is None or inside["embedded_dns"]:
        return None
    return Cause(CauseKind.NO_DNS_RULES, end.host, {"container": end.container})
