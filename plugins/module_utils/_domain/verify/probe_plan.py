# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reachability: which probes to send, and what their results mean against the declaration. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import MTU, MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.sampling import Place, Sampler

Data = t.Dict[str, t.Any]
# A protocol and its port, None for ICMP.
Service = t.Tuple[str, t.Optional[int]]

# A port that policy lines hardly ever name (discard): what a network does not open has to be closed.
UNDECLARED_PORT = 9
# Docker's embedded name server, as containers on user-defined networks have it.
NAME_SERVER = "127.0.0.11"
# What should pass is tried so often: a server with a short queue, which all of the fleet asks in one moment, takes its
# time. Only where it does not pass that is waited for.
_PATIENCE = 6
# How many pairs of containers are tried unless somebody says otherwise: all of 140 containers.
MOST_PAIRS = 20_000
# Tokens that no run begins with: they are for probes that are sent once more.
SPARE_TOKENS = 1_000

# What an echo request has besides its payload: the headers of IP and ICMP, in bytes.
_HEADERS = {4: 28, 6: 48}


class Endpoint(t.NamedTuple):
    """A container's attachment to a network that the plan knows; ``mtu`` is the network's, in bytes."""

    host: str
    container: str
    network: str
    address: str
    mtu: int = MTU_DEFAULT
    aliases: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Data) -> Endpoint:
        """From ``_asdict``, as it comes back from Ansible."""
        return cls(**{**data, "aliases": tuple(data.get("aliases", ()))})

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return f"{self.container} on {self.host} ({self.network}, {self.address})"


@dataclasses.dataclass(frozen=True)
class Probe:
    """One probe; ``intended`` is why it should pass, None if it should not. ``token`` tells it at the far end.

    With ``packet``, a ping is a packet of so many bytes that nobody may fragment, and asks for the path's MTU. With
    ``name``, the source asks its name server for the target by this name.
    """

    source: Endpoint
    target: Endpoint
    protocol: str
    port: int | None
    token: int
    intended: str | None
    packet: int | None = None
    name: str | None = None

    @property
    def service(self) -> str:
        if self.packet is not None:
            return f"{self.protocol} of {self.packet} bytes"
        if self.name is not None:
            return "name"
        return self.protocol if self.port is None else f"{self.protocol}/{self.port}"

    def to_data(self) -> Data:
        """The form in which module ``reachability_info`` takes it."""
        if self.name is not None:
            return {
                "source": self.source.container,
                "destination": NAME_SERVER,
                "protocol": "dns",
                "name": self.name,
                "token": self.token,
                "attempts": _PATIENCE,
            }
        data: Data = {
            "source": self.source.container,
            "destination": self.target.address,
            "protocol": self.protocol,
            "token": self.token,
        }
        if self.port is not None:
            data["port"] = self.port
        # A datagram that passes need not be answered, and would be waited for each time.
        if self.intended is not None and self.protocol != "udp":
            data["attempts"] = _PATIENCE
        if self.packet is not None:
            data["size"] = self.packet - _HEADERS[self.target.version]
        return data


def find_nodes(policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]], most: int) -> list[Endpoint]:
    """The containers to probe: by host what ``network_info`` tells of containers and, for their MTU, networks; at most
    ``most`` containers of each network on each host.

    A container has a node for each IP version that it has an address of. One with several networks is left out: its
    routing decides which of its addresses it speaks from.
    """
    nodes = []
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
                    nodes.append(Endpoint(host, container["name"], network, address, mtu, aliases))
    return nodes


def make_probes(
    policy: Policy, nodes: t.Sequence[Endpoint], most_pairs: int = MOST_PAIRS, first_token: int = 0
) -> list[Probe]:
    """Every node to every other: ping, each service that the policy opens there, and one port that it does not.

    Where there are more than ``most_pairs`` pairs, a sample of them. Where ping may pass, the first pair of each two
    hosts and two networks also tries the path's MTU. Tokens count from ``first_token``, for each target and service.
    """
    probes = []
    services = {network: _services(policy, network) for network in {node.network for node in nodes}}
    paths = set()
    tokens: dict[tuple[Endpoint, str], int] = {}
    for source, target in _pairs(policy, nodes, services, most_pairs):
        same_host = source.host == target.host
        asked: list[tuple[str, int | None, int | None]] = [(*service, None) for service in services[target.network]]
        path = source.host, target.host, source.network, target.network, target.version
        if path not in paths and policy.allowing(source.network, target.network, "icmp", None, same_host):
            paths.add(path)
            asked.append(("icmp", None, min(source.mtu, target.mtu)))
        for protocol, port, packet in asked:
            key = target, f"{protocol}/{port}"
            tokens[key] = tokens.get(key, first_token - 1) + 1
            intended = policy.allowing(source.network, target.network, protocol, port, same_host)
            probes.append(Probe(source, target, protocol, port, tokens[key], intended, packet))
    return probes


