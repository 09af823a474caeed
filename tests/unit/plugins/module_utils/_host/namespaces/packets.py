# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets as bytes, with any source, for raw sockets. Shares no code with the collection."""

from __future__ import annotations

import ipaddress
import struct
import typing as t

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]  # noqa: UP007 (evaluated on old Pythons)
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _packet(source: Address, target: Address, protocol: int, payload: bytes) -> bytes:
    ends = source.packed + target.packed
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + ends + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    return header[:10] + struct.pack("!H", _checksum(header + ends)) + ends + payload


def _with_checksum(source: Address, target: Address, protocol: int, payload: bytes, place: int) -> bytes:
    """Fill in the checksum at ``place``, over the payload and, but for ICMP of IPv4, the addresses."""
    pseudo = b"" if protocol == ICMP else source.packed + target.packed + struct.pack("!II", len(payload), protocol)
    return payload[:place] + struct.pack("!H", _checksum(pseudo + payload)) + payload[place + 2 :]


def udp(source: str, target: str, source_port: int, port: int, data: bytes) -> bytes:
    """A datagram in a packet."""
    first, second = ipaddress.ip_address(source), ipaddress.ip_address(target)
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data
    return _packet(first, second, UDP, _with_checksum(first, second, UDP, datagram, 6))


def tcp(source: str, target: str, source_port: int, port: int, data: bytes, flags: int = 2) -> bytes:
    """A segment; a SYN by default."""
    first, second = ipaddress.ip_address(source), ipaddress.ip_address(target)
    segment = struct.pack("!HHIIBBHHH", source_port, port, 1, 1 if flags & 16 else 0, 5 << 4, flags, 64000, 0, 0) + data
    return _packet(first, second, TCP, _with_checksum(first, second, TCP, segment, 16))


def icmp(source: str, target: str, kind: tuple[int, int], rest: int, data: bytes) -> bytes:
    """An ICMP message of ``kind`` (type, code); ``rest`` is the second word of its header."""
    first, second = ipaddress.ip_address(source), ipaddress.ip_address(target)
    protocol = ICMP if first.version == 4 else ICMP6
    message = struct.pack("!BBHI", *kind, 0, rest) + data
    return _packet(first, second, protocol, _with_checksum(first, second, protocol, message, 2))


UNREACHABLE = {4: (3, 3), 6: (1, 4)}  # port unreachable
TOO_BIG = {4: (3, 4), 6: (2, 0)}
REDIRECT = {4: (5, 1), 6: (137, 0)}
ROUTER_ADVERTISEMENT = (134, 0)


def error(source: str, target: str, about: bytes, kinds: t.Mapping[int, tuple[int, int]] | None = None) -> bytes:
    """An ICMP error about a packet: port unreachable, or of other ``kinds`` by IP version."""
    version = ipaddress.ip_address(source).version
    return icmp(source, target, (kinds or UNREACHABLE)[version], 1300 if kinds is TOO_BIG else 0, about)


def other(source: str, target: str, protocol: int, data: bytes) -> bytes:
    """A packet of any protocol."""
    return _packet(ipaddress.ip_address(source), ipaddress.ip_address(target), protocol, data)


def extended(datagram: bytes, headers: t.Sequence[int]) -> bytes:
    """An IPv6 datagram with extension headers, each with padding: 0 hop by hop, 43 routing, 60 destination options."""
    protocol, payload = datagram[6], datagram[40:]
    for header in reversed(headers):
        # a routing header without segments left is ignored
        payload = bytes([protocol, 0]) + (b"\0" * 6 if header == 43 else b"\x01\x04\0\0\0\0") + payload
        protocol = header
    return datagram[:4] + struct.pack("!HB", len(payload), protocol) + datagram[7:40] + payload


def fragments(datagram: bytes) -> tuple[bytes, bytes]:
    """The header of a datagram and its data, in two packets."""
    if datagram[0] >> 4 == 6:
        first, second = (
            struct.pack("!BBHI", UDP, 0, place, 77) + part for place, part in ((1, datagram[40:48]), (8, datagram[48:]))
        )
        head = datagram[:4], bytes([44]) + datagram[7:40]
        return tuple(head[0] + struct.pack("!H", len(part)) + head[1] + part for part in (first, second))  # type: ignore[return-value]
    packed = []
    for place, part in ((0x2000, datagram[20:28]), (1, datagram[28:])):
        header = datagram[:2] + struct.pack("!HHH", 20 + len(part), 77, place) + datagram[8:10]
        packed.append(header + struct.pack("!H", _checksum(header + datagram[12:20])) + datagram[12:20] + part)
    return packed[0], packed[1]


def frame(source: bytes, target: bytes, packet: bytes) -> bytes:
    """A packet in an Ethernet frame, between two MAC addresses."""
    return target + source + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def arp_reply(mac: bytes, address: str, to: bytes, target: str) -> bytes:
    """A frame that says which MAC address an IPv4 address has."""
    claim = mac + ipaddress.ip_address(address).packed + to + ipaddress.ip_address(target).packed
    return to + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + claim


def neighbor_advertisement(source: str, target: str, claimed: str, data: bytes) -> bytes:
    """A packet that says that its sender has the address ``claimed``; ``data`` follows in an option."""
    option = bytes([253, (len(data) + 2 + 7) // 8]) + data + bytes(-(len(data) + 2) % 8)
    return icmp(source, target, (136, 0), 0x60 << 24, ipaddress.ip_address(claimed).packed + option)
