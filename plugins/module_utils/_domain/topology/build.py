# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a topology from the plan, reports of ``network_info`` and verdicts of ``fleet_report``. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import NETWORK as NETWORK_KIND
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.drawn import (
    DEFAULT_BRIDGE_NETWORK,
    Drift,
    drift_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import verified
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.containers import containers_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    DRIFTED,
    HOST,
    MISSING,
    NETWORK,
    NEUTRAL,
    SEGMENT,
    UNDECLARED,
    UNDERLAY,
    UNKNOWN,
    Data,
    Edge,
    Node,
    Topology,
    node_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import CoverageFile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.view import view_policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.route_edges import route_edges

# Networks of these drivers have no addresses, and neither do containers on them.
_WITHOUT_ADDRESSES = ("host", "null")


def build(
    hosts: t.Mapping[str, Data],
    peers: t.Sequence[Data],
    reports: t.Mapping[str, Data],
    verdicts: t.Sequence[Data] | None = None,
    verified_at: str | None = None,
    failures: t.Mapping[str, str] | None = None,
    parts: t.Mapping[str, t.Mapping[str, Data]] | None = None,
    coverage: CoverageFile | None = None,
    policy: Policy | None = None,
) -> Topology:
    """Return the topology of the plan's ``hosts`` (slices by name) and ``peers``.

    ``reports`` are the results of ``network_info`` by host; a host without one is drawn as planned, in state unknown.
    ``verdicts`` are the entries of ``reachability.json``; ``verified_at`` is their time, as text. ``coverage`` is
    ``coverage.json``. ``failures`` are the reasons why a host has no report, ``parts`` what ``host_slice`` would change
    on it. ``policy`` is the plan's.
    """
    nodes: list[Node] = [
        Node(node_id(SEGMENT, link), SEGMENT, link, None, NEUTRAL, (f"underlay {link}",))
        for link in sorted({_segment(part) for part in hosts.values()})
    ]
    edges: list[Edge] = []
    routes = route_edges(hosts, peers, reports)
    routes_of: dict[str, list[Edge]] = {}
    for edge in routes:
        routes_of.setdefault(edge.source, []).append(edge)
    for name, part in hosts.items():
        report = reports.get(name)
        host = _host(name, part, report)
        failure = (failures or {}).get(name)
        if report is not None and failure:
            host.state = DRIFTED
            host.notes.append(f"differences from the plan are unknown: {failure}")
        if host.state == UNKNOWN:
            host.notes.append(f"no report: {failure or 'excluded by --limit, or failed earlier'}")
        networks = _networks(host, part, report)
        inner, joined = containers_of(host, networks, report) if report else ([], [])
        nodes += [host, *(network for network in networks if _worth_drawing(network, inner)), *inner]
        edges += [_underlay(host, part, report), *joined]
        if host.id in routes_of:
            host.label += (_routes_label(routes_of[host.id]),)
        _take_drift(host, networks, drift_of((parts or {}).get(name, {})))
    topology = Topology(nodes, [*edges, *routes])
    if verdicts is not None:
        verified.add(topology, verdicts, verified_at or "")
        topology.coverage = coverage.text if coverage else ()
    if policy is not None:
        topology.policy = view_policy(policy, hosts, verdicts, coverage)
    return topology


def _segment(part: Data) -> str:
    return str(part.get("link") or "default")


def _host(name: str, part: Data, report: Data | None) -> Node:
    declared = {key: part[key] for key in ("underlay_address", "link", "block", "block_v6") if part.get(key)}
    host = Node(node_id(HOST, name), HOST, name, None, AS_DECLARED, (name, str(part["underlay_address"])))
    host.declared = declared
    if report is None:
        host.state = UNKNOWN
        return host
    engine = report.get("engine") or {}
    host.observed = {
        "engine": engine.get("version"),
        "firewall_backend": engine.get("firewall_backend"),
        "forwarding": report.get("forwarding"),
        "firewall": report.get("firewall"),
        "links": [
            f"{link['name']}: " + ", ".join([link["state"], f"MTU {link['mtu']} bytes", *link["addresses"]])
            for link in report.get("links", ())
            if link["kind"] != "veth" or link["addresses"]
        ],
        "routes": [
            " ".join(
                [route["destination"], *(["via", route["gateway"]] if route["gateway"] else []),
                 "dev", str(route["device"]), f"protocol {route['protocol']}"]
            )
            for route in report.get("routes", ())
        ],
    }  # fmt: skip
    host.observed = {key: value for key, value in host.observed.items() if value not in (None, [], {})}
    if engine.get("version"):
        host.label += (f"engine {str(engine['version']).split('+', maxsplit=1)[0]}",)
    return host


def _underlay(host: Node, part: Data, report: Data | None) -> Edge:
    edge = Edge(f"{UNDERLAY}/{host.name}", UNDERLAY, host.id, node_id(SEGMENT, _segment(part)), UNKNOWN)
    address = str(part["underlay_address"])
    edge.label = address
    if report is None:
        return edge
    for link in report.get("links", ()):
        if address in (own.split("/", maxsplit=1)[0] for own in link["addresses"]):
            edge.label = f"{link['name']} {address}"
            edge.state = AS_DECLARED if link["state"] != "down" else DRIFTED
            edge.details = [f"interface {link['name']}, {link['state']}, MTU {link['mtu']} bytes"]
            return edge
    edge.state = MISSING
    edge.details = [f"no interface of {host.name} has the underlay address {address}"]
    return edge


def _networks(host: Node, part: Data, report: Data | None) -> list[Node]:
    """Return the host's networks: docker0, then the declared ones in order, then undeclared ones by name."""
    declared = {DEFAULT_BRIDGE_NETWORK: _default_bridge(part["default_bridge"])}
    declared.update((item["name"], item) for item in part["networks"])
    found = {item["name"]: item for item in (report or {}).get("networks", ())}
    nodes = []
    for name in [*declared, *sorted(found.keys() - declared.keys())]:
        wanted, have = declared.get(name), found.get(name)
        shown = DEFAULT_BRIDGE if name == DEFAULT_BRIDGE_NETWORK else name
        node = Node(node_id(NETWORK, host.name, name), NETWORK, shown, host.id, UNKNOWN, declared=wanted, observed=have)
        if report is not None and have is None:
            node.state = MISSING
            node.notes.append(f"network {shown} is declared for {host.name}, but not found")
        elif have is not None and wanted is None:
            node.state = NEUTRAL if have["driver"] in _WITHOUT_ADDRESSES else UNDECLARED
        elif have is not None and wanted is not None:
            node.drift += _other_subnets(shown, wanted, have)
            node.state = DRIFTED if node.drift else AS_DECLARED
        node.label = _network_label(node)
        nodes.append(node)
    return nodes


def _default_bridge(options: Data) -> Data:
    """Return docker0's options in the form of a declared network; the bridge's address determines the subnet."""
    blocks = []
    if options.get("bip"):
        gateway = str(options["bip"])
        blocks.append({"subnet": str(Prefix.holding(gateway)), "gateway": gateway.split("/", maxsplit=1)[0]})
    if options.get("fixed_cidr_v6"):
        blocks.append({"subnet": options["fixed_cidr_v6"]})
    return {**options, "name": DEFAULT_BRIDGE, "driver": "bridge", "ipam_config": blocks}


def _other_subnets(name: str, wanted: Data, have: Data) -> list[Difference]:
    """Return the differences of what is drawn. Other options are compared on the host, see ``_take_drift``."""
    found = []
    for key in ("subnet", "gateway"):
        declared = [block[key] for block in wanted.get("ipam_config", ()) if block.get(key)]
        observed = [block[key] for block in have["subnets"] if block[key]]
        there = ", ".join(observed) or None
        found += [Difference(NETWORK_KIND, name, key, value, there) for value in declared if value not in observed]
    if wanted.get("driver", "bridge") != have["driver"]:
        found.append(Difference(NETWORK_KIND, name, "driver", wanted["driver"], have["driver"]))
    return found


def _network_label(node: Node) -> tuple[str, ...]:
    have, wanted = node.observed, node.declared
    bridge = (have or {}).get("bridge") or (wanted or {}).get("bridge_name") or ""
    blocks = have["subnets"] if have else (wanted or {}).get("ipam_config", ())
    subnets = [str(block["subnet"]) for block in blocks if block["subnet"] is not None]
    # The engine names bridges by the network's id, which does not help a reader.
    plain = bridge in ("", node.name) or bridge.startswith("br-")
    title = node.name if plain else f"{node.name} ({bridge})"
    return (title, *subnets)


def _worth_drawing(network: Node, containers: t.Sequence[Node]) -> bool:
    """Whether to draw a network: Docker's ``host`` and ``none`` only if they contain a container."""
    return network.state != NEUTRAL or any(container.parent == network.id for container in containers)


def _routes_label(edges: t.Sequence[Edge]) -> str:
    right = sum(edge.state == AS_DECLARED for edge in edges)
    declared = sum(edge.state != UNDECLARED for edge in edges)
    if all(edge.state == UNKNOWN for edge in edges):
        return f"routes {declared} declared"
    return f"routes {right} of {declared}"


def _take_drift(host: Node, networks: t.Sequence[Node], drift: Drift) -> None:
    """Add the differences that the host's modules found; they compare every option."""
    places = [(host, drift.host)]
    places += [(network, drift.networks.get(network.id.rpartition("/")[2], [])) for network in networks]
    for node, differences in places:
        node.drift += [difference for difference in differences if difference not in node.drift]
        if differences and node.state == AS_DECLARED:
            node.state = DRIFTED
