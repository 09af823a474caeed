# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes and locations as sentences: the only place that makes them. Pure; nothing reads a sentence back.

What to do about a cause is in remedies.py.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift import difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.inside import RESOLUTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.routing import (
    route_text,
    rule_text,
)

_OWNERS = {Owner.OURS: "rule of this collection", Owner.DOCKER: "Docker's rule", Owner.FOREIGN: "foreign rule"}

_CAUSES = {
    CauseKind.NOT_RUNNING: "container {container} is not running",
    CauseKind.NO_INTERFACE: "container {container} has no interface except lo",
    CauseKind.INTERFACE_DOWN: "{where} is down",
    CauseKind.ADDRESS_MISSING: "{where} does not have address {address}; it has {observed}",
    CauseKind.NO_DEFAULT_ROUTE: "container {container} has no default route",
    CauseKind.NO_GATEWAY: "bridge {bridge} does not have address {gateway}, the gateway of container {container}",
    CauseKind.NO_PEER: "{where} has no peer on the host",
    CauseKind.NOT_ON_BRIDGE: "{where} is not attached to bridge {bridge}",
    CauseKind.ON_ANOTHER_BRIDGE: "{where} is attached to bridge {observed} instead of {bridge}",
    CauseKind.PORT_BLOCKED: "{where}, a port of bridge {bridge}, is in state {state} and does not forward",
    CauseKind.PORTS_ISOLATED: (
        "interfaces {interfaces} are isolated ports of bridge {bridge}, which forwards nothing between these"
    ),
    CauseKind.DUPLICATE_ADDRESS: "{owners} have the same address {address}",
    CauseKind.SMALL_MTU: "{where} has an MTU of {mtu} bytes",
    CauseKind.DROPPED_INSIDE: "{where} drops the packet in the network namespace of container {container}",
    CauseKind.WRONG_ROUTE_INSIDE: "the route of container {container} to {destination} {leads}",
    CauseKind.NO_DNS_RULES: "container {container} has no rules that forward its queries to Docker's DNS server",
    CauseKind.PORT_HELD: (
        "process {process} (PID {pid}) holds {port}, and no NAT rule forwards the port to container {container}"
    ),
    CauseKind.NOT_PUBLISHED: "neither a NAT rule nor docker-proxy forwards {port} to container {container}",
    CauseKind.DROPPED: "{where} drops the packet",
    CauseKind.NOT_ACCEPTED: "{where} drops the packet: no rule accepts it",
    CauseKind.UNTRACKED: "{where} separates packets from the connections that the kernel tracks",
    CauseKind.ACCEPTED: "{where} accepts the packet",
    CauseKind.SOURCE_REWRITTEN: "{where} changes the source address",
    CauseKind.REDIRECTED: "{where} changes the destination address",
    CauseKind.TABLE_NOT_LOADED: "table {table} is not loaded",
    CauseKind.SAME_BRIDGE: "both containers are attached to bridge {bridge}, where no policy applies",
    CauseKind.PROXIED: (
        "no NAT rule forwards {port}, so docker-proxy connects to container {container}, with the address of the host "
        "itself"
    ),
    CauseKind.NOT_FORWARDING: "forwarding is off: {sysctl} is 0",
    CauseKind.NO_ROUTE: "no route to {destination}",
    CauseKind.UNREACHABLE: "no route to {destination}, or the interface does not forward",
    CauseKind.DROPPING_ROUTE: "a route of type {type} drops packets to {destination}",
    CauseKind.REVERSE_PATH: (
        "rp_filter drops packets to {destination}: the route back to the source uses another interface"
    ),
    CauseKind.LOOKUP_FAILED: "the kernel does not route packets to {destination}: {error}",
    CauseKind.WRONG_NEXT_HOP: "the route to {destination} leads to {next_hop}, not to {target}",
    CauseKind.FRAMES_DROPPED: "{where} drops {protocol}",
    CauseKind.WRONG_NEIGHBOUR: "neighbor {address} has MAC address {observed}, {expected}",
    CauseKind.CONNECTIONS_FULL: (
        "connection tracking is full ({count} of {most} connections) and dropped {lost} packets during the trace"
    ),
    CauseKind.QUEUE: "queueing discipline {queue} of {where} dropped {lost} packets during the trace",
    CauseKind.NO_NEIGHBOUR: "neighbor {address} does not answer {protocol}{of}",
    CauseKind.DIFFERENT: "",
}


