# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe of verification, and its ends. Pure."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD

Data = t.Dict[str, t.Any]

# Docker's embedded DNS server, which containers on user-defined networks use.
NAME_SERVER = "127.0.0.11"
# Attempts for a probe that is expected to pass: a server with a short queue, which the whole fleet connects to at once,
# needs time. Attempts cost time only where the probe fails. At the interval of the role, they take 6 seconds.
_ATTEMPTS = 24
# The length of the headers of IP and ICMP in an echo request, in bytes.
_HEADERS = {4: 28, 6: 48}


class EndKind(str, enum.Enum):
    """What is at the end of a probe."""

    CONTAINER = "container"  # on a network of the policy
    UNDECLARED = "undeclared"  # a container on another network
    HOST = "host"  # the host itself, with its own address
    GATEWAY = "gateway"  # the host itself, with the gateway address of a network
    OUTSIDE = "outside"  # a machine outside of the fleet


class PublishedPort(t.NamedTuple):
    """An address and port of the host at which a container's port is published.

    ``forwarded`` is False without a NAT rule: docker-proxy connects to the container, as the host itself. ``lost`` is
    True if nothing forwards the port, although a NAT rule must.
    """

    protocol: str
    port: int
    address: str
    host_port: int
    forwarded: bool
    lost: bool = False

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return f"[{self.address}]:{self.host_port}" if self.version == 6 else f"{self.address}:{self.host_port}"


class Endpoint(t.NamedTuple):
    """An address of a container on a network, or of a host, whose network is ``host`` and whose container is empty.

    Of a machine outside of the fleet, only the IP version of the address counts: what the fleet sees is not known.

    ``mtu`` is the network's, in bytes. ``ports`` are those that the host publishes for the container. ``several`` is
    True for a container on several networks: its routes decide which of its addresses is the source, and through which
    network it answers.
    """

    host: str
    container: str
    network: str
    address: str
    mtu: int = MTU_DEFAULT
    aliases: tuple[str, ...] = ()
    kind: EndKind = EndKind.CONTAINER
    ports: tuple[PublishedPort, ...] = ()
    several: bool = False

    @classmethod
    def from_data(cls, data: Data) -> Endpoint:
        """The inverse of :meth:`to_data`, as Ansible passes the data on."""
        ports = tuple(PublishedPort(**port) for port in data.get("ports", ()))
        kind = EndKind(data.get("kind", EndKind.CONTAINER))
        return cls(**{**data, "aliases": tuple(data.get("aliases", ())), "kind": kind, "ports": ports})

    def to_data(self) -> Data:
        """Plain data."""
        ports = [port._asdict() for port in self.ports]
        return {**self._asdict(), "aliases": list(self.aliases), "kind": self.kind.value, "ports": ports}

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    @property
    def is_host(self) -> bool:
        """Whether this is a host or machine itself."""
        return self.kind in (EndKind.HOST, EndKind.GATEWAY, EndKind.OUTSIDE)

    def __str__(self) -> str:
        if self.is_host:
            return f"{self.host} ({self.network}, {self.address})"
        return f"{self.container} on {self.host} ({self.network}, {self.address})"


@dataclasses.dataclass(frozen=True)
class Probe:
    """One probe. ``declared_by`` names what allows it, as text; None if it is denied.

    ``token`` identifies the probe at the target. With ``packet``, a ping is a packet of that size in bytes, which must
    not be fragmented and so tests the path's MTU. With ``name``, the source resolves this name of the target.
    With ``published``, the probe goes to this address and port of the target's host, and ``port`` is the container's.
    ``seen_as`` are the addresses that the target may see as the source; None for the source's own, empty for any.
    """

    source: Endpoint
    target: Endpoint
    protocol: str
    port: int | None
    token: int
    declared_by: str | None
    packet: int | None = None
    name: str | None = None
    published: PublishedPort | None = None
    seen_as: tuple[str, ...] | None = None

    @property
    def destination(self) -> str:
        """The address that the probe is sent to."""
        return self.published.address if self.published else self.target.address

    @property
    def version(self) -> int:
        """The IP version of the packets that are sent."""
        return 6 if ":" in self.destination else 4

    @property
    def same_host(self) -> bool:
        return self.source.host == self.target.host

    @property
    def direct(self) -> bool:
        """Whether the probe goes from a container to the address of a container."""
        return self.published is None and {self.source.kind, self.target.kind} == {EndKind.CONTAINER}

    @property
    def traceable(self) -> bool:
        """Whether a failure can be traced: the evidence is about containers with one network."""
        return self.direct and not self.source.several and not self.target.several

    @property
    def answered(self) -> bool:
        """Whether an answer is expected if the probe passes.

        A UDP service need not answer. A container on several networks answers through that of its default route, with
        a source that is not of this network, except to its neighbors.
        """
        neighbors = self.same_host and self.source.network == self.target.network
        return self.protocol != "udp" and (neighbors or not self.target.several)

    @property
    def observed(self) -> bool:
        """Whether arrivals at the target are observed. A host is not: packets arrive before its rules filter them."""
        return not self.target.is_host

    @property
    def networks(self) -> tuple[str, str]:
        """Both ends as a policy line names them. To a container, another host is the world."""
        return _network(self.source, self.same_host), _network(self.target, self.same_host)

    @property
    def service(self) -> str:
        """The service as text: ``icmp``, ``tcp/5432``, ``icmp of 1500 bytes``, ``name``."""
        if self.published is not None:
            return f"{self.protocol}/{self.port} published at {self.published}"
        return self.row

    @property
    def row(self) -> str:
        """The service as in the matrix: all addresses at which a port is published are one row."""
        if self.published is not None:
            return f"{self.protocol}/{self.port} published"
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
        data: Data = {"destination": self.destination, "protocol": self.protocol, "token": self.token}
        if not self.source.is_host:
            data["source"] = self.source.container
            if self.source.several:
                data["required_source"] = self.source.address
        elif self.source.kind is EndKind.HOST and not self.same_host:
            data["source_address"] = self.source.address
        if self.port is not None:
            data["port"] = self.published.host_port if self.published else self.port
        # Where a program may accept the connection, only the data shows what arrives.
        if self.published and self.protocol == "tcp" and not (self.published.forwarded and self.declared_by):
            data["data"] = True
        # Each attempt would wait for an answer that does not come.
        if self.declared_by is not None and self.answered:
            data["attempts"] = _ATTEMPTS
        if self.packet is not None:
            data["size"] = self.packet - _HEADERS[self.target.version]
        return data

    def to_trace(self, token: int) -> Data:
        """The probe to send again while its packets are traced, as an item like that of :meth:`to_data`.

        With a new token, because rules for new connections do not match packets of a tracked one. Without attempts of
        its own, because a trace shows the first packet, whether an answer returns or not.
        """
        return {**{key: value for key, value in self.to_data().items() if key != "attempts"}, "token": token}


def _network(end: Endpoint, same_host: bool) -> str:
    if end.kind is EndKind.UNDECLARED:
        return f"{end.network} (undeclared)"  # a declared network may have the same name
    return WORLD if end.is_host and not same_host else end.network
