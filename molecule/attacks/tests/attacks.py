# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets: what containers of one host send, legitimate and forged. Pure, built with Scapy.

A legitimate packet, a control, names the places where it arrives. Any other packet may arrive nowhere outside of the
network of its sender. The declaration is in inventory/group_vars: ops may send to db on UDP port 5000, and to the
outside; web may send only to one address outside; vault is internal; plain and stranger are on networks that are not
ours.
"""

from __future__ import annotations

import itertools
import logging
import typing as t

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import GRE, Dot1AD, Dot1Q
from scapy.layers.sctp import SCTP
from scapy.packet import Packet, Raw
from scapy.utils6 import in6_mactoifaceid

from .book import ALLOWED, Attempt, Book, Host

logging.getLogger("scapy").setLevel(logging.ERROR)  # warns about small fragments

LISTENER = 9999  # the port of the host
PUBLISHED = 5433  # db's port 5000 is published there
PUBLISHED_OPS = 5434  # port 5000 of ops, which the outside may reach
OUTSIDE = {4: "203.0.113.9", 6: "2001:db8::9"}
WORLD = {4: "198.51.100.1", 6: "2001:db8:1::1"}


def attempts(version: int, host: Host, peer: Host, numbers: t.Iterator[int]) -> list[Attempt]:
    """All packets of a host, controls first: they establish the flows into which the forged ones are sent."""
    book = Book(version, host, peer, numbers)
    _controls(book)
    _forged_sources(book)
    _established_flows(book)
    _icmp_errors(book)
    _errors_to_hosts(book)
    _forms(book)
    _destinations(book)
    if version == 6:
        _link_local(book)
    _group_addresses(book)
    # Sent last, so that its arrival is the end of the run.
    for name, each in (("own", host), ("other", peer)):
        book.add(f"last control to {name} host", "ops", book.udp(book.at("ops"), book.at("db", each)), [_db(each)])
    return book.attempts


def _db(host: Host) -> str:
    return f"{host.name}:db"


def _both(book: Book) -> tuple[tuple[str, Host], ...]:
    return (("own", book.host), ("other", book.peer))


def _controls(book: Book) -> None:
    ops = book.at("ops")
    for place, host in _both(book):
        db = book.at("db", host)
        book.add(f"control to db, {place} host", "ops", book.udp(ops, db), [_db(host)])
        book.add(f"control to the {place} host", "ops", book.udp(ops, host.addresses[book.version], LISTENER),
                 [f"{host.name}:listener"])  # fmt: skip
        book.add(f"control, fragments to db, {place} host", "ops", book.udp(ops, db), [_db(host)], cut=48)
    reply = book.ip(book.at("db"), ops) / UDP(sport=ALLOWED, dport=6000)
    book.add("control, a reply to ops", "db", reply, [f"{book.host.name}:ops"])
    error = _error(book, book.at("db"), ops, about=book.udp(ops, book.at("db")))
    book.add("control, an ICMP error to ops", "db", error, [f"{book.host.name}:ops"], is_icmp_error=True)
    error = _error(book, ops, book.host.addresses[book.version], about=_answer_to_ops(book))
    book.add("control, an ICMP error to the own host", "ops", error, [f"{book.host.name}:errors"], is_icmp_error=True)
    outside = book.udp(ops, WORLD[book.version], 80)
    if book.version == 4:  # the hosts have no IPv6 route to the outside
        book.add("control to the outside", "ops", outside, [f"{book.host.name}:out"])
        allowed = book.ip(book.at("web"), WORLD[4]) / TCP(sport=6000, dport=80, flags="S")
        book.add("control to the declared outside", "web", allowed, [f"{book.host.name}:out"])
    else:
        for name, header in (("hop-by-hop", IPv6ExtHdrHopByHop()), ("destination options", IPv6ExtHdrDestOpt())):
            packet = book.ip(ops, book.at("db")) / header / UDP(sport=6000, dport=ALLOWED)
            book.add(f"control, {name} to db", "ops", packet, [_db(book.host)])


def _sources(book: Book, sender: str) -> dict[str, str]:
    """Addresses that are not the sender's, by description."""
    own = book.host.addresses[book.version]
    return {
        "its own source": book.at(sender),
        "a source outside": OUTSIDE[book.version],
        "the source of ops": book.at("ops"),
        "the source of ops on the other host": book.at("ops", book.peer),
        "the source of db": book.at("db"),
        "the host's source": own,
        "the other host's source": book.peer.addresses[book.version],
        "a loopback source": "127.0.0.1" if book.version == 4 else "::1",
        "no source": "0.0.0.0" if book.version == 4 else "::",  # an address, nothing listens there
        **({"a link-local source": "fe80::9"} if book.version == 6 else {"a link-local source": "169.254.0.9"}),
    }


