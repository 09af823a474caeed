# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes on the wire: build packets, and parse those that come back or arrive. Pure.

A probe has a token, by which both ends identify it:

- ICMP: an echo request, identifier ``PORT_BASE + token``, with the payload below;
- UDP: one datagram from source port ``PORT_BASE + token``, with the payload below;
- TCP: a SYN from source port ``PORT_BASE + token``, marked by a maximum segment size of ``PROBE_MSS``, which no real
  stack announces and which routers can only lower. A probe with data also sends the payload below once it is connected:
  a program that forwards the connection, such as docker-proxy, forwards the payload, but opens a connection of its own.

The payload is ``MAGIC``, the token as 16 bits, and zeros up to the requested size.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import struct

PORT_BASE = 20000
TOKENS = 40000

PROBE_MSS = 893

MAGIC = b"fleetnet"
PAYLOAD_MIN = len(MAGIC) + 2

ICMP = 1
TCP = 6
UDP = 17
ICMPV6 = 58

_PROTOCOLS = {ICMP: "icmp", ICMPV6: "icmp", TCP: "tcp", UDP: "udp"}

_ECHO_REPLY = 0
_UNREACHABLE = 3
_ECHO_REQUEST = 8
_TIME_EXCEEDED = 11
_ECHO_REQUEST_6 = 128
_ECHO_REPLY_6 = 129
_UNREACHABLE_6 = 1
_TOO_BIG_6 = 2
_TIME_EXCEEDED_6 = 3

# The messages of each family that end a probe. Sockets filter out all others.
ICMP_WANTED = (_ECHO_REPLY, _UNREACHABLE, _TIME_EXCEEDED)
ICMPV6_WANTED = (_ECHO_REPLY_6, _UNREACHABLE_6, _TOO_BIG_6, _TIME_EXCEEDED_6)

PORT_UNREACHABLE = "port unreachable"
TOO_BIG = "packet too big"

_REASONS = {
    (_UNREACHABLE, 0): "network unreachable",
    (_UNREACHABLE, 1): "host unreachable",
    (_UNREACHABLE, 2): "protocol unreachable",
    (_UNREACHABLE, 3): PORT_UNREACHABLE,
    (_UNREACHABLE, 4): TOO_BIG,
    (_UNREACHABLE, 9): "network prohibited",
    (_UNREACHABLE, 10): "host prohibited",
    (_UNREACHABLE, 13): "administratively prohibited",
    (_TIME_EXCEEDED, 0): "time to live exceeded",
}

_REASONS_6 = {
    (_UNREACHABLE_6, 0): "no route to destination",
    (_UNREACHABLE_6, 1): "administratively prohibited",
    (_UNREACHABLE_6, 3): "address unreachable",
    (_UNREACHABLE_6, 4): PORT_UNREACHABLE,
    (_UNREACHABLE_6, 5): "source address failed policy",
    (_UNREACHABLE_6, 6): "reject route to destination",
    (_TOO_BIG_6, 0): TOO_BIG,
    (_TIME_EXCEEDED_6, 0): "hop limit exceeded",
}


@dataclasses.dataclass(frozen=True)
class EchoReply:
    """An answer to an echo request; ``sender`` is the address that answered."""

    sender: str
    identifier: int
    sequence: int


@dataclasses.dataclass(frozen=True)
class IcmpError:
    """A host on the path reports that it did not forward or accept a packet.

    ``protocol`` (icmp, tcp, udp), ``destination``, ``identifier`` (source port of TCP and UDP) and ``sequence``
    (destination port of TCP and UDP) are those of the packet that was sent. ``mtu`` is in bytes and set for a packet
    that is too big.
    """

    sender: str
    reason: str
    protocol: str
    destination: str
    identifier: int
    sequence: int
    mtu: int | None = None


@dataclasses.dataclass(frozen=True)
class Arrival:
    """A probe that reached its destination. ``port`` and ``source_port`` are None for ICMP.

    ``token`` is None for a SYN from a source port outside the probes' range, for example after NAT.
    """

    protocol: str
    source: str
    destination: str
    port: int | None
    source_port: int | None
    token: int | None


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF ^ total


def payload(token: int, size: int = PAYLOAD_MIN) -> bytes:
    """A probe's payload of ``size`` bytes; PAYLOAD_MIN is the minimum."""
    return (MAGIC + struct.pack("!H", token)).ljust(size, b"\0")


def echo_request(version: int, token: int, sequence: int, size: int = PAYLOAD_MIN) -> bytes:
    """The ICMP message for a raw socket. For IPv6, the kernel fills in the checksum."""
    kind = _ECHO_REQUEST if version == 4 else _ECHO_REQUEST_6
    data = payload(token, size)
    parts = (kind, 0, 0, PORT_BASE + token, sequence)
    sum_ = checksum(struct.pack("!BBHHH", *parts) + data) if version == 4 else 0
    return struct.pack("!BBHHH", kind, 0, sum_, *parts[3:]) + data


