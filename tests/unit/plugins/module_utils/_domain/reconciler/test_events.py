# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages of the kernel start a check. Real ones are in _host/namespaces/test_reconciler.py."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.events import (
    nftables_parts,
    rtnetlink_parts,
)

NEW_TABLE, NEW_CHAIN, DELETE_CHAIN, NEW_RULE, DELETE_RULE, NEW_SET, NEW_ELEMENT, NEW_GENERATION = (
    0,
    3,
    5,
    6,
    8,
    9,
    12,
    15,
)


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def nftables(kind: int, table: str, chain: str = "") -> tuple[int, bytes]:
    """A message: a rule has its chain in attribute 2, a chain its own name in attribute 3."""
    body = bytes(4) + attribute(1, table.encode() + b"\0")
    return 10 << 8 | kind, body + attribute(2 if kind in (NEW_RULE, DELETE_RULE) else 3, chain.encode() + b"\0")


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (nftables(NEW_TABLE, "fleetnet"), ["firewall"]),
        (nftables(NEW_RULE, "fleetnet", "forward"), ["firewall"]),
        (nftables(NEW_SET, "fleetnet"), ["firewall"]),
        (nftables(NEW_ELEMENT, "fleetnet"), []),
        (nftables(NEW_TABLE, "filter"), ["firewall"]),
        (nftables(DELETE_RULE, "filter", "FORWARD"), ["firewall"]),
        (nftables(DELETE_CHAIN, "filter", "DOCKER-USER"), ["firewall"]),
        (nftables(DELETE_RULE, "filter", "FLEETNET-FORWARD"), ["firewall"]),
        (nftables(NEW_CHAIN, "filter", "DOCKER"), []),
        (nftables(NEW_RULE, "filter", "DOCKER-FORWARD"), []),
        (nftables(NEW_RULE, "raw", "PREROUTING"), ["firewall"]),
        (nftables(NEW_RULE, "raw", "FORWARD"), []),
        (nftables(NEW_RULE, "nat", "PREROUTING"), []),
        (nftables(NEW_TABLE, "other"), []),
        ((10 << 8 | NEW_GENERATION, bytes(4)), []),
        ((3, bytes(4)), []),
        ((10 << 8, b""), []),
    ],
)
def test_nftables(message: tuple[int, bytes], parts: list[str]) -> None:
    assert list(nftables_parts(*message)) == parts


def route(protocol: int) -> bytes:
    return struct.pack("=BBBBBBBBI", 2, 20, 0, 0, 254, protocol, 0, 1, 0)


def link(name: str) -> bytes:
    return struct.pack("=BxHiII", 0, 1, 7, 0, 0) + attribute(3, name.encode() + b"\0")


def netconf(index: int) -> bytes:
    return bytes(4) + attribute(1, struct.pack("=i", index))


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ((24, route(213)), ["routes"]),
        ((25, route(213)), ["routes"]),
        ((25, route(2)), []),
        ((25, b""), []),
        ((21, struct.pack("=BBBBi", 2, 24, 0, 0, 7)), ["routes"]),
        # each new interface has such an address
        ((20, struct.pack("=BBBBi", 10, 64, 0, 253, 7)), []),
        ((16, link("eth0")), ["routes"]),
        ((17, link("fn-web")), ["routes"]),
        ((16, link("veth0123456")), []),
        ((80, netconf(-1)), ["firewall"]),
        ((80, netconf(7)), []),
        ((28, bytes(12)), []),
    ],
)
def test_rtnetlink(message: tuple[int, bytes], parts: list[str]) -> None:
    assert list(rtnetlink_parts(*message)) == parts