def _forged_sources(book: Book) -> None:
    """New flows, to containers, hosts and the outside. Each sender but those of vault is one that may send there."""
    for sender in ("web", "vault", "plain", "stranger"):
        if book.version not in book.host.stations[sender].addresses:
            continue  # docker0 without IPv6
        for name, source in _sources(book, sender).items():
            ours = sender in ("web", "vault")
            # an internal network reaches its host, also by link-local addresses
            may = sender == "vault" and (name == "its own source" or (book.version, name) == (6, "a link-local source"))
            for client, (place, host) in enumerate(_both(book), 6100):
                book.add(f"{name} to db, {place} host", sender, book.udp(source, book.at("db", host), client=client))
                # Networks that are not ours reach hosts with addresses that are not the fleet's.
                if ours or name.startswith("the source of"):
                    target = host.addresses[book.version]
                    arrives = [f"{host.name}:listener"] if may and place == "own" else None
                    book.add(f"{name} to the {place} host", sender, book.udp(source, target, LISTENER, client), arrives)
            if ours or name.startswith("the source of"):
                book.add(f"{name} to the outside", sender, book.udp(source, WORLD[book.version], 80))


def _established_flows(book: Book) -> None:
    """Into the flows from ops to db that the controls have established, in both directions."""
    ops = book.at("ops")
    for sender in ("web", "vault", "plain", "stranger"):
        if book.version not in book.host.stations[sender].addresses:
            continue
        for place, host in _both(book):
            db = book.at("db", host)
            book.add(f"into the flow to db, {place} host", sender, book.udp(ops, db))
            reply = book.ip(db, ops) / UDP(sport=ALLOWED, dport=6000)
            book.add(f"into the flow from db, {place} host", sender, reply)


def _error(book: Book, source: str, target: str, about: Packet) -> Packet:
    """The error "port unreachable". The packet that it is about has no mark."""
    about = about / Raw(b"8 bytes.")
    if book.version == 4:
        return book.ip(source, target) / ICMP(type=3, code=3) / about
    return book.ip(source, target) / ICMPv6DestUnreach(code=4) / about


def _too_big(book: Book, source: str, target: str, about: Packet) -> Packet:
    """The error that lowers the MTU of the path."""
    about = about / Raw(b"8 bytes.")
    if book.version == 6:
        return book.ip(source, target) / ICMPv6PacketTooBig(mtu=1280) / about
    return book.ip(source, target) / ICMP(type=3, code=4, nexthopmtu=576) / about


def _answer_to_ops(book: Book) -> Packet:
    """What the host would answer to the control from ops."""
    return book.ip(book.host.addresses[book.version], book.at("ops")) / UDP(sport=LISTENER, dport=6000)


def _errors_to_hosts(book: Book) -> None:
    """To the sender's own host, about its flows to ops and to the outside."""
    own = book.host.addresses[book.version]
    flows = {"to ops": _answer_to_ops(book), "to the outside": book.udp(own, WORLD[book.version], 53)}
    for sender in ("web", "vault"):
        sources = {
            "its own source": book.at(sender),
            **({"a link-local source": "fe80::9"} if book.version == 6 else {}),
        }
        for (name, source), (flow, about) in itertools.product(sources.items(), flows.items()):
            for kind, make in {"an ICMP error": _error, "an ICMP error that lowers the MTU": _too_big}.items():
                packet = make(book, source, own, about)
                book.add(f"{kind} to the host with {name}, about its flow {flow}", sender, packet, is_icmp_error=True)


def _icmp_errors(book: Book) -> None:
    """About a flow of other networks, to the end that would act on them."""
    ops = book.at("ops")
    for place, host in _both(book):
        db = book.at("db", host)
        for name, source in {"its own source": book.at("web"), "the source of db": db}.items():
            error = _error(book, source, ops, about=book.udp(ops, db))
            book.add(f"an ICMP error with {name}, about a flow to the {place} host", "web", error, is_icmp_error=True)
        error = _error(book, book.at("web"), db, about=book.ip(db, ops) / UDP(sport=ALLOWED, dport=6000))
        book.add(f"an ICMP error to db, {place} host", "web", error, is_icmp_error=True)
    packet = _too_big(book, book.at("web"), ops, about=book.udp(ops, book.at("db")))
    book.add("an ICMP error that lowers the MTU", "web", packet, is_icmp_error=True)


