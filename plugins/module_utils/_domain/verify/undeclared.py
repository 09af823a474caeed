# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes between containers on declared networks and those on networks that are not declared, in both directions. Pure.

On its own host, a container of an undeclared network has its own address, which a line may name. Other hosts see the
address of its host. Only networks in the supernet, which the engine made from the fleet's pools, are reached from other
hosts: other subnets may exist on several hosts.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.hosts import by_address, other_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import EndKind, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.services import services_to
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import Tokens


def undeclared_probes(policy: Policy, endpoints: t.Sequence[Endpoint], tokens: Tokens) -> list[Probe]:
    """Return probes between each container on an undeclared network and one container of each network and host."""
    addresses: dict[tuple[str, int], str] = {}
    containers: dict[str, dict[tuple[str, int], Endpoint]] = {}
    for each in endpoints:
        if each.kind is EndKind.HOST:
            addresses.setdefault((each.host, each.version), each.address)
        elif each.kind is EndKind.CONTAINER and each.network != DEFAULT_BRIDGE:
            containers.setdefault(each.host, {}).setdefault((each.network, each.version), each)
    probes: list[Probe] = []
    strangers = [each for each in endpoints if each.kind is EndKind.UNDECLARED]
    for number, stranger in enumerate(strangers):
        inside = _in_fleet(policy, stranger.address)
        seen_by_others = addresses.get((stranger.host, stranger.version))
        for host in (stranger.host, *other_hosts(containers, stranger.host, number)):
            same_host = host == stranger.host
            for member in containers.get(host, {}).values():
                if member.version != stranger.version or member[:2] == stranger[:2]:
                    continue
                if same_host or inside or seen_by_others is not None:
                    probes += _from(policy, stranger, member, None if inside else seen_by_others, tokens)
                if same_host or inside:
                    probes += _to(policy, member, stranger, inside, tokens)
    return probes


def _from(
    policy: Policy, stranger: Endpoint, member: Endpoint, seen_by_others: str | None, tokens: Tokens
) -> t.Iterator[Probe]:
    """``seen_by_others`` is the source on other hosts; None if no line can name it."""
    same_host = stranger.host == member.host
    for protocol, port in services_to(policy, [member.network]):
        by_own = None
        if not _in_fleet(policy, stranger.address):
            by_own = by_address(policy, stranger.address, member.network, protocol, port)
        declared_by = by_own
        if not same_host:
            if by_own:
                continue  # whether the engine changes the source decides
            declared_by = seen_by_others and by_address(policy, seen_by_others, member.network, protocol, port)
        token = tokens.next(member, protocol, port)
        yield Probe(stranger, member, protocol, port, token, declared_by, seen_as=None if same_host else ())


def _to(policy: Policy, member: Endpoint, stranger: Endpoint, inside: bool, tokens: Tokens) -> t.Iterator[Probe]:
    for protocol, port in services_to(policy, [] if inside else [stranger.address]):
        declared_by = None if inside else by_address(policy, member.network, stranger.address, protocol, port)
        yield Probe(member, stranger, protocol, port, tokens.next(stranger, protocol, port), declared_by)


def _in_fleet(policy: Policy, address: str) -> bool:
    version, number = parse_address(address)
    return any(family.version == version and family.supernet.has(number) for family in policy.families)
