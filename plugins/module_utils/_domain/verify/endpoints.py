# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of probes, from what the hosts report. Pure."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    MTU,
    MTU_DEFAULT,
    MTU_MAX,
    MTU_MIN,
    MTU_OPTION,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import HOST, WORLD
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import parse_dnat
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import (
    Data,
    EndKind,
    Endpoint,
    PublishedPort,
)

# Published ports that are probed per container, of all addresses of the host: a range of ports must not fill the run.
_MOST_PORTS = 16
#: Undeclared networks that are probed per host. All hosts probe them, and a host could report any number.
MOST_UNDECLARED = 64
_ANY = {"0.0.0.0": 4, "::": 6}
_PROTOCOLS = ("tcp", "udp")

Reports = t.Mapping[str, t.Mapping[str, t.Sequence[Data]]]
# The declared addresses of hosts by name: the first of each IP version is that of the underlay.
Addresses = t.Mapping[str, t.Sequence[str]]


def find_endpoints(
    policy: Policy, reports: Reports, most: int, addresses: Addresses = types.MappingProxyType({})
) -> list[Endpoint]:
    """Return the endpoints to probe, at most ``most`` containers per network and host, of a limited number of networks.

    ``reports`` maps hosts to results of ``network_info``: ``containers``, with ``ports`` for those that are published
    at ``addresses``, and ``networks``, for their MTU and for networks that are not declared. A container has one
    endpoint per network and IP version.
    """
    endpoints = []
    for host, report in reports.items():
        networks = {item["name"]: item for item in report.get("networks", ())}
        counts: dict[str, int] = {}
        undeclared: set[str] = set()
        # Those on one network come first: where one container stands for its network, it proves more.
        for container in sorted(report["containers"], key=lambda item: (len(item["networks"]) > 1, str(item["name"]))):
            for end in _of_container(policy, host, container, networks, addresses.get(host, ())):
                if end.kind is EndKind.UNDECLARED and end.network not in undeclared:
                    if len(undeclared) == MOST_UNDECLARED:
                        continue
                    undeclared.add(end.network)
                key = f"{end.kind} {end.network} {end.version}"
                if counts.get(key, 0) < most:
                    counts[key] = counts.get(key, 0) + 1
                    endpoints.append(end)
        endpoints += _of_host(host, addresses.get(host, ()))
        endpoints += _gateways(policy, host, report)
    return endpoints


def _of_container(
    policy: Policy, host: str, container: Data, networks: t.Mapping[str, Data], addresses: t.Collection[str]
) -> t.Iterator[Endpoint]:
    several = len(container["networks"]) > 1
    for attached in container["networks"]:
        docker = networks.get(attached["network"], {})
        mtu = _mtu(docker.get("options", {}).get(MTU))
        aliases = tuple(attached.get("aliases") or ())
        for version in (4, 6):
            address = (attached.get(f"ipv{version}") or "").split("/", maxsplit=1)[0]
            if not address:
                continue
            network, kind = policy.network_of(address), EndKind.CONTAINER
            if network is None and is_undeclared(docker):
                network, kind = quoted_name(attached["network"]), EndKind.UNDECLARED
            if network is not None:
                ports = _published(container, address, addresses)
                yield Endpoint(host, container["name"], network, address, mtu, aliases, kind, ports, several)


def _mtu(option: str | None) -> int:
    """The MTU of a network. One that no interface can have would make probes of other hosts invalid."""
    found = int(option) if option and MTU_OPTION.match(option) else MTU_DEFAULT
    return found if MTU_MIN <= found <= MTU_MAX else MTU_DEFAULT


def is_undeclared(docker: Data) -> bool:
    """Whether a network of the engine is one that is not declared, and whose packets the host forwards."""
    return bool(docker) and docker["driver"] == "bridge" and not docker["managed"] and not docker["internal"]


def outside_endpoints(machines: t.Mapping[str, object]) -> list[Endpoint]:
    """Return machines outside of the fleet as ends, by name with the address to which Ansible connects."""
    return [
        Endpoint(name, "", WORLD, str(address) if _is_address(address) else "0.0.0.0", kind=EndKind.OUTSIDE)
        for name, address in machines.items()
    ]


def _is_address(text: object) -> bool:
    try:
        parse_address(str(text))
    except ValueError:
        return False
    return True


def _of_host(host: str, addresses: t.Iterable[str]) -> list[Endpoint]:
    """The host itself: one endpoint per IP version."""
    first: dict[int, Endpoint] = {}
    for address in addresses:
        end = Endpoint(host, "", HOST, address, kind=EndKind.HOST)
        first.setdefault(end.version, end)
    return list(first.values())


def _gateways(policy: Policy, host: str, report: t.Mapping[str, t.Sequence[Data]]) -> list[Endpoint]:
    """The gateways of networks, which are addresses of the host."""
    found: dict[tuple[str, int], Endpoint] = {}
    for container in report["containers"]:
        for attached in container["networks"]:
            for key in ("gateway", "ipv6_gateway"):
                network = policy.network_of(attached[key]) if attached.get(key) else None
                if network is not None:
                    end = Endpoint(host, "", HOST, attached[key], kind=EndKind.GATEWAY)
                    found.setdefault((network, end.version), end)
    return list(found.values())


def _published(container: Data, own: str, addresses: t.Collection[str]) -> tuple[PublishedPort, ...]:
    """The ports that lead to the address ``own`` of a container, at the ``addresses`` of its host.

    docker-proxy also forwards from one IP version to the other.
    """
    version = 6 if ":" in own else 4
    found = []
    for port in container.get("ports") or ():
        # Other hosts get these numbers, and reject all their probes if one is invalid.
        if port["protocol"] not in _PROTOCOLS or not all(0 < port[key] < 65536 for key in ("port", "host_port")):
            continue
        for address in addresses:
            of = 6 if ":" in address else 4
            forwarded = bool(port["nat_rules"])
            leads = of == version and _leads_to(container, port, own) if forwarded else True
            if leads and listens(port, address):
                # Engines before 27 write no rules of IPv6 by default.
                lost = not forwarded and of == version == 4 and port["proxy_pid"] is None
                found.append(PublishedPort(port["protocol"], port["port"], address, port["host_port"], forwarded, lost))
    return tuple(found[:_MOST_PORTS])


def listens(port: Data, address: str) -> bool:
    """Whether a port is published at an address of the host."""
    return port["host_address"] == address or _ANY.get(port["host_address"]) == (6 if ":" in address else 4)


def _leads_to(container: Data, port: Data, own: str) -> bool:
    """Whether a NAT rule forwards a port to this address, which is one of several."""
    rules = map(parse_dnat, port["nat_rules"])
    return len(container["networks"]) == 1 or own in {rule.address for rule in rules if rule is not None}
