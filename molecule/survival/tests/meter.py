# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as a service, also while it boots: sends denied and allowed packets, and counts those that arrive.

Denied are, in IPv4 and IPv6: TCP, UDP and echo requests between web and db of all hosts, and connections from this
host to a port that other hosts publish for a container on db; some 400 per second in all. Allowed are datagrams from
web to db of all hosts, each from a new port.

A packet arrives when the host sends it on the bridge of its target, also if docker-proxy is its sender. It is sent when
a bridge receives it from a container. The state is the file STATE.

With addresses as arguments it only sends, to the published port, until its standard input ends.
"""

from __future__ import annotations

import collections
import ctypes
import itertools
import json
import os
import pathlib
import socket
import struct
import sys
import threading
import time
import typing as t

STATE = pathlib.Path("/run/leak-meter.json")
PLACES = pathlib.Path("/etc/leak-meter.json")
BRIDGES = ("fn-web", "fn-db")
DENIED, ALLOWED, PUBLISHED = 5999, 5433, 7000  # ports
MARK = b"fleetnet-leak"
RATE = 400  # denied packets per second
BEATS = 50  # allowed packets per second
PAUSE = 0.02  # seconds between packets, of which several are sent at once: to wake up for each costs more than to send
NET_NAMESPACE = 0x40000000  # CLONE_NEWNET
EVERY_PROTOCOL = socket.htons(3)  # ETH_P_ALL
# Shorter gaps between allowed packets are those of a busy machine.
SHORTEST_GAP = 0.1

Kind = tuple[str, int, str]  # protocol, IP version, address


class Sender(threading.Thread):
    """Sends packets from a container's network namespace, or from that of the host without ``container``."""

    def __init__(self, container: str, denied: list[Kind], rate: float, allowed: list[str] = ()) -> None:  # type: ignore[assignment]
        super().__init__(daemon=True)
        self._container, self._allowed = container, allowed
        self._denied, self._pause = itertools.cycle(denied), 1 / rate
        self._pid = ""

    def run(self) -> None:
        beat = due = time.monotonic()
        while True:
            if self._container and not self._entered():
                time.sleep(0.05)
                beat = due = time.monotonic()
                continue
            now = time.monotonic()
            due = max(due, now - 0.1)  # after a pause, no more than the packets of this time follow at once
            while due <= now:
                due += self._pause
                self._send(next(self._denied))
            if self._allowed and beat <= now:
                beat = max(beat + 1 / BEATS, now - 0.1)
                for address in self._allowed:
                    self._datagram(address, ALLOWED)
            time.sleep(PAUSE)

    def _entered(self) -> bool:
        """Enter the namespace of the container, which it changes when it starts again."""
        if self._pid and os.path.exists(f"/proc/{self._pid}"):
            return True
        self._pid = pid_of(self._container)
        try:
            descriptor = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY) if self._pid else -1
        except FileNotFoundError:
            return False
        if descriptor < 0 or ctypes.CDLL(None, use_errno=True).setns(descriptor, NET_NAMESPACE):
            return False
        os.close(descriptor)
        return True

    def _send(self, kind: Kind) -> None:
        protocol, version, address = kind
        try:
            if protocol == "icmp":
                self._echo_request(version, address)
            elif protocol == "udp":
                self._datagram(address, DENIED if self._container else PUBLISHED)
            else:
                with socket.socket(_family(address), socket.SOCK_STREAM) as opened:
                    opened.setblocking(False)
                    opened.connect_ex((address, DENIED if self._container else PUBLISHED))
        except OSError:
            pass  # without a network for a moment

    def _datagram(self, address: str, port: int) -> None:
        try:
            with socket.socket(_family(address), socket.SOCK_DGRAM) as opened:
                opened.sendto(MARK, (address, port))
        except OSError:
            pass  # as above

    def _echo_request(self, version: int, address: str) -> None:
        protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        message = struct.pack("!BBHHH", 8 if version == 4 else 128, 0, 0, 1, 1) + MARK + b"\0"
        if version == 4:
            total = sum(struct.unpack(f"!{len(message) // 2}H", message))
            total = (total & 0xFFFF) + (total >> 16)
            message = message[:2] + struct.pack("!H", 0xFFFF ^ total) + message[4:]
        with socket.socket(_family(address), socket.SOCK_RAW, protocol) as opened:
            opened.sendto(message, (address, 0))