def _forms(book: Book) -> None:
    """Forms of packets that a filter may not see through."""
    web = book.at("web")
    for place, host in _both(book):
        db = book.at("db", host)
        plain = book.udp(web, db)
        book.add(f"fragments to db, {place} host", "web", plain, cut=48)
        book.add(f"tiny fragments to db, {place} host", "web", plain, cut=16 if book.version == 4 else 56)
        for protocol, layer in {"GRE": GRE() / plain, "SCTP": SCTP(sport=6000, dport=ALLOWED)}.items():
            book.add(f"{protocol} to db, {place} host", "web", book.ip(web, db) / layer)
        field = "proto" if book.version == 4 else "nh"
        for number in (2, 4, 41, 50, 51, 103, 136, 253):
            book.add(f"protocol {number} to db, {place} host", "web", book.ip(web, db, **{field: number}))
        tcp = {"SYN": "S", "ACK": "A", "RST": "R", "no flag": "", "SYN and FIN": "SF"}
        for name, flags in tcp.items():
            segment = book.ip(web, db) / TCP(sport=6000, dport=ALLOWED, flags=flags)
            book.add(f"TCP with {name} to db, {place} host", "web", segment)
        tags = {"a VLAN tag": Dot1Q(vlan=0), "a VLAN": Dot1Q(vlan=7), "two tags": Dot1AD(vlan=0) / Dot1Q(vlan=0)}
        for name, tag in tags.items():
            book.add(f"{name}, to db, {place} host", "web", plain, link=tag)
        if book.version == 4:
            gateway = book.host.addresses[4]
            routed = IP(src=web, dst=gateway, options=[IPOption_LSRR(routers=[db])]) / UDP(sport=6000, dport=ALLOWED)
            book.add(f"a source route to db, {place} host", "web", routed)
        else:
            headers = {
                "hop-by-hop": IPv6ExtHdrHopByHop(),
                "destination options": IPv6ExtHdrDestOpt(),
                "an atomic fragment": IPv6ExtHdrFragment(),
                "many headers": IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt(),
            }
            for name, header in headers.items():
                packet = book.ip(web, db) / header / UDP(sport=6000, dport=ALLOWED)
                book.add(f"{name} to db, {place} host", "web", packet)
            via = book.host.addresses[6]
            for kind in (0, 2):
                routing = IPv6ExtHdrRouting(type=kind, segleft=1, addresses=[db])
                packet = book.ip(web, via) / routing / UDP(sport=6000, dport=ALLOWED)
                book.add(f"routing header {kind} to db, {place} host", "web", packet)


def _destinations(book: Book) -> None:
    """Addresses behind which a network may be found that the policy does not name."""
    web, version = book.at("web"), book.version
    for place, host in _both(book):
        book.add(f"db's published port, {place} host", "web", book.udp(web, host.addresses[version], PUBLISHED))
        for name in ("vault", "ops"):
            book.add(f"to {name}, {place} host", "web", book.udp(web, book.at(name, host)))
    for name in ("plain", "stranger"):
        if version in book.host.stations[name].addresses:
            book.add(f"to {name}", "web", book.udp(web, book.at(name)))
    for sender, name in itertools.product(("web", "vault"), ("web", "ops", "db", "vault")):
        # To its own host, the gateway of web on the other host is an address of web.
        passes = [f"{book.host.name}:out"] if sender == name == "web" else []
        packet = book.udp(book.at(sender), book.gateway(name, book.peer), LISTENER)
        book.add(f"to the gateway of {name}, other host", sender, packet, passes=passes)
    groups = {
        4: (
            "224.0.0.1",
            "224.0.0.251",
            "239.1.1.1",
            "255.255.255.255",
            "127.0.0.1",
            "169.254.169.254",
        ),
        6: ("ff02::1", "ff02::fb", "ff05::1", "ff0e::1", "::1", "fd00:ec2::254"),
    }[version]
    for target in groups:
        for port in (ALLOWED, LISTENER):
            book.add(f"to {target}, port {port}", "web", book.udp(web, target, port))
    if version == 4:
        book.add("to the broadcast address of db", "web", book.udp(web, _last(book.at("db"))))


def _link_local(book: Book) -> None:
    """To docker-proxy, from addresses that do not show the network: the host has more than one of these itself."""
    for sender in ("web", "vault"):
        targets = {
            "the host": book.host.addresses[6],
            "the gateway fe80::1": "fe80::1",
            "its bridge": f"fe80::{in6_mactoifaceid(book.host.stations[sender].gateway)}",
        }
        for (name, target), port in itertools.product(targets.items(), (PUBLISHED, PUBLISHED_OPS)):
            packet = book.udp("fe80::9", target, port)
            book.add(f"a link-local source to {name}, published port {port}", sender, packet)


def _group_addresses(book: Book) -> None:
    """In frames to reserved group addresses, which a bridge hands to its host as received by the container's port."""
    for sender, source in itertools.product(("web", "vault", "plain", "stranger"), ("own", "outside", "link-local")):
        if book.version not in book.host.stations[sender].addresses:
            continue
        address = {
            "own": book.at(sender),
            "outside": OUTSIDE[book.version],
            "link-local": "169.254.0.9" if book.version == 4 else "fe80::9",
        }[source]
        for last in (0x00, 0x02, 0x03, 0x0E, 0x0F):
            macs = book.host.stations[sender].mac, f"01:80:c2:00:00:{last:02x}"
            targets = {"its host": (book.host.addresses[book.version], LISTENER), "db": (book.at("db"), ALLOWED)}
            for name, (target, port) in targets.items():
                packet = book.udp(address, target, port)
                book.add(f"{source} source to {name}, by the group address {macs[1]}", sender, packet, macs=macs)


def _last(address: str) -> str:
    """The broadcast address of a /24."""
    return ".".join([*address.split(".")[:3], "255"])


# Of all packets of a test run.
NUMBERS = itertools.count(1)


def everything(hosts: t.Sequence[Host]) -> list[Attempt]:
    """The packets of all hosts, each with the next host as its other one."""
    found: list[Attempt] = []
    for position, host in enumerate(hosts):
        for version in (4, 6):
            found += attempts(version, host, hosts[(position + 1) % len(hosts)], NUMBERS)
    return found
