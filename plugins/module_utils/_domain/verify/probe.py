# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe of verification, and its ends. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU_DEFAULT

Data = t.Dict[str, t.Any]

# Docker's embedded DNS server, which containers on user-defined networks use.
NAME_SERVER = "127.0.0.11"
# Attempts for a probe that is expected to pass: a server with a short queue, which the whole fleet connects to at once,
# needs time. Attempts cost time only where the probe fails.
_ATTEMPTS = 12
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
