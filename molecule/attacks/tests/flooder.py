# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: containers send what looks like probes, until stdin is closed.

The first line on stdin is JSON: ``flood`` and ``echo`` are each a container's process id, the frame of a probe without
its token, and the length of the headers before the UDP datagram. ``flood`` sends all tokens, over and over, to a
neighbor. ``echo`` sends the datagram to the container itself, from and to its open port.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

NET_NAMESPACE = 0x40000000  # CLONE_NEWNET
TOKENS = 40000
PORT_BASE = 20000
BURST = 300
PAUSE = 0.01


def enter(pid: int) -> None:
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, NET_NAMESPACE):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    enter(given["flood"]["pid"])
    flood = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    flood.bind(("eth0", 0))
    enter(given["echo"]["pid"])
    echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    frame, at = bytearray.fromhex(given["flood"]["frame"]), given["flood"]["datagram"]
    packet, target = bytes.fromhex(given["echo"]["packet"]), given["echo"]["address"]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    token = 0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        for _number in range(BURST):
            token = (token + 1) % TOKENS
            struct.pack_into("!H", frame, at, PORT_BASE + token)
            struct.pack_into("!H", frame, len(frame) - 2, token)
            # Another port after each round, so that each is another arrival.
            struct.pack_into("!H", frame, at + 2, 1000 + int(time.monotonic()) % 60)
            flood.send(frame)
        echo.sendto(packet, (target, 0))


if __name__ == "__main__":
    main()
