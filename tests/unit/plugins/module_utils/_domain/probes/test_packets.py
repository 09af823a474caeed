# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes' packets: exactly what is built is recognized, by the parser and by the kernel's filter."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes import bpf_filter
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import (
    MAGIC,
    PAYLOAD_MIN,
    PORT_BASE,
    PROBE_MSS,
    TOKENS,
    Arrival,
    EchoReply,
    IcmpError,
    checksum,
    echo_request,
    parse_arrival,
    parse_reply,
    parse_reply_6,
    payload,
)

from ..planning import assert_golden

A, B, ROUTER = "10.77.64.10", "10.77.65.10", "10.77.64.1"
A6, B6, ROUTER6 = "fd00:64::10", "fd00:65::10", "fd00:64::1"

tokens = st.integers(0, TOKENS - 1)


def ipv4(protocol: int, body: bytes, source: str = A, destination: str = B, options: bytes = b"", fragment: int = 0):
    header = struct.pack(
        "!BBHHHBBH",
        0x40 | (20 + len(options)) // 4,
        0,
        20 + len(options) + len(body),
        1,
        fragment,
        64,
        protocol,
        0,
    )
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    return header + addresses + options + body


def ipv6(protocol: int, body: bytes, source: str = A6, destination: str = B6) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return header + ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(destination).packed + body


def syn(source_port: int, port: int, mss: int = PROBE_MSS, flags: int = 0x02) -> bytes:
    options = struct.pack("!BBH", 2, 4, mss) + b"\x04\x02\x08\x0a" + bytes(8)
    return struct.pack("!HHIIBBHHH", source_port, port, 1, 0, (20 + len(options)) << 2, flags, 64240, 0, 0) + options


def segment(source_port: int, port: int, data: bytes, options: bytes = b"", flags: int = 0x18) -> bytes:
    header = struct.pack("!HHIIBBHHH", source_port, port, 1, 1, (20 + len(options)) << 2, flags, 64240, 0, 0)
    return header + options + data


def udp(source_port: int, port: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data


def icmp(kind: int, code: int, rest: int, data: bytes) -> bytes:
    return struct.pack("!BBHI", kind, code, 0, rest) + data


def passes_filter(packet: bytes) -> bool:
    """Run the filter as the kernel does: only the instructions that it uses; a load out of bounds drops."""
    program, at, a, x = bpf_filter.probe_filter(), 0, 0, 0
    loads = {
        bpf_filter.LOAD_BYTE: ("!B", False),
        bpf_filter.LOAD_HALF: ("!H", False),
        bpf_filter.LOAD_BYTE_X: ("!B", True),
        bpf_filter.LOAD_WORD_X: ("!I", True),
    }
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == bpf_filter.RETURN:
            return k > 0
        if code in loads:
            form, indexed = loads[code]
            try:
                (a,) = struct.unpack_from(form, packet, k + (x if indexed else 0))
            except struct.error:
                return False
        elif code == bpf_filter.LOAD_X_HEADER:
            x = 4 * (packet[k] & 0xF)
        elif code == bpf_filter.LOAD_X_VALUE:
            x = k
        elif code == bpf_filter.AND:
            a &= k
        elif code == bpf_filter.SHIFT_RIGHT:
            a >>= k
        elif code == bpf_filter.ADD_X:
            a += x
        elif code == bpf_filter.MOVE_TO_X:
            x = a
        elif code == bpf_filter.JUMP_EQUAL:
            at += if_true if a == k else if_false
        elif code == bpf_filter.JUMP_SET:
            at += if_true if a & k else if_false
        else:
            raise AssertionError(f"instruction {code:#x}")


def test_checksum_of_the_rfc() -> None:
    # The example of RFC 1071, section 3.
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


@given(st.binary(max_size=64))
def test_the_sum_over_a_packet_with_its_checksum_is_zero(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert checksum(struct.pack("!H", checksum(data)) + even) == 0


@given(tokens, st.integers(0, 65535), st.integers(PAYLOAD_MIN, 200))
def test_an_echo_request_has_the_requested_size_and_a_valid_checksum(token: int, sequence: int, size: int) -> None:
    message = echo_request(4, token, sequence, size)
    assert len(message) == 8 + size
    assert checksum(message) == 0


@given(tokens)
def test_every_probe_is_recognized_on_arrival(token: int) -> None:
    port = 20000 + token
    probes = {
        ipv4(1, echo_request(4, token, 7)): Arrival("icmp", A, B, None, None, token),
        ipv4(17, udp(port, 53, payload(token))): Arrival("udp", A, B, 53, port, token),
        ipv4(6, syn(port, 80)): Arrival("tcp", A, B, 80, port, token),
        ipv4(6, syn(port, 80), options=bytes(8)): Arrival("tcp", A, B, 80, port, token),
        ipv6(58, echo_request(6, token, 7)): Arrival("icmp", A6, B6, None, None, token),
        ipv6(17, udp(port, 53, payload(token))): Arrival("udp", A6, B6, 53, port, token),
        ipv6(6, syn(port, 80)): Arrival("tcp", A6, B6, 80, port, token),
        # from a program that forwards the connection
        ipv4(6, segment(999, 80, payload(token))): Arrival("tcp", A, B, 80, 999, token),
        ipv4(6, segment(999, 80, payload(token), bytes(12)), options=bytes(4)): Arrival("tcp", A, B, 80, 999, token),
        ipv6(6, segment(999, 80, payload(token), bytes(12))): Arrival("tcp", A6, B6, 80, 999, token),
    }
    for packet, arrival in probes.items():
        assert parse_arrival(packet) == arrival
        assert passes_filter(packet)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        ipv4(6, syn(20001, 80, mss=1460)),
        ipv4(6, syn(20001, 80, flags=0x12)),
        ipv4(6, syn(20001, 80)[:20]),
        ipv4(6, segment(20001, 80, b"fleetnot" + bytes(20))),
        ipv4(6, segment(20001, 80, b"a" + payload(1))),
        ipv4(6, segment(20001, 80, payload(1), flags=0x02)),
        ipv4(6, segment(20001, 80, b"")),
        ipv4(17, udp(20001, 53, b"fleetnot" + bytes(20))),
        ipv4(17, udp(20001, 53, MAGIC)[:14]),
        ipv4(17, udp(20001, 53, payload(1)), fragment=185),
        ipv4(1, icmp(0, 0, 0x4E210001, payload(1))),
        ipv4(47, bytes(8) + payload(1)),
        ipv6(58, icmp(129, 0, 0x4E210001, payload(1))),
        ipv6(59, bytes(8) + payload(1)),
        bytes([0x50]) + bytes(80),
    ],
)
def test_nothing_else_is_recognized_as_a_probe(packet: bytes) -> None:
    assert parse_arrival(packet) is None
    assert not passes_filter(packet)