def make_name_probes(nodes: t.Sequence[Endpoint], first_token: int = 0) -> list[Probe]:
    """On each network of each host, every container asks for the next one's name and aliases, the last for the first's.

    Docker knows names within a host, on user-defined networks. Only names that there are get asked for, since the
    embedded server forwards the others to servers outside of the host.
    """
    together: dict[tuple[str, str], list[Endpoint]] = {}
    for node in nodes:
        if node.version == 4 and node.network != DEFAULT_BRIDGE:
            together.setdefault((node.host, node.network), []).append(node)
    probes = []
    for (_host, network), members in together.items():
        for source, target in zip(members, members[1:] + members[:1]):
            # A container that is alone on its network asks for itself.
            for number, name in enumerate((target.container, *target.aliases)):
                intended = f"containers on {network} find each other by name"
                probes.append(Probe(source, target, "dns", None, first_token + number, intended, None, name))
    return probes


def listeners(policy: Policy, nodes: t.Sequence[Endpoint]) -> dict[str, list[Data]]:
    """By host, where somebody has to listen for the time of the probes: the ports that the policy opens at nodes."""
    found: dict[str, list[Data]] = {}
    for node in nodes:
        for protocol, port in policy.services_of(node.network):
            if port is not None:
                found.setdefault(node.host, []).append({"address": node.address, "protocol": protocol, "port": port})
    return found


def _pairs(
    policy: Policy, nodes: t.Sequence[Endpoint], services: t.Mapping[str, t.Sequence[Service]], most: int
) -> list[tuple[Endpoint, Endpoint]]:
    def passes(source: t.Any, target: t.Any) -> bool:
        return any(policy.allowing(source[0], target[0], *service) for service in services[target[0]])

    sampler = Sampler(nodes, lambda node: Place(node.host, (node.network, node.version)), _is_pair, passes)
    return sampler.choose(most)


def _is_pair(source: Endpoint, target: Endpoint) -> bool:
    """Whether there is anything to try.

    docker0 to docker0 on one host never leaves the bridge; Docker's icc decides, which is no policy of ours.
    """
    same_bridge = source.network == target.network == DEFAULT_BRIDGE and source.host == target.host
    return source[:2] != target[:2] and not same_bridge and source.version == target.version


def count_pairs(nodes: t.Sequence[Endpoint]) -> int:
    """How many pairs there are to try. A container has one node in an IP version, so nodes can be counted."""
    of_version = collections.Counter(node.version for node in nodes)
    on_docker0 = collections.Counter((node.version, node.host) for node in nodes if node.network == DEFAULT_BRIDGE)
    return sum(count * (count - 1) for count in of_version.values()) - sum(
        count * (count - 1) for count in on_docker0.values()
    )


