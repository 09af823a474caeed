# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sends to its neighbor on the same bridge, legitimate and forged. Pure, built with Scapy."""

from __future__ import annotations

import typing as t

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6ND_Redirect
from scapy.layers.l2 import ARP, Dot1Q

from .attacks import NUMBERS, OUTSIDE
from .book import Attempt, Book, Host

# The targets of a frame to all, by IP version.
ALL = {4: "ff:ff:ff:ff:ff:ff", 6: "33:33:00:00:00:01"}
UNKNOWN_MAC = "02:00:00:00:00:99"
DHCP_SERVER = {4: 67, 6: 547}


def within_bridges(hosts: t.Sequence[Host]) -> list[Attempt]:
    """The packets of web on all hosts."""
    return [each for host in hosts for version in (4, 6) for each in _within_bridge(version, host)]


def _within_bridge(version: int, host: Host) -> list[Attempt]:
    """The last but one is a control, whose arrival shows that all were sent.

    The last one takes over the neighbor's MAC address: from then on, the bridge would send its frames to web.
    """
    book = Book(version, host, host, NUMBERS)
    web, neighbor = host.stations["web"], host.stations["neighbor"]
    own, target = web.addresses[version], neighbor.addresses[version]
    direct, arrives = (web.mac, neighbor.mac), [f"{host.name}:neighbor"]
    book.add("control to a neighbor", "web", book.udp(own, target), arrives, macs=direct)
    _sources(book, direct)
    if version == 4:
        _arp(book)
    else:
        _neighbor_discovery(book)
    book.add("last control to a neighbor", "web", book.udp(own, target, client=6001), arrives, macs=direct)
    book.add("the neighbor's MAC address", "web", book.udp(own, target), macs=(neighbor.mac, neighbor.mac))
    return book.attempts


def _sources(book: Book, direct: tuple[str, str]) -> None:
    web, neighbor, version = book.host.stations["web"], book.host.stations["neighbor"], book.version
    own, target, router = book.at("web"), book.at("neighbor"), web.routers[version]
    sources = {
        "the gateway's source": router,
        "the host's source": book.host.addresses[version],
        "a source outside": OUTSIDE[version],
        "the neighbor's own source": target,
    }
    for name, source in sources.items():
        book.add(f"{name} to a neighbor", "web", book.udp(source, target), macs=direct)
    for name, tag in {"a VLAN tag": Dot1Q(vlan=0), "a VLAN": Dot1Q(vlan=7)}.items():
        book.add(f"{name}, the gateway's source to a neighbor", "web", book.udp(router, target), link=tag, macs=direct)
    book.add("an unknown MAC address", "web", book.udp(own, target), macs=(UNKNOWN_MAC, neighbor.mac))
    book.add("a DHCP answer", "web", book.udp(own, target, client=DHCP_SERVER[version]), macs=direct)


def _claims(book: Book) -> t.Iterator[tuple[str, str, tuple[str, str], bool]]:
    """What is claimed: its description, the address, the MAC addresses of the frame, and whether it is to all."""
    web, neighbor = book.host.stations["web"], book.host.stations["neighbor"]
    for name, claimed in {"the gateway": web.routers[book.version], "the neighbor": book.at("neighbor")}.items():
        yield f"as {name}, to the neighbor", claimed, (web.mac, neighbor.mac), False
        yield f"as {name}, to all", claimed, (web.mac, ALL[book.version]), True


def _arp(book: Book) -> None:
    mac, target = book.host.stations["web"].mac, book.at("neighbor")
    for name, claimed, macs, _all in _claims(book):
        for kind, number in {"reply": 2, "request": 1}.items():
            claim = ARP(op=number, hwsrc=mac, psrc=claimed, pdst=target)
            book.add(f"an ARP {kind} {name}", "web", claim, macs=macs)


def _neighbor_discovery(book: Book) -> None:
    own, target = book.at("web"), book.at("neighbor")
    direct = (book.host.stations["web"].mac, book.host.stations["neighbor"].mac)
    for name, claimed, macs, to_all in _claims(book):
        packet = book.ip(own, "ff02::1" if to_all else target, hlim=255) / ICMPv6ND_NA(tgt=claimed, O=1, R=0)
        book.add(f"a neighbor advertisement {name}", "web", packet, macs=macs)
    messages = {"a router advertisement": ICMPv6ND_RA(), "a redirect": ICMPv6ND_Redirect(tgt=own, dst=OUTSIDE[6])}
    for what, message in messages.items():
        for name, source in {"its own": own, "a link-local": "fe80::42"}.items():
            packet = book.ip(source, target, hlim=255) / message
            book.add(f"{what} with {name} source", "web", packet, macs=direct)
