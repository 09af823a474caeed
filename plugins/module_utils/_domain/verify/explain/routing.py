# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routing rule and the route that decide about a flow, among those of all tables. Pure.

The kernel's own lookup returns neither. What is found here counts only if it agrees with that lookup.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import (
    TABLE_LOCAL,
    TABLE_MAIN,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data

DROPPING = ("blackhole", "unreachable", "prohibit")
_THROW = "throw"
# The rules that every host has.
_USUAL_PRIORITIES = (0, 32766, 32767)


class Decision(t.NamedTuple):
    """A routing rule, and the route in its table; None if the rule itself drops the packet."""

    rule: Data
    route: Data | None


def decide(flow: Flow, lookup: Data, rules: t.Sequence[Data], routes: t.Sequence[Data]) -> Decision | None:
    """Return what decides about a flow; None if it is unknown. ``lookup`` is the kernel's answer."""
    destination = ipaddress.ip_address(flow.destination)
    for rule in sorted((each for each in rules if each["version"] == flow.version), key=_priority):
        if rule["table"] == TABLE_LOCAL or rule["other"] or not _selects(rule, flow, lookup):
            continue
        if rule["action"] is not None:
            decision = Decision(rule, None)
        else:
            found = _most_specific(routes, rule["table"], destination)
            if not found or found[0]["type"] == _THROW:
                continue
            decision = Decision(rule, next((route for route in found if _agrees(route, lookup)), found[0]))
        return decision if _confirmed(decision, lookup) else None
    return None


def values_of(decision: Decision | None) -> dict[str, t.Any]:
    """The values of a cause that name the decision: ``route``, and ``routing_rule`` unless every host has it."""
    if decision is None:
        return {}
    found: dict[str, t.Any] = {}
    if decision.route is not None:
        keys = ("destination", "gateway", "device", "type", "table")
        found["route"] = {key: decision.route[key] for key in keys}
    if decision.rule["priority"] not in _USUAL_PRIORITIES:
        found["routing_rule"] = dict(decision.rule)
    return found


def route_text(route: Data) -> str:
    """A route as ``ip route`` prints it."""
    words = [] if route["type"] == "unicast" else [route["type"]]
    words.append(route["destination"])
    words += ["via", route["gateway"]] if route["gateway"] else []
    words += ["dev", route["device"]] if route["device"] else []
    words += ["table", str(route["table"])] if route["table"] != TABLE_MAIN else []
    return " ".join(words)


def rule_text(rule: Data) -> str:
    """A routing rule as ``ip rule`` accepts it."""
    words = ["from", rule["source"] or "all"]
    words += ["to", rule["destination"]] if rule["destination"] else []
    words += ["fwmark", hex(rule["mark"])] if rule["mark"] is not None else []
    words += ["iif", rule["incoming"]] if rule["incoming"] else []
    words += [rule["action"]] if rule["action"] else ["lookup", str(rule["table"])]
    return " ".join([*words, "priority", str(rule["priority"])])


def _priority(rule: Data) -> int:
    return int(rule["priority"])


def _selects(rule: Data, flow: Flow, lookup: Data) -> bool:
    for key, address in (("source", flow.source), ("destination", flow.destination)):
        if rule[key] is not None and ipaddress.ip_address(address) not in ipaddress.ip_network(rule[key]):
            return False
    if rule["incoming"] is not None and rule["incoming"] != lookup.get("iif"):
        return False
    mark, mask = rule["mark"], rule["mask"] if rule["mask"] is not None else 0xFFFFFFFF
    return mark is None or (int(str(lookup.get("mark") or 0), 0) & mask) == mark


def _most_specific(routes: t.Sequence[Data], table: object, destination: t.Any) -> list[Data]:
    """The routes to the longest prefix with the lowest metric; several for several next hops."""
    found: list[Data] = []
    best: tuple[int, int] | None = None
    for route in routes:
        network = ipaddress.ip_network(route["destination"])
        if route["table"] != table or network.version != destination.version or destination not in network:
            continue
        rank = -network.prefixlen, route["metric"] or 0
        if best is None or rank < best:
            best, found = rank, [route]
        elif rank == best:
            found.append(route)
    return found


def _agrees(route: Data, lookup: Data) -> bool:
    return (route["gateway"], route["device"]) == (lookup.get("gateway"), lookup.get("dev"))


def _confirmed(decision: Decision, lookup: Data) -> bool:
    """Whether the kernel's lookup has the same result."""
    kind = decision.rule["action"] if decision.route is None else decision.route["type"]
    if "error" in lookup or lookup.get("type") in DROPPING:
        return kind in DROPPING
    return decision.route is not None and _agrees(decision.route, lookup)