@given(st.binary(max_size=120))
def test_the_filter_accepts_exactly_the_probes(noise: bytes) -> None:
    if parse_arrival(noise) is not None:
        assert passes_filter(noise)


def test_a_probe_whose_source_port_was_rewritten_has_no_token() -> None:
    arrival = parse_arrival(ipv4(6, syn(1024, 80)))
    assert arrival is not None
    assert arrival.token is None
    assert arrival.source_port == 1024


def test_echo_replies() -> None:
    assert parse_reply(ipv4(1, icmp(0, 0, 0x4E270003, payload(7)), B, A)) == EchoReply(B, 20007, 3)
    assert parse_reply_6(icmp(129, 0, 0x4E270003, payload(7)), B6) == EchoReply(B6, 20007, 3)


@pytest.mark.parametrize(
    ("kind", "code", "rest", "reason", "mtu"),
    [
        (3, 0, 0, "network unreachable", None),
        (3, 1, 0, "host unreachable", None),
        (3, 3, 0, "port unreachable", None),
        (3, 4, 1450, "packet too big", 1450),
        (3, 13, 0, "administratively prohibited", None),
        (3, 15, 0, "unreachable, code 15", None),
        (11, 0, 0, "time to live exceeded", None),
    ],
)
def test_icmp_errors_identify_their_packet(kind: int, code: int, rest: int, reason: str, mtu: int | None) -> None:
    for protocol, body, name, sequence in (
        (1, echo_request(4, 7, 3), "icmp", 3),
        (6, syn(20007, 80)[:8], "tcp", 80),
        (17, udp(20007, 53, b""), "udp", 53),
    ):
        packet = ipv4(1, icmp(kind, code, rest, ipv4(protocol, body)), ROUTER, A)
        assert parse_reply(packet) == IcmpError(ROUTER, reason, name, B, 20007, sequence, mtu)


@pytest.mark.parametrize(
    ("kind", "code", "rest", "reason", "mtu"),
    [
        (1, 0, 0, "no route to destination", None),
        (1, 1, 0, "administratively prohibited", None),
        (1, 4, 0, "port unreachable", None),
        (1, 9, 0, "unreachable, code 9", None),
        (2, 0, 1280, "packet too big", 1280),
        (3, 0, 0, "hop limit exceeded", None),
    ],
)
def test_icmpv6_errors(kind: int, code: int, rest: int, reason: str, mtu: int | None) -> None:
    message = icmp(kind, code, rest, ipv6(58, echo_request(6, 7, 3)))
    assert parse_reply_6(message, ROUTER6) == IcmpError(ROUTER6, reason, "icmp", B6, 20007, 3, mtu)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ipv4(1, b"\0\0"),
        ipv4(1, icmp(5, 0, 0, ipv4(17, udp(1, 2, b"")))),  # a redirect
        ipv4(1, icmp(3, 1, 0, ipv4(17, b"\0\0"))),
        ipv4(1, icmp(3, 1, 0, ipv4(47, bytes(8)))),
        ipv4(17, udp(1, 2, b"")),
    ],
)
def test_messages_not_about_a_probe_are_ignored(packet: bytes) -> None:
    assert parse_reply(packet) is None
    assert parse_reply_6(packet[:7], B6) is None


@given(st.binary(max_size=120))
def test_noise_raises_nothing(noise: bytes) -> None:
    parse_arrival(noise)
    parse_reply(noise)
    parse_reply_6(noise, B6)


def test_the_filter_is_encoded_as_the_kernel_reads_it() -> None:
    program = bpf_filter.probe_filter()
    assert len(bpf_filter.encode(program)) == 8 * len(program)
    assert all(0 <= jump < 256 for line in program for jump in (line.if_true, line.if_false))


def test_messages_byte_for_byte():
    """Their layout is that of RFC 792 and RFC 4443; the kernel fills in the checksum for IPv6."""
    data = payload(3)
    identifier = struct.pack("!HH", PORT_BASE + 3, 9)
    for version, kind in ((4, 8), (6, 128)):
        message = echo_request(version, 3, 9)
        assert message[:2] == bytes([kind, 0])
        assert message[4:] == identifier + data
        assert checksum(message) == 0 if version == 4 else message[2:4] == b"\0\0"
    assert struct.pack("!H", checksum(bytes([8, 0, 0, 0]) + identifier + data)) == echo_request(4, 3, 9)[2:4]


def test_golden_filter():
    """The program is checked as a whole: an instruction that loads too little still lets probes pass."""
    assert_golden("probe_filter.yml", [list(instruction) for instruction in bpf_filter.probe_filter()])
