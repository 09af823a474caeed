# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the kernel about interfaces, addresses, routes and neighbours (linux/rtnetlink.h)."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import rtnetlink


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (rtnetlink.GET_LINK, 16),
        (rtnetlink.GET_ADDRESS, 8),
        (rtnetlink.GET_ROUTE, 12),
        (rtnetlink.GET_NEIGHBOUR, 12),
    ],
)
def test_requests(kind: int, size: int) -> None:
    assert rtnetlink.dump_request(kind) == struct.pack("=IHHII", 16 + size, kind, 0x301, 0, 0) + bytes(size)


def test_kinds_are_those_of_the_kernel() -> None:
    names = ("LINK", "ADDRESS", "ROUTE", "NEIGHBOUR")
    assert [getattr(rtnetlink, f"NEW_{name}") for name in names] == [16, 20, 24, 28]
    assert [getattr(rtnetlink, f"GET_{name}") for name in names] == [18, 22, 26, 30]
    assert [rtnetlink.is_last(kind) for kind in (1, 2, 3, 16)] == [False, True, True, False]


def test_a_request_to_delete_a_neighbour() -> None:
    for address, family, packed in (
        ("10.0.0.2", 2, bytes([10, 0, 0, 2])),
        ("fd00::2", 10, b"\xfd" + bytes(14) + b"\2"),
    ):
        body = struct.pack("=BxxxiHBB", family, 7, 0, 0, 0) + attribute(1, packed)
        request = rtnetlink.delete_neighbour_request(rtnetlink.Neighbour(7, address, False))
        assert request == struct.pack("=IHHII", 16 + len(body), 29, 0x5, 0, 0) + body


@pytest.mark.parametrize(
    ("operational", "up", "state"),
    [
        (6, True, "up"),
        (6, False, "up"),
        (0, True, "unknown"),
        (2, True, "lowerlayerdown"),
        (3, True, "lowerlayerdown"),
        (2, False, "down"),
        (3, False, "down"),
        (5, True, "dormant"),
        (7, True, "unknown"),
    ],
)
def test_states_of_interfaces(operational: int, up: bool, state: str) -> None:
    """The kernel reports the same for an interface that is down and for one whose other end is."""
    body = struct.pack("=BxHiII", 0, 1, 5, up, 0) + b"".join(
        [
            attribute(3, b"eth0\0"), attribute(1, bytes([2, 0, 0, 0, 0, 255])), attribute(4, struct.pack("=I", 1400)),
            attribute(16, bytes([operational])), attribute(5, struct.pack("=I", 9)),
            attribute(10, struct.pack("=I", 3)),
            attribute(0x8000 | 18, attribute(1, b"veth\0")),
        ]
    )  # fmt: skip
    assert rtnetlink.parse_link(body) == rtnetlink.Link(5, "eth0", "02:00:00:00:00:ff", 1400, state, 9, "veth", 3)


def test_a_loopback_interface_has_no_other_end() -> None:
    body = struct.pack("=BxHiII", 0, 1, 1, 1, 0) + attribute(3, b"lo\0") + attribute(4, struct.pack("=I", 65536))
    assert rtnetlink.parse_link(body) == rtnetlink.Link(1, "lo", "", 65536, "unknown", None)


def test_addresses() -> None:
    body = struct.pack("=BBBBi", 2, 24, 0, 0, 5) + attribute(1, bytes([10, 0, 0, 1]))
    assert rtnetlink.parse_address(body) == rtnetlink.Address(5, "10.0.0.1/24")
    assert rtnetlink.parse_address(body + attribute(2, bytes([10, 0, 0, 2]))) == rtnetlink.Address(5, "10.0.0.2/24")


def test_default_routes() -> None:
    def route(length: int = 0, table: int = 254, kind: int = 1, gateway: bool = True) -> bytes:
        ends = attribute(4, struct.pack("=I", 5)) + (attribute(5, bytes([10, 0, 0, 1])) if gateway else b"")
        return struct.pack("=BBBBBBBBI", 2, length, 0, 0, table, 3, 0, kind, 0) + ends

    found = rtnetlink.DefaultRoute(5, "10.0.0.1", 0)
    assert rtnetlink.parse_default_route(route()) == found
    assert rtnetlink.parse_default_route(route() + attribute(6, struct.pack("=I", 100))) == found._replace(metric=100)
    for other in (route(length=1), route(table=255), route(kind=7), route(gateway=False)):
        assert rtnetlink.parse_default_route(other) is None


def test_neighbours() -> None:
    def neighbour(family: int, state: int) -> bytes:
        return struct.pack("=BxxxiHBB", family, 5, state, 0, 0) + attribute(1, bytes([10, 0, 0, 1]))

    assert rtnetlink.parse_neighbour(neighbour(2, 0x02)) == rtnetlink.Neighbour(5, "10.0.0.1", False)
    assert rtnetlink.parse_neighbour(neighbour(2, 0x80)) == rtnetlink.Neighbour(5, "10.0.0.1", True)
    assert rtnetlink.parse_neighbour(neighbour(7, 0x02)) is None
    assert rtnetlink.parse_neighbour(struct.pack("=BxxxiHBB", 2, 5, 2, 0, 0)) is None
