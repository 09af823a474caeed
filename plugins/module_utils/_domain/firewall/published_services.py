# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chain judges connections to each published port that the host itself accepts. Pure.

The file of the tables lists the services of declared networks as comments: equal lines of the policy have one chain.
"""

from __future__ import annotations

import bisect
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    PUBLISHED,
    PUBLISHED_AT,
)

_COMMENT = re.compile(r"^\t# published (\S+) (\S+) (\d+)-(\d+) (\S+)$", re.MULTILINE)

Json = t.Dict[str, t.Any]


class Service(t.NamedTuple):
    """Ports of the containers on a bridge, and the chain for connections to them."""

    bridge: str
    protocol: str
    low: int
    high: int
    chain: str


class ProxiedPort(t.NamedTuple):
    """A published port. ``address`` is empty for all addresses of the host; ``bridge`` leads to the container."""

    version: int
    address: str
    protocol: str
    port: int
    bridge: str
    container_port: int


def service_comment(service: Service) -> str:
    """The comment that lists a service."""
    return f"# published {service.bridge} {service.protocol} {service.low}-{service.high} {service.chain}"


def services_of(block: str) -> list[Service]:
    """The services that a table lists."""
    return [
        Service(bridge, protocol, int(low), int(high), chain)
        for bridge, protocol, low, high, chain in _COMMENT.findall(block)
    ]


def verdicts(
    version: int, services: t.Collection[Service], ports: t.Iterable[ProxiedPort]
) -> dict[str, frozenset[str]]:
    """The elements of the maps of one IP version: for ports at all addresses, and for ports at single ones."""
    found: dict[str, dict[str, str]] = {PUBLISHED: {}, PUBLISHED_AT: {}}
    index = _Index(services)
    for port in ports:
        chain = index.chain(port) if port.version == version else None
        if chain is not None:
            key = f"{port.address} . " if port.address else ""
            elements = found[PUBLISHED_AT if port.address else PUBLISHED]
            elements.setdefault(f"{key}{port.protocol} . {port.port}", chain)
    return {name: frozenset(f"{key} : goto {chain}" for key, chain in each.items()) for name, each in found.items()}


class _Index:
    """Services by bridge and protocol, and by their first port: a host may have thousands of each."""

    def __init__(self, services: t.Iterable[Service]) -> None:
        self._services: dict[tuple[str, str], list[Service]] = {}
        for service in sorted(services, key=lambda each: each.low):
            self._services.setdefault((service.bridge, service.protocol), []).append(service)
        self._starts = {key: [each.low for each in found] for key, found in self._services.items()}

    def chain(self, port: ProxiedPort) -> str | None:
        """The chain of the service at a port of a container, if there is one."""
        key = port.bridge, port.protocol
        place = bisect.bisect_right(self._starts.get(key, ()), port.container_port) - 1
        if place < 0:
            return None
        found = self._services[key][place]
        return found.chain if port.container_port <= found.high else None
