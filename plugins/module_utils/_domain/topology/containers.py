# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's containers as nodes in their networks, with edges to further networks and to shared namespaces. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    ATTACHMENT,
    CONTAINER,
    DRIFTED,
    NAMESPACE,
    NETWORK,
    NEUTRAL,
    Data,
    Edge,
    Node,
    node_id,
)

_SHARED = "container:"


def containers_of(host: Node, networks: t.Sequence[Node], report: Data) -> tuple[list[Node], list[Edge]]:
    """Return the containers of a host's report, sorted by name.

    A container is placed in the first of its networks by name, of declared ones if there are any, with an edge to each
    other one. A container that shares
    another's namespace is placed with it. One without networks is placed in Docker's ``none`` or ``host``.
    """
    known = {network.id: network for network in networks}

    def declared(name: str) -> bool:
        network = known.get(node_id(NETWORK, host.name, name))
        return network is not None and network.declared is not None

    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for item in sorted(report.get("containers", ()), key=lambda item: str(item["name"])):
        attached = sorted(item["networks"], key=lambda end: (not declared(end["network"]), str(end["network"])))
        node = Node(
            node_id(CONTAINER, host.name, item["name"]), CONTAINER, item["name"], host.id, NEUTRAL, observed=item
        )
        places = [node_id(NETWORK, host.name, end["network"]) for end in attached]
        home = places[0] if places else node_id(NETWORK, host.name, item["mode"])
        if home in known:
            node.parent = home
        for end, place in zip(attached, places):
            node.notes += _misplaced(end, known.get(place))
            if place != node.parent and place in known:
                edges.append(Edge(f"{ATTACHMENT}/{node.id}/{end['network']}", ATTACHMENT, node.id, place, NEUTRAL))
        if node.notes:
            node.state = DRIFTED
        published = [published_text(port) for port in item.get("ports") or ()]
        addresses = [address for end in attached[:1] for address in _addresses(end)] or [item["mode"]]
        addresses += [f"{end['network']} {address}" for end in attached[1:] for address in _addresses(end)]
        node.label = (item["name"], *addresses, *_few(published))
        nodes[item["name"]] = node
    for node in nodes.values():
        mode = str((node.observed or {})["mode"])
        owner = nodes.get(mode[len(_SHARED) :]) if mode.startswith(_SHARED) else None
        if owner is not None:
            node.parent = owner.parent
            edges.append(Edge(f"{NAMESPACE}/{node.id}", NAMESPACE, node.id, owner.id, NEUTRAL))
    return list(nodes.values()), edges


def _addresses(end: Data) -> list[str]:
    return [str(end[key]).split("/", maxsplit=1)[0] for key in ("ipv4", "ipv6") if end.get(key)]


def published_text(port: Data) -> str:
    """Return ``8080→80/tcp``, with the host's address unless all are published."""
    address = str(port.get("host_address") or "")
    place = "" if address in ("", "0.0.0.0", "::") else f"[{address}]:" if ":" in address else f"{address}:"
    return f"{place}{port['host_port']}→{port['port']}/{port['protocol']}"


def _few(published: t.Sequence[str]) -> list[str]:
    texts = list(dict.fromkeys(published))  # IPv4 and IPv6 publish the same port
    if len(texts) > 2:
        texts = [*texts[:1], f"and {len(texts) - 1} more ports"]
    return texts


def _misplaced(end: Data, network: Node | None) -> list[str]:
    """Return the addresses outside the declared subnets of the network, as text."""
    blocks = ((network.declared or {}) if network else {}).get("ipam_config", ())
    subnets = [Prefix.parse(block["subnet"]) for block in blocks if block.get("subnet")]
    found = []
    for key in ("ipv4", "ipv6"):
        if not end.get(key):
            continue
        version, number = parse_address(end[key].split("/", maxsplit=1)[0])
        own = [subnet for subnet in subnets if subnet.version == version]
        if own and not any(subnet.has(number) for subnet in own):
            found.append(
                f"address {end[key]} is not in {', '.join(map(str, own))}, the declared subnet of {end['network']}"
            )
    return found