def pid_of(container: str) -> str:
    """The process ID of a container, empty if it does not run. The engine's client would start a process for each."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
            opened.settimeout(1)
            opened.connect("/run/docker.sock")
            opened.sendall(f"GET /containers/{container}/json HTTP/1.0\r\n\r\n".encode())
            with opened.makefile("rb") as answer:
                found = json.loads(answer.read().partition(b"\r\n\r\n")[2])["State"]["Pid"]
    except (OSError, ValueError, KeyError):
        return ""
    return str(found or "")


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def kind_of(frame: bytes) -> tuple[str, str] | None:
    """What a packet on a bridge is: ("denied" or "allowed", its protocol, IP version, and source)."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == 0x0800 and len(frame) >= 34:
        version, protocol, at, source = 4, frame[23], 14 + 4 * (frame[14] & 15), frame[26:30]
    elif ethertype == 0x86DD and len(frame) >= 54:
        version, protocol, at, source = 6, frame[20], 54, frame[22:38]
    else:
        return None
    port = int.from_bytes(frame[at + 2 : at + 4], "big")
    if protocol in (1, 58):
        # an echo request; an error about one contains it
        if frame[at] not in (8, 128) or MARK not in frame:
            return None
        return "denied", f"ICMP over IPv{version}"
    name = {6: "TCP", 17: "UDP"}.get(protocol)
    if name == "TCP" and not frame[at + 13] & 2:
        return None  # not a SYN
    if name == "UDP" and port == ALLOWED:
        if MARK not in frame:
            return None  # a probe of a verification
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return "allowed", socket.inet_ntop(family, source)
    if name and port in (DENIED, PUBLISHED):
        return "denied", f"{name} over IPv{version}" + (" to the published port" if port == PUBLISHED else "")
    return None


class Recorder:
    """Counts packets on the bridges, and measures the gaps between the allowed ones of a source."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, EVERY_PROTOCOL)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self._socket.settimeout(0.1)
        self.started = time.monotonic()
        self.sent = self.arrived = 0
        self.leaked: collections.Counter[str] = collections.Counter()
        # when the first and the last allowed packet of each source arrived
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.gaps: collections.deque[tuple[float, float, str]] = collections.deque(maxlen=2000)

    def receive(self) -> None:
        try:
            frame, (interface, _protocol, direction, *_rest) = self._socket.recvfrom(256)
        except TimeoutError:
            return
        found = kind_of(frame) if interface in BRIDGES else None
        if found is None:
            return
        verdict, what = found
        if direction != socket.PACKET_OUTGOING:
            self.sent += verdict == "denied"
        elif verdict == "denied":
            self.leaked[what] += 1
        else:
            self.arrived += 1
            now = time.monotonic()
            self.first.setdefault(what, now)
            length = now - self.last.get(what, now)
            if length > SHORTEST_GAP:
                self.gaps.append((now, length, what))
            self.last[what] = now


def send_from_outside(addresses: list[str]) -> None:
    """Send to the published port of hosts."""
    kinds = [(each, 6 if ":" in address else 4, address) for address in addresses for each in ("tcp", "udp")]
    Sender("", kinds, 0.1 * RATE).start()
    print("ready", flush=True)
    sys.stdin.read()


def main() -> None:
    recorder = Recorder()
    ready = os.environ.get("NOTIFY_SOCKET")
    if ready:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
            opened.sendto(b"READY=1", ready.replace("@", "\0", 1))
    places = json.loads(PLACES.read_text("utf-8"))

    def kinds(name: str, protocols: t.Sequence[str]) -> list[Kind]:
        return [(each, 6 if ":" in address else 4, address) for address in places[name] for each in protocols]

    protocols = ("tcp", "udp", "icmp")
    senders = [
        Sender("web", kinds("db", protocols), 0.45 * RATE, places["db"]),
        Sender("db", kinds("web", protocols), 0.45 * RATE),
        Sender("", kinds("others", ("tcp", "udp")), 0.1 * RATE),
    ]
    for each in senders:
        each.start()
    due = 0.0
    while True:
        recorder.receive()
        now = time.monotonic()
        if now >= due:
            due = now + 0.2
            state = {
                "started": recorder.started, "now": now, "sent": recorder.sent, "arrived": recorder.arrived,
                "leaked": recorder.leaked,
                "gaps": list(recorder.gaps), "first": recorder.first, "last": recorder.last,
            }  # fmt: skip
            STATE.with_suffix(".new").write_text(json.dumps(state), "utf-8")
            STATE.with_suffix(".new").replace(STATE)


if __name__ == "__main__":
    send_from_outside(sys.argv[1:]) if sys.argv[1:] else main()
