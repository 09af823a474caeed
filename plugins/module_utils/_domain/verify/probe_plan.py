# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probes to send between containers, from the policy and the containers found. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU, MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler

Data = t.Dict[str, t.Any]
# A protocol and its port, None for ICMP.
Service = t.Tuple[str, t.Optional[int]]

# The discard port, which policy lines rarely name: a port that a network does not open must be closed.
UNDECLARED_PORT = 9
# Docker's embedded DNS server, which containers on user-defined networks use.
NAME_SERVER = "127.0.0.11"
# Attempts for a probe that is expected to pass: a server with a short queue, which the whole fleet connects to at once,
# needs time. Attempts cost time only where the probe fails.
_ATTEMPTS = 12
# The default maximum of pairs of containers: all pairs of 140 containers.
MOST_PAIRS = 20_000
# Tokens reserved for probes that are sent again; no run starts with one of them.
SPARE_TOKENS = 1_000

# The length of the headers of IP and ICMP in an echo request, in bytes.
_HEADERS = {4: 28, 6: 48}


class Endpoint(t.NamedTuple):
    """A container's address on a network of the plan. ``mtu`` is the network's, in bytes."""

    host: str
    container: str
    network: str
    address: str
    mtu: int = MTU_DEFAULT
    aliases: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Data) -> Endpoint:
        """The endpoint that ``_asdict`` returned, as Ansible passes it on."""
        return cls(**{**data, "aliases": tuple(data.get("aliases", ()))})

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return f"{self.container} on {self.host} ({self.network}, {self.address})"


@dataclasses.dataclass(frozen=True)
class Probe:
    """One probe. ``declared_by`` names what allows it, as text; None if it is denied.

    ``token`` identifies the probe at the target. With ``packet``, a ping is a packet of that size in bytes, which must
    not be fragmented and so tests the path's MTU. With ``name``, the source resolves this name of the target.
    """

    source: Endpoint
    target: Endpoint
    protocol: str
    port: int | None
    token: int
    declared_by: str | None
    packet: int | None = None
    name: str | None = None

    @property
    def service(self) -> str:
        """The service as text: ``icmp``, ``tcp/5432``, ``icmp of 1500 bytes``, ``name``."""
        if self.packet is not None:
            return f"{self.protocol} of {self.packet} bytes"
        if self.name is not None:
            return "name"
        return self.protocol if self.port is None else f"{self.protocol}/{self.port}"

    def to_data(self) -> Data:
        """The probe as an item of option ``probes`` of module ``reachability_info``."""
        if self.name is not None:
            return {
                "source": self.source.container,
                "destination": NAME_SERVER,
                "protocol": "dns",
                "name": self.name,
                "token": self.token,
                "attempts": _ATTEMPTS,
            }
        data: Data = {
            "source": self.source.container,
            "destination": self.target.address,
            "protocol": self.protocol,
            "token": self.token,
        }
        if self.port is not None:
            data["port"] = self.port
        # A datagram that passes is not always answered; each attempt would wait for the answer.
        if self.declared_by is not None and self.protocol != "udp":
            data["attempts"] = _ATTEMPTS
        if self.packet is not None:
            data["size"] = self.packet - _HEADERS[self.target.version]
        return data


def find_endpoints(
    policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]], most: int
) -> list[Endpoint]:
    """Return the endpoints to probe, at most ``most`` containers per network and host.

    ``reports`` maps hosts to results of ``network_info``: ``containers`` and, for their MTU, ``networks``. A container
    has one endpoint per IP version. Containers on several networks are excluded: their routes decide which of their
    addresses is the source.
    """
    endpoints = []
    for host, report in reports.items():
        mtus = {item["name"]: item["options"].get(MTU) for item in report.get("networks", ())}
        counts: dict[str, int] = {}
        for container in sorted(report["containers"], key=lambda item: str(item["name"])):
            if len(container["networks"]) != 1:
                continue
            for version in ("ipv4", "ipv6"):
                address = (container["networks"][0].get(version) or "").split("/", maxsplit=1)[0]
                network = policy.network_of(address) if address else None
                key = f"{network} {version}"
                if network is not None and counts.get(key, 0) < most:
                    counts[key] = counts.get(key, 0) + 1
                    mtu = int(mtus.get(container["networks"][0]["network"]) or MTU_DEFAULT)
                    aliases = tuple(container["networks"][0].get("aliases") or ())
                    endpoints.append(Endpoint(host, container["name"], network, address, mtu, aliases))
    return endpoints


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
