# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes between containers and the fleet's hosts, as far as the policy is about these. Pure.

To a container, its own host is ``host``, and another host is an address of the world. A host answers pings and TCP, so
that its answer shows whether packets pass. What no line limits follows Docker's rules, and is not probed. Gateways of
other hosts are closed, whatever lines allow.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    DEFAULT_BRIDGE,
    HOST,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    EGRESS,
    FROM_HOST,
    TO_HOST,
    Policy,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.services import Service, services_to
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import Tokens

# With more hosts, a container is probed with one other host, in rotation.
_MOST_HOSTS = 8


def other_hosts(hosts: t.Iterable[str], own: str, number: int) -> list[str]:
    """Return the hosts with which container ``number``, on host ``own``, is probed."""
    others = [host for host in hosts if host != own]
    return [others[number % len(others)]] if len(others) > _MOST_HOSTS else others


def host_probes(policy: Policy, endpoints: t.Sequence[Endpoint], tokens: Tokens) -> list[Probe]:
    """Return probes from one container of each network and host to hosts, and from hosts to it."""
    hosts: dict[str, list[Endpoint]] = {}
    containers: dict[tuple[str, str, int], Endpoint] = {}
    for each in endpoints:
        if each.kind is EndKind.CONTAINER:
            containers.setdefault((each.host, each.network, each.version), each)
        elif each.kind in (EndKind.HOST, EndKind.GATEWAY):
            hosts.setdefault(each.host, []).append(each)
    probes: list[Probe] = []
    for number, container in enumerate(containers.values()):
        own = [end for end in hosts.get(container.host, ()) if end.version == container.version]
        others = [
            end
            for name in other_hosts(hosts, container.host, number)
            for end in hosts[name]
            if end.version == container.version
        ]
        makers = (_to_own_host, _from_own_host, _to_other_hosts, _from_other_hosts)
        for make, ends in zip(makers, (own, own, others, others)):
            probes += make(policy, container, ends, tokens)
    return probes


def _to_own_host(policy: Policy, container: Endpoint, ends: t.Sequence[Endpoint], tokens: Tokens) -> t.Iterator[Probe]:
    for end in ends:
        if end.kind is EndKind.HOST:
            yield from _to_remote_api(policy, container, end, tokens)
        elif policy.network_of(end.address) != container.network:
            continue
        if container.network in policy.limited.get(TO_HOST, ()):
            targets = [HOST, end.address] if end.kind is EndKind.HOST else [HOST]
            for protocol, port in _answered(policy, targets):
                declared_by = _first_line(policy, container.network, targets, protocol, port)
                yield _probe(container, end, protocol, port, declared_by, tokens)


def _from_own_host(
    policy: Policy, container: Endpoint, ends: t.Sequence[Endpoint], tokens: Tokens
) -> t.Iterator[Probe]:
    if container.network in policy.limited.get(FROM_HOST, ()):
        for end in ends:
            if end.kind is EndKind.HOST:
                for protocol, port in services_to(policy, [container.network]):
                    declared_by = policy.allowing(HOST, container.network, protocol, port)
                    # The host uses its address on the network.
                    yield _probe(end, container, protocol, port, declared_by, tokens, seen_as=())


def _to_other_hosts(
    policy: Policy, container: Endpoint, ends: t.Sequence[Endpoint], tokens: Tokens
) -> t.Iterator[Probe]:
    for end in ends:
        if end.kind is EndKind.GATEWAY:
            # Its own host accepts such packets, as those within the network. The other host drops them.
            network = policy.network_of(end.address)
            if network == container.network and policy.spans_hosts(network):
                for protocol, port in _answered(policy, []):
                    yield _probe(container, end, protocol, port, None, tokens)
            continue
        yield from _to_remote_api(policy, container, end, tokens)
        if container.network in policy.limited.get(EGRESS, ()):
            for protocol, port in _answered(policy, [end.address]):
                declared_by = _first_line(policy, container.network, [end.address], protocol, port)
                yield _probe(container, end, protocol, port, declared_by, tokens)


def _from_other_hosts(
    policy: Policy, container: Endpoint, ends: t.Sequence[Endpoint], tokens: Tokens
) -> t.Iterator[Probe]:
    """From outside, only lines with addresses open a container's own address. docker0 follows Docker's rules."""
    if container.network == DEFAULT_BRIDGE:
        return
    for end in (each for each in ends if each.kind is EndKind.HOST):
        for protocol, port in services_to(policy, [container.network]):
            declared_by = by_address(policy, end.address, container.network, protocol, port)
            yield _probe(end, container, protocol, port, declared_by, tokens)


def by_address(policy: Policy, source: str, target: str, protocol: str, port: int | None) -> str | None:
    """Return the line that allows a flow because it names an outside address at one end; None without one.

    A line with ``world`` does not: it is about published ports, and about addresses outside of the hosts.
    """
    for line in policy.matching(source, target, protocol, port):
        if policy.names(list(filter(is_block, line.sources)), source) or policy.names(
            list(filter(is_block, line.targets)), target
        ):
            return f"{line.path}: {line}"
    return None


def _to_remote_api(policy: Policy, container: Endpoint, end: Endpoint, tokens: Tokens) -> t.Iterator[Probe]:
    if policy.api_access:
        yield _probe(container, end, "tcp", policy.api_access.port, None, tokens)


def _answered(policy: Policy, targets: t.Sequence[str]) -> list[Service]:
    """The services by which a host shows that packets reach it: it need not answer datagrams."""
    api = policy.api_access.port if policy.api_access else None
    return [
        (protocol, port)
        for protocol, port in services_to(policy, targets)
        if protocol != "udp" and (protocol, port) != ("tcp", api)
    ]


def _first_line(policy: Policy, network: str, targets: t.Sequence[str], protocol: str, port: int | None) -> str | None:
    lines = (line for target in targets for line in policy.matching(network, target, protocol, port))
    return next((f"{line.path}: {line}" for line in lines), None)


def _probe(
    source: Endpoint,
    target: Endpoint,
    protocol: str,
    port: int | None,
    declared_by: str | None,
    tokens: Tokens,
    seen_as: tuple[str, ...] | None = None,
) -> Probe:
    token = tokens.next(target, protocol, port)
    return Probe(source, target, protocol, port, token, declared_by, seen_as=seen_as)