def parse_reply(packet: bytes) -> EchoReply | IcmpError | None:
    """Parse what a raw ICMP socket received, the IPv4 packet with its header. None if it is not about a probe."""
    header = _ipv4(packet)
    if header is None or header.protocol != ICMP or len(packet) < header.length + 8:
        return None
    kind, code, _sum, identifier, sequence = struct.unpack_from("!BBHHH", packet, header.length)
    if kind == _ECHO_REPLY:
        return EchoReply(header.source, identifier, sequence)
    reason = _REASONS.get((kind, code), f"unreachable, code {code}" if kind == _UNREACHABLE else "")
    # For a packet that is too big, the second half of the rest of the header is the next hop's MTU (RFC 1191).
    return _error(header.source, reason, _ipv4(packet[header.length + 8 :]), packet[header.length + 8 :], sequence)


def parse_reply_6(message: bytes, sender: str) -> EchoReply | IcmpError | None:
    """Parse what a raw ICMPv6 socket received from ``sender``, the message without IP header."""
    if len(message) < 8:
        return None
    kind, code, _sum, rest = struct.unpack_from("!BBHI", message)
    if kind == _ECHO_REPLY_6:
        return EchoReply(sender, rest >> 16, rest & 0xFFFF)
    reason = _REASONS_6.get((kind, code), f"unreachable, code {code}" if kind == _UNREACHABLE_6 else "")
    return _error(sender, reason, _ipv6(message[8:]), message[8:], rest)


@dataclasses.dataclass(frozen=True)
class _Header:
    source: str
    destination: str
    protocol: int
    length: int


def _ipv4(packet: bytes) -> _Header | None:
    """None unless this is a whole IPv4 header of a first fragment; later ones have no transport header."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
        return None
    source, destination = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16))
    return _Header(source, destination, packet[9], (packet[0] & 0xF) * 4)


def _ipv6(packet: bytes) -> _Header | None:
    """None unless this is a whole IPv6 header. Extension headers are not followed, because no probe has them."""
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    source, destination = (str(ipaddress.IPv6Address(packet[at : at + 16])) for at in (8, 24))
    return _Header(source, destination, packet[6], 40)


def _error(sender: str, reason: str, header: _Header | None, original: bytes, mtu: int) -> IcmpError | None:
    """``original`` is the beginning of the packet that the message is about; ``header`` is its IP header."""
    if not reason or header is None or header.protocol not in _PROTOCOLS or len(original) < header.length + 8:
        return None
    ports = header.protocol in (TCP, UDP)
    identifier, sequence = struct.unpack_from("!HH", original, header.length + (0 if ports else 4))
    return IcmpError(
        sender=sender,
        reason=reason,
        protocol=_PROTOCOLS[header.protocol],
        destination=header.destination,
        identifier=identifier,
        sequence=sequence,
        mtu=mtu if reason == TOO_BIG else None,
    )


def parse_arrival(packet: bytes) -> Arrival | None:
    """Parse a packet that entered a namespace, from its IP header on; None if it is not a probe."""
    header = _ipv4(packet) if packet[:1] and packet[0] >> 4 == 4 else _ipv6(packet)
    if header is None:
        return None
    segment = packet[header.length :]
    if header.protocol == TCP:
        return _tcp_arrival(header, segment)
    if len(segment) < 8 + PAYLOAD_MIN or segment[8 : 8 + len(MAGIC)] != MAGIC:
        return None
    token = struct.unpack_from("!H", segment, 8 + len(MAGIC))[0]
    if header.protocol == UDP:
        source_port, port = struct.unpack_from("!HH", segment)
        return Arrival("udp", header.source, header.destination, port, source_port, token)
    if (header.protocol, segment[0]) in ((ICMP, _ECHO_REQUEST), (ICMPV6, _ECHO_REQUEST_6)):
        return Arrival("icmp", header.source, header.destination, None, None, token)
    return None


def _tcp_arrival(header: _Header, segment: bytes) -> Arrival | None:
    if len(segment) < 24:
        return None
    source_port, port = struct.unpack_from("!HH", segment)
    ends = header.source, header.destination, port, source_port
    if segment[13] & 0x12 != 0x02:
        # Not a SYN, or one with an ACK. The data begins after the TCP header, which has a length of its own.
        data = segment[(segment[12] & 0xF0) >> 2 :]
        if len(data) < PAYLOAD_MIN or data[: len(MAGIC)] != MAGIC:
            return None
        return Arrival("tcp", *ends, struct.unpack_from("!H", data, len(MAGIC))[0])
    # A SYN whose first option is the maximum segment size of probes. Linux puts that option first.
    if segment[20:24] != mss_option():
        return None
    token = source_port - PORT_BASE
    return Arrival("tcp", *ends, token if 0 <= token < TOKENS else None)


def mss_option() -> bytes:
    """The TCP option that marks a probe's SYN."""
    return struct.pack("!BBH", 2, 4, PROBE_MSS)
