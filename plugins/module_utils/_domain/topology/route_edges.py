# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes between hosts as edges: those of the plan, and those on the hosts with this collection's protocol. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import parse_peers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    DRIFTED,
    HOST,
    MISSING,
    ROUTE,
    SEGMENT,
    UNDECLARED,
    UNKNOWN,
    Data,
    Edge,
    node_id,
)


def route_edges(hosts: t.Mapping[str, Data], peers: t.Sequence[Data], reports: t.Mapping[str, Data]) -> list[Edge]:
    """Return one edge per route, from the host that has it to the host that it leads to; O(hosts squared)."""
    behind: dict[str, str] = {
        str(peer[key]): peer["host"]
        for peer in peers
        for key in ("underlay_address", "underlay_address_v6")
        if peer.get(key)
    }
    edges = []
    for name, part in hosts.items():
        report = reports.get(name)
        own = {
            route["destination"]: route
            for route in (report or {}).get("routes", ())
            if int(route["protocol"] or 0) == int(ROUTE_PROTOCOL)
        }
        for planned in parse_peers(peers, name):
            block = str(planned.block)
            edge = Edge(
                f"{ROUTE}/{name}/{block}", ROUTE, node_id(HOST, name), node_id(HOST, planned.host), UNKNOWN, block
            )
            wanted = f"declared: {block} via {planned.gateway}"
            if report is not None:
                found = own.pop(block, None)
                edge.state = MISSING if found is None else AS_DECLARED
                edge.details = [wanted, f"observed: {_text(found) if found else 'no route'}"]
                if found is not None and found["gateway"] != planned.gateway:
                    edge.state = DRIFTED
            edges.append(edge)
        for block, route in own.items():
            target = behind.get(str(route["gateway"]), "")
            place = node_id(HOST, target) if target in hosts else node_id(SEGMENT, str(part.get("link") or "default"))
            edges.append(
                Edge(f"{ROUTE}/{name}/{block}", ROUTE, node_id(HOST, name), place, UNDECLARED, block,
                     ["declared: no route", f"observed: {_text(route)}"])
            )  # fmt: skip
    return edges


def _text(route: Data) -> str:
    gateway = f" via {route['gateway']}" if route["gateway"] else ""
    return f"{route['destination']}{gateway} dev {route['device']}"
