# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: records where packets with a mark are seen, until its standard input ends.

Prints "ready", then a line of JSON for each new sighting: [place, number of the packet, whether it is an ICMP error].
Places: the name of a container; "left" where a container's packet enters the host, before any rule; "out" where a
packet leaves the host; "listener" where the host itself accepts it, on a UDP port, and "errors" where it accepts an
ICMP error.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import socket
import subprocess
import sys
import typing as t

MARK = re.compile(rb"fn(\d{5})!")
PORT = 9999
UNDERLAY = "eth0"
NET_NAMESPACE = 0x40000000  # CLONE_NEWNET
EVERY_PROTOCOL = socket.htons(3)  # ETH_P_ALL


def packet_socket(namespace: str = "/proc/self/ns/net") -> socket.socket:
    """A socket that receives every packet of a network namespace."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(namespace, os.O_RDONLY)
    enter(there)
    try:
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, EVERY_PROTOCOL)
        found.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        return found
    finally:
        enter(before)
        os.close(before)
        os.close(there)


def enter(descriptor: int) -> None:
    """Enter a network namespace. os.setns is new in Python 3.12."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, NET_NAMESPACE):
        raise OSError(ctypes.get_errno(), "setns")


def containers() -> dict[str, str]:
    """The network namespace of each running container."""
    names = subprocess.run(["docker", "ps", "--format", "{{.Names}}"], check=True, capture_output=True, text=True)
    form = "{{.Name}} {{.State.Pid}}"
    command = ["docker", "inspect", "--format", form, *names.stdout.split()]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    pairs = [line.split() for line in lines if line]
    return {name.lstrip("/"): f"/proc/{pid}/ns/net" for name, pid in pairs}


def is_icmp_error(frame: bytes) -> bool:
    """An error contains the packet that it is about, and so its mark."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800 and frame[23] == 1:
        return frame[14 + 4 * (frame[14] & 15)] in (3, 5, 11, 12)
    return kind == 0x86DD and frame[20] == 58 and frame[54] < 128


def place_of(name: str, sender: t.Any) -> str | None:
    """Where a packet was seen, None if it is seen elsewhere as well."""
    interface, _protocol, direction = sender[:3]
    leaves = direction == socket.PACKET_OUTGOING
    if name != "host":
        return None if leaves else name
    if leaves:
        return "out" if interface == UNDERLAY else None
    return None if interface in (UNDERLAY, "lo") else "left"


def main() -> None:
    sockets = {packet_socket(path): name for name, path in containers().items()}
    sockets[packet_socket()] = "host"
    listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", PORT))
    sockets[listener] = "listener"
    for family, protocol in ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6)):
        sockets[socket.socket(family, socket.SOCK_RAW, protocol)] = "errors"
    for each in sockets:
        each.setblocking(False)
    seen: set[tuple[str, int, bool]] = set()
    print("ready", flush=True)
    ended = False
    while not ended:
        ended = sys.stdin in select.select([*sockets, sys.stdin], [], [])[0]
        # After the end, what was received until then is still read.
        for each, name in sockets.items():
            for place, frame in received(each, name):
                for found in MARK.findall(frame):
                    is_error = name == "errors" or (name != "listener" and is_icmp_error(frame))
                    sighting = (place, int(found), is_error)
                    if sighting not in seen:
                        seen.add(sighting)
                        print(json.dumps(sighting), flush=True)


def received(each: socket.socket, name: str) -> t.Iterator[tuple[str, bytes]]:
    """The packets that a socket has received, with their places."""
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, sender = each.recvfrom(1 << 16)
            place = name if name in ("listener", "errors") else place_of(name, sender)
            if place:
                yield place, frame


if __name__ == "__main__":
    main()
