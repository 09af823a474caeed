# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of published ports, from the other hosts and their containers. Pure.

A container that connects to a published port of another host is judged as what it is, by the lines between its network
and that of the container behind the port. A host is the world. What no line is about follows Docker's rules, and is not
probed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD, is_block
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import INGRESS, Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import (
    EndKind,
    Endpoint,
    Probe,
    PublishedPort,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import Tokens


def published_probes(policy: Policy, endpoints: t.Sequence[Endpoint], most: int, tokens: Tokens) -> list[Probe]:
    """Return probes to all published ports: from each other host, and from a container of each network there.

    If there are more than ``most`` pairs of ports and hosts, each port is probed from one host, in rotation.
    """
    clients = _clients(endpoints)
    hosts = list(clients)
    outside = [each for each in endpoints if each.kind is EndKind.OUTSIDE]
    bindings = [(end, port) for end in endpoints if end.kind is EndKind.CONTAINER for port in end.ports]
    probes: list[Probe] = []
    for number, (target, port) in enumerate(bindings):
        others = [host for host in hosts if host != target.host]
        if others and len(bindings) * len(others) > most:
            others = [others[number % len(others)]]
        for client in (*(client for host in others for client in clients[host]), *outside):
            if client.version == port.version:
                probes += _probe(policy, client, target, port, tokens)
    return probes


def _clients(endpoints: t.Iterable[Endpoint]) -> dict[str, list[Endpoint]]:
    """Return by host itself, and the first container of each of its networks; one of each IP version."""
    found: dict[str, dict[tuple[str, int], Endpoint]] = {}
    for each in endpoints:
        if each.kind in (EndKind.CONTAINER, EndKind.HOST):
            found.setdefault(each.host, {}).setdefault((each.network, each.version), each)
    return {host: list(ends.values()) for host, ends in found.items()}


def _probe(
    policy: Policy, client: Endpoint, target: Endpoint, port: PublishedPort, tokens: Tokens
) -> t.Iterator[Probe]:
    if client.kind is EndKind.OUTSIDE:
        if target.network not in policy.limited.get(INGRESS, ()) or _names_addresses(policy, target, port):
            return
        seen_as = ""
        declared_by = policy.allowing(WORLD, target.network, port.protocol, port.port)
    elif client.kind is EndKind.HOST:
        if target.network not in policy.limited.get(INGRESS, ()):
            return
        seen_as = client.address
        declared_by = policy.allowing(client.address, target.network, port.protocol, port.port)
    else:
        if client.network == target.network and policy.spans_hosts(client.network):
            return
        seen_as = policy.source_to_hosts(client.address)
        declared_by = policy.allowing(client.network, target.network, port.protocol, port.port)
        # Its own host filters it as traffic to the other host, and to this port.
        if not policy.allowing(client.network, port.address, port.protocol, port.host_port):
            declared_by = None
    if declared_by is not None and not port.forwarded and not port.lost:
        return  # to the container, docker-proxy is its own host, and the lines for the host decide
    token = tokens.next(target, port.protocol, port.port)
    yield Probe(
        client, target, port.protocol, port.port, token, declared_by, published=port,
        seen_as=(seen_as,) if port.forwarded and seen_as else (),
    )  # fmt: skip


def _names_addresses(policy: Policy, target: Endpoint, port: PublishedPort) -> bool:
    """Whether a line opens the port to addresses, which a machine outside may or may not have, and not to the world."""
    lines = [line for line in policy.lines if target.network in line.targets and line.covers(port.protocol, port.port)]
    world = any(WORLD in line.sources for line in lines)
    return not world and any(is_block(source) for line in lines for source in line.sources)