def explanation(causes: t.Iterable[Cause]) -> str | None:
    """Return the causes as text; None without causes."""
    return "; ".join(sentence(cause) for cause in causes) or None


def sentence(cause: Cause) -> str:
    """Return one cause as text, the host first."""
    values = dict(cause.values)
    values.setdefault("where", _where(values))
    more = _MORE.get(cause.kind)
    if more is not None:
        values.update(more(values))
    text = _CAUSES[cause.kind].format(**values)
    notes = [_OWNERS[cause.owner]] if cause.owner else []
    if cause.kind is CauseKind.DROPPED and cause.owner is Owner.OURS and not cause.differences:
        notes.append("as planned")
    notes += [difference.sentence(each) for each in cause.differences]
    notes += _decided_by(values)
    joined = "; ".join(notes)
    return f"{cause.host}: {text} ({joined})" if text and notes else f"{cause.host}: {text or joined}"


Values = t.Mapping[str, t.Any]


def _where(values: Values) -> str:
    """The rule or interface that a cause is about."""
    if "chain" in values:
        rule = f"rule '{values['rule']}'" if values["rule"] else "the policy"
        return f"{rule} of table {values['table']}, chain {values['chain']}"
    owner = f" of container {values['container']}" if values.get("container") else ""
    return f"interface {values.get('interface')}{owner}"


def _decided_by(values: Values) -> list[str]:
    """The route and the routing rule that decide, if they are not those of every host."""
    found = []
    if values.get("route"):
        found.append(f"by route {route_text(values['route'])}")
    if values.get("routing_rule"):
        found.append(f"by routing rule {rule_text(values['routing_rule'])}")
    return found


def _observed(values: Values) -> Values:
    return {"observed": ", ".join(values["observed"]) or "none"}


def _next_hop(values: Values) -> Values:
    return {"next_hop": _hop(values)}


def _hop(values: Values) -> str:
    gateway, interface = values["gateway"], values["interface"]
    return f"gateway {gateway}" if gateway else f"interface {interface} without a gateway"


def _expected(values: Values) -> Values:
    if "target" in values:
        return {"expected": f"which {values['target']} does not have"}
    if "inside" in values:
        return {"expected": f"for container {values['inside']}; it must have {values['mac']}"}
    return {"expected": f"container {values['container']} has {values['mac']}"}


def _leads(values: Values) -> Values:
    if "error" in values:
        return {"leads": f"is missing or drops packets: {values['error']}"}
    if "type" in values:
        return {"leads": f"is of type {values['type']} and drops packets"}
    declared = f"gateway {values['declared']}" if values["declared"] else "its neighbor"
    return {"leads": f"leads to {_hop(values)}, not to {declared}"}


def _names(values: Values) -> Values:
    return {"interfaces": " and ".join(values["interfaces"])}


def _owners(values: Values) -> Values:
    return {"owners": " and ".join(values["owners"])}


def _of(values: Values) -> Values:
    return {"of": f" of container {values['inside']}" if values.get("inside") else ""}


def _protocol(values: Values) -> Values:
    return {"protocol": f"{values['protocol']} between the neighbors" if values["protocol"] else "the packet"}


_MORE: t.Mapping[CauseKind, t.Callable[[Values], Values]] = {
    CauseKind.ADDRESS_MISSING: _observed,
    CauseKind.WRONG_NEXT_HOP: _next_hop,
    CauseKind.WRONG_NEIGHBOUR: _expected,
    CauseKind.WRONG_ROUTE_INSIDE: _leads,
    CauseKind.PORTS_ISOLATED: _names,
    CauseKind.DUPLICATE_ADDRESS: _owners,
    CauseKind.NO_NEIGHBOUR: _of,
    CauseKind.FRAMES_DROPPED: _protocol,
}


def location(found: Location) -> str:
    """Where a packet was last seen, as text."""
    packet = "the answer" if found.answer else "the packet"
    if found.seen is None:
        return f"{packet} did not arrive on host {found.missed}"
    if found.missed is None:
        return f"{packet} was last seen on host {found.seen}"
    text = f"{packet} was last seen on host {found.seen} and did not arrive on host {found.missed}"
    if found.unresolved is None:
        return text
    protocol = RESOLUTION[6 if ":" in found.unresolved else 4]
    return f"{text}: {found.unresolved} does not answer {protocol} of host {found.seen}"
