# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as the hosts have them, from their reports. Pure."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import ON_THE_LAN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.templates import is_template
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.drawn import DEFAULT_BRIDGE_NETWORK
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import parse_dnat

Report = t.Mapping[str, t.Any]
PROTOCOLS = ("tcp", "udp")


class ConnectedContainer(t.NamedTuple):
    """A container on a network. ``fixed`` are the addresses there that its configuration sets."""

    name: str
    running: bool = True
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name if self.running else f"{self.name} (stopped)"


class PublishedService(t.NamedTuple):
    """A port of a container that its host publishes to other machines."""

    protocol: str
    port: int
    container: str


@dataclasses.dataclass(frozen=True, eq=False)
class HostNetwork:
    """A network on one host: what the engine reports, its containers, and what they publish."""

    host: str
    network: Report
    containers: tuple[ConnectedContainer, ...] = ()
    services: tuple[PublishedService, ...] = ()

    @property
    def name(self) -> str:
        return str(self.network["name"])

    @functools.cached_property
    def subnets(self) -> tuple[Prefix, ...]:
        """Its subnets, IPv4 first; without those that the engine does not report in a readable form."""
        texts = [block["subnet"] for block in self.network["subnets"]]
        return tuple(sorted(Prefix.parse(text) for text in texts if text is not None))

    @property
    def is_docker0(self) -> bool:
        """Whether it is the engine's default network."""
        return self.name == DEFAULT_BRIDGE_NETWORK

    @property
    def on_the_lan(self) -> bool:
        return self.network["driver"] in ON_THE_LAN

    @property
    def routed(self) -> bool:
        """Whether this collection would route it."""
        return self.network["driver"] == "bridge" and not self.network["internal"]

    @property
    def running(self) -> int:
        """The number of containers that run."""
        return sum(container.running for container in self.containers)

    def overlaps(self, other: HostNetwork) -> bool:
        """Whether the two share an address."""
        return any(mine.overlaps(theirs) for mine in self.subnets for theirs in other.subnets)


def is_certain(text: t.Any) -> bool:
    r"""Whether a text is certainly that of the engine, and no template.

    The controller escapes what is not printable, so that \n may be a line feed or two characters.
    """
    return isinstance(text, str) and "\\" not in text and not is_template(text)


def read_places(host: str, report: Report) -> list[HostNetwork]:
    """The networks of a host by name, without ``host`` and ``none``. docker0 is among them as ``bridge``."""
    networks = [network for network in report.get("networks", ()) if network["driver"] not in ("host", "null")]
    return [_place(host, network, report) for network in networks]


def _place(host: str, network: Report, report: Report) -> HostNetwork:
    connected: list[ConnectedContainer] = []
    services: set[PublishedService] = set()
    place = HostNetwork(host, network)
    for container in report.get("containers", ()):
        for endpoint in container["networks"]:
            if endpoint["network"] == network["name"]:
                connected.append(ConnectedContainer(container["name"], True, tuple(endpoint.get("fixed") or ())))
                services.update(_services(container, endpoint))
    for stopped in report.get("stopped", ()):
        if network["name"] in stopped["networks"]:
            fixed = tuple(each for each in stopped.get("fixed") or () if _inside(each, place.subnets))
            connected.append(ConnectedContainer(stopped["name"], False, fixed))
    return HostNetwork(host, network, tuple(connected), tuple(sorted(services)))


def _inside(address: str, subnets: t.Iterable[Prefix]) -> bool:
    version, number = parse_address(address)
    return any(subnet.version == version and subnet.has(number) for subnet in subnets)


def _services(container: Report, endpoint: Report) -> t.Iterator[PublishedService]:
    """The published ports of this endpoint: those of its NAT rules, or all if the container has no other endpoint."""
    own = {str(endpoint.get(key) or "").partition("/")[0] for key in ("ipv4", "ipv6")}
    for port in container.get("ports") or ():
        if port["protocol"] not in PROTOCOLS or _is_loopback(port["host_address"]):
            continue
        rules = filter(None, map(parse_dnat, port["nat_rules"]))
        targets = {rule.address for rule in rules} or (own if len(container["networks"]) == 1 else set())
        if targets & own:
            yield PublishedService(port["protocol"], port["port"], container["name"])


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
