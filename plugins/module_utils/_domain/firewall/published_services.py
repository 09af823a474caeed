# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chain judges connections to each published port that the host itself accepts. Pure.

The engine forwards a port to one network of the container: that with the default route, which engines choose by
different rules, and again when the container is connected or disconnected. If the choice is not certain, all networks
of the container with limited ingress apply: what one of them does not allow is dropped.

The file of the tables lists the services of declared networks as comments: equal lines of the policy have one chain.
"""

from __future__ import annotations

import bisect
import re
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    CHAINS,
    PREFIX,
    PUBLISHED,
    PUBLISHED_AT,
)

_COMMENT = re.compile(r"^\t# published (\S+) (\S+) (\d+)-(\d+) (\S+)( limited)?$", re.MULTILINE)

Json = t.Dict[str, t.Any]


# Before the name of a network, in place of a bridge.
_NETWORK = "@"


class Service(t.NamedTuple):
    """Ports of the containers on a bridge, and the chain for connections to them.

    In place of the bridge, the file may have the network, as :func:`bridge_of` returns it: another program may create
    it again, with another bridge. ``limited``: the network has limited ingress.
    """

    bridge: str
    protocol: str
    low: int
    high: int
    chain: str
    limited: bool = False


class ProxiedPort(t.NamedTuple):
    """A published port. ``address`` is empty for all addresses of the host.

    ``bridges`` are those by which the engine may reach the container, its probable choice first.
    """

    version: int
    address: str
    protocol: str
    port: int
    bridges: tuple[str, ...]
    container_port: int


def service_comment(service: Service) -> str:
    """The comment that lists a service."""
    limited = " limited" if service.limited else ""
    return f"# published {service.bridge} {service.protocol} {service.low}-{service.high} {service.chain}{limited}"


def bridge_of(network: str) -> str:
    """The bridge that a network has, in services that are listed."""
    return f"{_NETWORK}{network}"


def services_of(block: str, bridges: t.Mapping[str, t.Iterable[str]] = types.MappingProxyType({})) -> list[Service]:
    """The services that a table lists. ``bridges`` are those that each network has now."""
    return [
        Service(bridge, protocol, int(low), int(high), chain, bool(limited))
        for place, protocol, low, high, chain, limited in _COMMENT.findall(block)
        for bridge in (bridges.get(place[len(_NETWORK) :], ()) if place.startswith(_NETWORK) else (place,))
    ]


def verdicts(
    version: int, services: t.Collection[Service], ports: t.Iterable[ProxiedPort]
) -> dict[str, frozenset[str]]:
    """The elements of the maps of one IP version: for ports at all addresses, and for ports at single ones.

    With them come the chains that several chains are combined to.
    """
    found: dict[str, dict[str, str]] = {PUBLISHED: {}, PUBLISHED_AT: {}}
    combined: dict[str, list[str]] = {}
    index = _Index(services)
    for port in ports:
        services = index.services(port) if port.version == version else []
        chains = sorted({each.chain for each in services if each.limited}) or [each.chain for each in services[:1]]
        if chains:
            chain = chains[0] if len(chains) == 1 else combined_name(chains)
            if len(chains) > 1:
                combined[chain] = chains
            key = f"{port.address} . " if port.address else ""
            elements = found[PUBLISHED_AT if port.address else PUBLISHED]
            elements.setdefault(f"{key}{port.protocol} . {port.port}", chain)
    return {
        CHAINS: frozenset(f"{name} {' '.join(chains)}" for name, chains in combined.items()),
        **{name: frozenset(f"{key} : goto {chain}" for key, chain in each.items()) for name, each in found.items()},
    }


def combined_name(chains: t.Sequence[str]) -> str:
    """The name of the chain that combines these."""
    # only here: few hosts need it, and it costs the reconciler 4 MB of memory
    import hashlib

    return f"{PREFIX}_{hashlib.sha256(' '.join(chains).encode()).hexdigest()[:12]}"


class _Index:
    """Services by bridge and protocol, and by their first port: a host may have thousands of each."""

    def __init__(self, services: t.Iterable[Service]) -> None:
        self._services: dict[tuple[str, str], list[Service]] = {}
        for service in sorted(services, key=lambda each: each.low):
            self._services.setdefault((service.bridge, service.protocol), []).append(service)
        self._starts = {key: [each.low for each in found] for key, found in self._services.items()}

    def services(self, port: ProxiedPort) -> list[Service]:
        """The services at a port of a container, by its bridges in order."""
        found = []
        for bridge in port.bridges:
            key = bridge, port.protocol
            place = bisect.bisect_right(self._starts.get(key, ()), port.container_port) - 1
            if place >= 0 and port.container_port <= self._services[key][place].high:
                found.append(self._services[key][place])
        return found