def _services(policy: Policy, network: str) -> list[Service]:
    named = policy.services_of(network)
    services: list[Service] = [("icmp", None), *named]
    if ("tcp", UNDECLARED_PORT) not in named:
        services.append(("tcp", UNDECLARED_PORT))
    return services


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A probe and what became of it; ``problem`` is None where reality is as declared, ``explanation`` is its cause."""

    probe: Probe
    passed: bool
    problem: str | None
    explanation: str | None = None

    def to_data(self) -> Data:
        return {
            "source": self.probe.source._asdict(),
            "target": self.probe.target._asdict(),
            "protocol": self.probe.protocol,
            "port": self.probe.port,
            "packet": self.probe.packet,
            "name": self.probe.name,
            "intended": self.probe.intended is not None,
            "declared_by": self.probe.intended,
            "passed": self.passed,
            "problem": self.problem,
            "explanation": self.explanation,
        }


def judge(probe: Probe, result: Data | None, arrivals: t.Sequence[str]) -> Verdict:
    """``result`` is the prober's word, None where its host failed; ``arrivals`` are the source addresses seen at the
    target's end."""
    if result is None:
        return Verdict(probe, False, f"not tried: host {probe.source.host} did not run its probes")
    if result["outcome"] == "error":
        return Verdict(probe, False, f"not tried: {result['detail']}")
    if probe.name is not None:
        return _judge_name(probe, result)
    passed = bool(result["reached"])
    if probe.intended is None:
        if passed:
            return Verdict(probe, True, "passes, and no line of the policy allows it")
        if arrivals:
            return Verdict(probe, True, "arrives at the target, and no line of the policy allows it")
        return Verdict(probe, False, None)
    if not passed and not arrivals:
        found = result["outcome"] if probe.packet is None else f"{result['outcome']} {result['detail'] or ''}".strip()
        return Verdict(probe, False, f"does not pass ({found}), and should: {probe.intended}")
    if not passed and probe.protocol != "udp":  # a UDP service need not answer
        return Verdict(probe, False, f"arrives, but no answer comes back ({result['outcome']})")
    foreign = sorted(set(arrivals) - {probe.source.address})
    if foreign:
        return Verdict(probe, True, f"passes, but its source address was changed to {', '.join(foreign)} on the way")
    if not arrivals:
        return Verdict(probe, True, "is answered, but by somebody else: nothing arrived at the target")
    return Verdict(probe, True, None)


def _judge_name(probe: Probe, result: Data) -> Verdict:
    answer = result["answer"]
    if answer is None:
        problem = f"name {probe.name} does not resolve ({result['outcome']}), and should: {probe.intended}"
    elif probe.target.address not in answer:
        told = ", ".join(answer) or result["detail"]
        problem = f"name {probe.name} resolves to {told}, and should to {probe.target.address}"
    else:
        return Verdict(probe, True, None)
    return Verdict(probe, False, problem)


Arrivals = t.Dict[t.Tuple[t.Any, ...], t.List[str]]


def index_arrivals(arrivals: t.Mapping[str, t.Sequence[Data]]) -> Arrivals:
    """What ``probe_observer`` saw on each host: probe as it arrived -> the source addresses."""
    index: Arrivals = {}
    for host, seen in arrivals.items():
        for arrival in seen:
            place = (host, arrival["destination"], arrival["protocol"], arrival["port"] or None)
            for mark in (("token", arrival["token"]), ("source port", arrival.get("source_port"))):
                index.setdefault((*place, *mark), []).append(arrival["source"])
    return index


def arrivals_of(index: Arrivals, probe: Probe, result: Data | None) -> list[str]:
    """The source addresses that a probe arrived from.

    A TCP probe carries its token in its source port. Where the container had that port in use already, the prober took
    another one, and says which.
    """
    place = (probe.target.host, probe.target.address, probe.protocol, probe.port)
    port = (result or {}).get("source_port")
    if probe.protocol == "tcp" and port is not None:
        return index.get((*place, "source port", port), [])
    return index.get((*place, "token", probe.token), [])


def to_explain(verdicts: t.Iterable[Verdict], most: int) -> list[Verdict]:
    """Of the failures, the first of each two hosts and networks, IP version, protocol and direction to fail in.

    At most ``most`` of these, in turns of each two hosts and IP version.
    """
    chosen: dict[tuple[t.Any, ...], Verdict] = {}
    for verdict in verdicts:
        probe = verdict.probe
        if verdict.problem is not None and probe.name is None:
            kind = probe.target.version, probe.protocol, probe.packet is None, verdict.passed, probe.intended is None
            path = probe.source.host, probe.source.network, probe.target.host, probe.target.network
            chosen.setdefault((*path, *kind), verdict)
    # So that no host's trouble hides behind another's, and none of IPv6 behind that of IPv4.
    turns: dict[tuple[str, str, int], int] = collections.Counter()
    order = []
    for number, verdict in enumerate(chosen.values()):
        between = verdict.probe.source.host, verdict.probe.target.host, verdict.probe.target.version
        order.append((turns[between], number, verdict))
        turns[between] += 1
    return [verdict for _turn, _number, verdict in sorted(order, key=lambda each: each[:2])[:most]]
