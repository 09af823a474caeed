# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets with marks, collected by host. Pure, built with Scapy."""

from __future__ import annotations

import ipaddress
import typing as t

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

ALLOWED = 5000  # the port of the line from ops to db


class Station(t.NamedTuple):
    """A container: its host and name, the MAC and IP addresses of it and of its bridge (`gateway`, `routers`)."""

    host: str
    name: str
    mac: str
    gateway: str
    addresses: dict[int, str]
    routers: dict[int, str]


class Host(t.NamedTuple):
    """A host: its underlay addresses by IP version, and its containers by name."""

    name: str
    addresses: dict[int, str]
    stations: dict[str, Station]


class Attempt(t.NamedTuple):
    """One packet or its fragments, as whole frames. ``arrives``: the places for a control, None for a forged one.

    A forged one may be seen at the places ``passes``.
    """

    number: int
    name: str
    sender: Station
    frames: tuple[bytes, ...]
    arrives: frozenset[str] | None
    is_icmp_error: bool
    passes: frozenset[str] = frozenset()


class Book:
    """Collects the attempts of a host in one IP version."""

    def __init__(self, version: int, host: Host, peer: Host, numbers: t.Iterator[int]) -> None:
        self.version, self.host, self.peer = version, host, peer
        self.attempts: list[Attempt] = []
        self._numbers = numbers

    def ip(self, source: str, target: str, **fields: t.Any) -> Packet:
        return (IP if self.version == 4 else IPv6)(src=source, dst=target, **fields)

    def at(self, name: str, host: Host | None = None) -> str:
        """A container's address, by default on this host."""
        return (host or self.host).stations[name].addresses[self.version]

    def gateway(self, name: str, host: Host) -> str:
        """The address of a host in the network of a container there. The engine reports none of an internal network."""
        return str(ipaddress.ip_network(f"{self.at(name, host)}/{24 if self.version == 4 else 64}", strict=False)[1])

    def add(
        self,
        name: str,
        sender: str,
        packet: Packet,
        arrives: t.Iterable[str] | None = None,
        link: Packet | None = None,
        cut: int = 0,
        is_icmp_error: bool = False,
        macs: tuple[str, str] | None = None,
        passes: t.Iterable[str] = (),
    ) -> None:
        """``cut``: the number of bytes in the first fragment. ``macs`` are the source and the target of the frame.

        By default these are the sender's and that of its bridge.
        """
        number = next(self._numbers)
        station = self.host.stations[sender]
        # 8 bytes, so that each fragment that is more than a header contains it
        load = packet / Raw(b"fn%05d!" % number * (16 if cut else 1))
        packets = [load]
        if cut:
            packets = fragment(load, cut) if self.version == 4 else fragment6(load, cut)
        source, target = macs or (station.mac, station.gateway)
        ether = Ether(src=source, dst=target)
        if link:
            ether = ether / link
        self.attempts.append(
            Attempt(
                number,
                f"{self.host.name} IPv{self.version} {sender}: {name}",
                station,
                tuple(bytes(ether / each) for each in packets),
                None if arrives is None else frozenset(arrives),
                is_icmp_error,
                frozenset(passes),
            )
        )

    def udp(self, source: str, target: str, port: int = ALLOWED, client: int = 6000) -> Packet:
        return self.ip(source, target) / UDP(sport=client, dport=port)
