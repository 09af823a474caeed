# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes and locations as sentences: the only place that makes them. Pure; nothing reads a sentence back."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift import difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Location,
    Owner,
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
    CauseKind.DROPPED: "{where} drops the packet",
    CauseKind.NOT_ACCEPTED: "{where} drops the packet: no rule accepts it",
    CauseKind.ACCEPTED: "{where} accepts the packet",
    CauseKind.SOURCE_REWRITTEN: "{where} changes the source address",
    CauseKind.REDIRECTED: "{where} changes the destination address",
    CauseKind.TABLE_NOT_LOADED: "table {table} is not loaded",
    CauseKind.SAME_BRIDGE: "both containers are attached to bridge {bridge}, where no policy applies",
    CauseKind.PROXIED: (
        "no NAT rule forwards {port}, so docker-proxy connects to container {container}, with the address of the host "
        "itself. Set userland_proxy: false in docker_fleet_default_bridge, or ingress: policy for a declared network"
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
    CauseKind.WRONG_NEIGHBOUR: "neighbor {address} has MAC address {observed}, {expected}",
    CauseKind.NO_NEIGHBOUR: "neighbor {address} does not answer {protocol}",
    CauseKind.QUEUE: "queueing discipline {queue} on interface {interface} may drop packets: {text}",
    CauseKind.FRAME_TABLE: "foreign table {table} may drop frames",
    CauseKind.SMALL_MTU: "{where} has an MTU of {mtu} bytes",
    CauseKind.DIFFERENT: "",
}


def explanation(causes: t.Iterable[Cause]) -> str | None:
    """Return the causes as text; None without causes."""
    return "; ".join(sentence(cause) for cause in causes) or None


def sentence(cause: Cause) -> str:
    """Return one cause as text, the host first."""
    values = dict(cause.values)
    values.setdefault("where", _where(values))
    if cause.kind is CauseKind.ADDRESS_MISSING:
        values["observed"] = ", ".join(values["observed"]) or "none"
    elif cause.kind is CauseKind.WRONG_NEXT_HOP:
        gateway, interface = values["gateway"], values["interface"]
        values["next_hop"] = f"gateway {gateway}" if gateway else f"interface {interface} without a gateway"
    elif cause.kind is CauseKind.WRONG_NEIGHBOUR:
        container = f"container {values.get('container')} has {values.get('mac')}"
        values["expected"] = f"which {values['target']} does not have" if "target" in values else container
    text = _CAUSES[cause.kind].format(**values)
    notes = [_OWNERS[cause.owner]] if cause.owner else []
    if cause.kind is CauseKind.DROPPED and cause.owner is Owner.OURS and not cause.differences:
        notes.append("as planned")
    notes += [difference.sentence(each) for each in cause.differences]
    joined = "; ".join(notes)
    return f"{cause.host}: {text} ({joined})" if text and notes else f"{cause.host}: {text or joined}"


def _where(values: t.Mapping[str, t.Any]) -> str:
    """The rule or interface that a cause is about."""
    if "chain" in values:
        rule = f"rule '{values['rule']}'" if values["rule"] else "the policy"
        return f"{rule} of table {values['table']}, chain {values['chain']}"
    owner = f" of container {values['container']}" if values.get("container") else ""
    return f"interface {values.get('interface')}{owner}"


def location(found: Location) -> str:
    """Where a packet was last seen, as text."""
    packet = "the answer" if found.answer else "the packet"
    if found.seen is None:
        return f"{packet} did not arrive on host {found.missed}"
    if found.missed is None:
        return f"{packet} was last seen on host {found.seen}"
    return f"{packet} was last seen on host {found.seen} and did not arrive on host {found.missed}"
