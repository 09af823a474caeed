# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probes to send between containers, from the policy and the containers found. Pure."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler

# A protocol and its port, None for ICMP.
Service = t.Tuple[str, t.Optional[int]]

# The discard port, which policy lines rarely name: a port that a network does not open must be closed.
UNDECLARED_PORT = 9
# The default maximum of pairs of containers: all pairs of 140 containers.
MOST_PAIRS = 20_000
# Tokens reserved for probes that are sent again; no run starts with one of them.
SPARE_TOKENS = 1_000


def make_probes(
    policy: Policy, endpoints: t.Sequence[Endpoint], most_pairs: int = MOST_PAIRS, first_token: int = 0
) -> list[Probe]:
    """Return probes between all endpoints: ping, each service that the policy opens, and one undeclared port.

    Of more than ``most_pairs`` pairs, a sample is taken. If ping is allowed, the first pair of each two hosts and two
    networks also tests the path's MTU. Tokens count from ``first_token``, per target and service.
    """
    probes = []
    services = {network: _services(policy, network) for network in {each.network for each in endpoints}}
    paths = set()
    tokens: dict[tuple[Endpoint, str], int] = {}
    for source, target in _pairs(policy, endpoints, services, most_pairs):
        same_host = source.host == target.host
        wanted: list[tuple[str, int | None, int | None]] = [(*service, None) for service in services[target.network]]
        path = source.host, target.host, source.network, target.network, target.version
        if path not in paths and policy.allowing(source.network, target.network, "icmp", None, same_host):
            paths.add(path)
            wanted.append(("icmp", None, min(source.mtu, target.mtu)))
        for protocol, port, packet in wanted:
            key = target, f"{protocol}/{port}"
            tokens[key] = tokens.get(key, first_token - 1) + 1
            declared_by = policy.allowing(source.network, target.network, protocol, port, same_host)
            probes.append(Probe(source, target, protocol, port, tokens[key], declared_by, packet))
    return probes


def make_name_probes(endpoints: t.Sequence[Endpoint], first_token: int = 0) -> list[Probe]:
    """Return probes in which each container resolves the next one's name and aliases, per network and host.

    Docker resolves names within a host, on user-defined networks. Only existing names are queried: the embedded server
    forwards others to servers outside the host.
    """
    together: dict[tuple[str, str], list[Endpoint]] = {}
    for each in endpoints:
        if each.version == 4 and each.network != DEFAULT_BRIDGE:
            together.setdefault((each.host, each.network), []).append(each)
    probes = []
    for (_host, network), members in together.items():
        for source, target in zip(members, members[1:] + members[:1]):
            # A container that is alone on its network resolves its own name.
            for number, name in enumerate((target.container, *target.aliases)):
                declared_by = f"containers on {network} resolve each other by name"
                probes.append(Probe(source, target, "dns", None, first_token + number, declared_by, None, name))
    return probes


def listeners(policy: Policy, endpoints: t.Sequence[Endpoint]) -> dict[str, list[Data]]:
    """Return by host the addresses and ports to listen on during the probes: those that the policy opens."""
    found: dict[str, list[Data]] = {}
    for each in endpoints:
        for protocol, port in policy.services_of(each.network):
            if port is not None:
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
    of_version = collections.Counter(each.version for each in endpoints)
    on_docker0 = collections.Counter((each.version, each.host) for each in endpoints if each.network == DEFAULT_BRIDGE)
    return sum(count * (count - 1) for count in of_version.values()) - sum(
        count * (count - 1) for count in on_docker0.values()
    )


def _services(policy: Policy, network: str) -> list[Service]:
    named = policy.services_of(network)
    services: list[Service] = [("icmp", None), *named]
    if ("tcp", UNDECLARED_PORT) not in named:
        services.append(("tcp", UNDECLARED_PORT))
    return services
