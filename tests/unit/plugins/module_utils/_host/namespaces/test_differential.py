# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's verdict equals the policy's answer: random declarations, compiled, loaded, and random packets.

By default a sample. At most 700 declarations per run, so that no flow occurs twice::

    FLEETNET_DECLARATIONS=500 FLEETNET_SEED=7 script/env pytest -s tests/unit -k kernel_decides
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import typing as t

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from . import packets
from .bridges import BRIDGES, OUTSIDE, Host
from .random_policies import Packet, passes, random_declaration, random_packet

DECLARATIONS = int(os.environ.get("FLEETNET_DECLARATIONS", "25"))
SEED = int(os.environ.get("FLEETNET_SEED", "1"))
PACKETS = 60
# After the packets that pass have arrived: those that should not would have.
SETTLE = 0.02

PROTOCOLS = {4: (packets.TCP, packets.UDP, packets.ICMP), 6: (packets.TCP, packets.UDP, packets.ICMP6)}


class Wires:
    """Sockets that send from and receive at all places."""

    def __init__(self, host: Host, stack: contextlib.ExitStack) -> None:
        self._outgoing = {name: stack.enter_context(host.raw(name, "eth0")) for name in (*BRIDGES, "outside")}
        self._macs = {name: host.mac(name, "eth0") for name in self._outgoing}
        self._gateways = {name: host.mac("host", BRIDGES.get(name, "eth0")) for name in self._outgoing}
        self._arriving = {name: [stack.enter_context(host.raw(name, "eth0"))] for name in self._outgoing}
        self._arriving["host"] = []
        with host.namespaces["host"].entered():
            for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
                for protocol in PROTOCOLS[version]:
                    self._arriving["host"].append(stack.enter_context(socket.socket(family, socket.SOCK_RAW, protocol)))
        for each in (each for found in self._arriving.values() for each in found):
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE

    def send(self, name: str, packet: bytes) -> None:
        place = "outside" if name in OUTSIDE else name
        self._outgoing[place].send(packets.frame(self._macs[place], self._gateways[place], packet))

    def arrived(self, seen: dict[str, list[bytes]]) -> None:
        """Add what has arrived, by place."""
        for name, found in self._arriving.items():
            for each in found:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        seen.setdefault(name, []).append(each.recv(2048))


def can_answer(packet: Packet) -> bool:
    """Whether the test answers. Sources are translated to the outside; hosts answer themselves, and TCP by a reset."""
    return (
        packet.protocol != "tcp" and packet.target not in ("world", "host") and packet.sender not in ("peer", "world")
    )


def mark(packet: Packet, *, reply: bool) -> bytes:
    return b"%s%05d." % (b"re" if reply else b"to", packet.number)


def send_all(
    wires: Wires, found: t.Sequence[Packet], expected: t.Mapping[int, bool], *, reply: bool
) -> dict[int, bool]:
    """Send packets, or the answers to them; return which arrived, by number."""
    for packet in found:
        wires.send(packet.target if reply else packet.sender, packet.data(mark(packet, reply=reply), reply=reply))
    seen: dict[str, list[bytes]] = {}

    def read() -> dict[int, bool]:
        wires.arrived(seen)
        there = {name: b"".join(data) for name, data in seen.items()}
        result = {}
        for packet in found:
            end = packet.sender if reply else packet.target
            result[packet.number] = mark(packet, reply=reply) in there.get("outside" if end in OUTSIDE else end, b"")
        return result

    with contextlib.suppress(AssertionError):
        wait_until(
            "the packets",
            read,
            lambda now: all(now[number] for number, passing in expected.items() if passing),
            2,
            0.01,
        )
    with contextlib.suppress(AssertionError):
        wait_until("more packets", read, lambda _now: False, SETTLE, SETTLE)
    return read()


def test_the_kernel_decides_as_the_policy_says(host: Host) -> None:
    source = random.Random(SEED)
    differences, pairs, allowed = [], 0, 0
    with contextlib.ExitStack() as stack:
        wires = Wires(host, stack)
        for declaration in range(DECLARATIONS):
            fleet, policy, rules = random_declaration(source)
            host.load(rules)
            base = declaration * PACKETS % 45000
            sent = [random_packet(source, base + number) for number in range(PACKETS)]
            expected = {packet.number: passes(policy, packet) for packet in sent}
            found = send_all(wires, sent, expected, reply=False)
            differences += [
                (fleet["networks"], fleet["policy"], packet, f"expected {expected[packet.number]}")
                for packet in sent
                if found[packet.number] != expected[packet.number]
            ]
            answered = [each for each in sent if can_answer(each)]
            back = {each.number: expected[each.number] or passes(policy, each.answer) for each in answered}
            found = send_all(wires, answered, back, reply=True)
            differences += [
                (fleet["networks"], fleet["policy"], packet, f"reply: expected {back[packet.number]}")
                for packet in answered
                if found[packet.number] != back[packet.number]
            ]
            pairs += len(sent) + len(answered)
            allowed += sum(expected.values()) + sum(back.values())
    print(f"{pairs} packets of {DECLARATIONS} declarations, seed {SEED}: {allowed} allowed")
    assert differences == []
    assert pairs / 10 < allowed < pairs * 9 / 10
