# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source addresses of probes: those that a namespace has, and those that its kernel chooses."""

from __future__ import annotations

import socket
import struct

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import (
    ERROR,
    OTHER_SOURCE,
    ProbeRequest,
    ProbeResult,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# Constants that Python's socket module lacks (linux/in.h, in6.h).
_IP_PKTINFO = 8
_IPV6_PKTINFO = 50
# Any port: a datagram socket that is connected has a source address, and sends nothing.
_DISCARD = 9


class SourceAddresses:
    """What is known about the namespaces of a run."""

    def __init__(self) -> None:
        self._own: dict[tuple[Namespace, str], bool] = {}
        self._chosen: dict[tuple[Namespace, str], str | None] = {}

    def unusable(self, probe: ProbeRequest, namespace: Namespace) -> ProbeResult | None:
        """The result of a probe that cannot have its source address, and so is not sent; else None.

        The caller has entered the namespace.
        """
        address, required = probe.source_address, probe.required_source
        if address is not None:
            if (namespace, address) not in self._own:
                self._own[namespace, address] = _has(address, probe.version)
            if not self._own[namespace, address]:
                return ProbeResult(ERROR, f"the source does not have address {address}")
        if required is not None:
            if (namespace, probe.destination) not in self._chosen:
                self._chosen[namespace, probe.destination] = _chosen(probe)
            chosen = self._chosen[namespace, probe.destination]
            if chosen not in (None, required):
                return ProbeResult(OTHER_SOURCE, f"the source has address {chosen} for this destination")
        return None


def _has(address: str, version: int) -> bool:
    with socket.socket(FAMILIES[version], socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((address, 0))
        except OSError:
            return False
    return True


def _chosen(probe: ProbeRequest) -> str | None:
    """The address that the kernel chooses for a destination, by its routes; None without a route."""
    with socket.socket(FAMILIES[probe.version], socket.SOCK_DGRAM) as tried:
        try:
            tried.connect((probe.destination, _DISCARD))
        except OSError:
            return None
        return str(tried.getsockname()[0])


def control_message(probe: ProbeRequest) -> list[tuple[int, int, bytes]]:
    """The control message with the source address of a packet, for a raw socket that several probes share."""
    if probe.source_address is None:
        return []
    address = socket.inet_pton(FAMILIES[probe.version], probe.source_address)
    if probe.version == 4:
        return [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("I4s4x", 0, address))]
    return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, struct.pack("16sI", address, 0))]
