# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probes to send, from the policy and the containers found. Pure."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.hosts import host_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, EndKind, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.published import published_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.services import Service, services_to
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.tokens import Tokens
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.undeclared import undeclared_probes

# The default maximum of pairs of containers: all pairs of 140 containers.
MOST_PAIRS = 20_000


def make_probes(
    policy: Policy, endpoints: t.Sequence[Endpoint], most_pairs: int = MOST_PAIRS, seed: int = 0
) -> list[Probe]:
    """Return all probes between the endpoints, except those of names.

    Of more than ``most_pairs`` pairs, a sample is taken. ``seed`` decides the tokens.
    """
    tokens = Tokens(endpoints, seed)
    return [
        *_pair_probes(policy, endpoints, most_pairs, tokens),
        *published_probes(policy, endpoints, most_pairs, tokens),
        *host_probes(policy, endpoints, tokens),
        *undeclared_probes(policy, endpoints, tokens),
    ]


def _pair_probes(policy: Policy, endpoints: t.Sequence[Endpoint], most_pairs: int, tokens: Tokens) -> list[Probe]:
    """Return probes between all containers: ping, each service that the policy opens, and one undeclared port.

    If ping is allowed, the first pair of each two hosts and two networks also tests the path's MTU.
    """
    probes = []
    containers = [each for each in endpoints if each.kind is EndKind.CONTAINER]
    services = {network: services_to(policy, [network]) for network in {each.network for each in containers}}
    paths = set()
    for source, target in _pairs(policy, containers, services, most_pairs):
        same_host = source.host == target.host
        wanted: list[tuple[str, int | None, int | None]] = [(*service, None) for service in services[target.network]]
        path = source.host, target.host, source.network, target.network, target.version
        alone = not source.several and not target.several
        if path not in paths and alone and policy.allowing(source.network, target.network, "icmp", None, same_host):
            paths.add(path)
            wanted.append(("icmp", None, min(source.mtu, target.mtu)))
        for protocol, port, packet in wanted:
            token = tokens.next(target, protocol, port)
            declared_by = policy.allowing(source.network, target.network, protocol, port, same_host)
            probes.append(Probe(source, target, protocol, port, token, declared_by, packet))
    return probes


def make_name_probes(endpoints: t.Sequence[Endpoint], seed: int = 0) -> list[Probe]:
    """Return probes in which each container resolves the next one's name and aliases, per network and host.

    Docker resolves names within a host, on user-defined networks. Only existing names are queried: the embedded server
    forwards others to servers outside the host.
    """
    together: dict[tuple[str, str], list[Endpoint]] = {}
    for each in endpoints:
        # On several networks, the server may answer with any of the addresses.
        named = each.kind is EndKind.CONTAINER and each.version == 4 and each.network != DEFAULT_BRIDGE
        if named and not each.several:
            together.setdefault((each.host, each.network), []).append(each)
    probes = []
    tokens = Tokens(endpoints, seed)
    for (_host, network), members in together.items():
        for source, target in zip(members, members[1:] + members[:1]):
            # A container that is alone on its network resolves its own name.
            for name in (target.container, *target.aliases):
                declared_by = f"containers on {network} resolve each other by name"
                probes.append(
                    Probe(source, target, "dns", None, tokens.next(target, "dns", None), declared_by, None, name)
                )
    return probes


def listeners(policy: Policy, endpoints: t.Sequence[Endpoint]) -> dict[str, list[Data]]:
    """Return by host the addresses and ports to listen on: those that the policy opens, and published ones."""
    found: dict[str, list[Data]] = {}
    for each in endpoints:
        if each.kind is EndKind.CONTAINER:
            published = ((port.protocol, port.port) for port in each.ports)
            for protocol, port in dict.fromkeys((*policy.services_of(each.network), *published)):
                found.setdefault(each.host, []).append({"address": each.address, "protocol": protocol, "port": port})
    return found


def _pairs(
    policy: Policy, endpoints: t.Sequence[Endpoint], services: t.Mapping[str, t.Sequence[Service]], most: int
) -> list[tuple[Endpoint, Endpoint]]:
    def passes(source: t.Any, target: t.Any) -> bool:
        return any(policy.allowing(source[0], target[0], *service) for service in services[target[0]])

    sampler = Sampler(endpoints, lambda each: Place(each.host, (each.network, each.version)), can_probe, passes)
    return sampler.choose(most)


def can_probe(source: Endpoint, target: Endpoint) -> bool:
    """Whether the pair can be probed.

    Packets between two containers on docker0 of one host never leave the bridge: Docker's icc decides, not our policy.
    """
    same_bridge = source.network == target.network == DEFAULT_BRIDGE and source.host == target.host
    return source[:2] != target[:2] and not same_bridge and source.version == target.version


def count_pairs(endpoints: t.Sequence[Endpoint]) -> int:
    """Return the number of pairs to probe. A container has one endpoint per IP version, so endpoints are counted."""
    containers = [each for each in endpoints if each.kind is EndKind.CONTAINER]
    of_version = collections.Counter(each.version for each in containers)
    on_docker0 = collections.Counter((each.version, each.host) for each in containers if each.network == DEFAULT_BRIDGE)
    return sum(count * (count - 1) for count in of_version.values()) - sum(
        count * (count - 1) for count in on_docker0.values()
    )
