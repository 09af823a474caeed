# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: two containers send what looks like probes of a verification, until stdin is closed.

The first line of stdin is JSON. ``flood`` has the process id of a container and a frame of it with a probe: it is sent
with all tokens, over and over, to another port each time. ``echo`` has one with a packet of a container to itself.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import select
import socket
import struct
import sys

NET_NAMESPACE = 0x40000000  # CLONE_NEWNET
PORT_BASE, TOKENS = 20000, 40000
UDP_PORTS = 34  # in the frame
PACKETS, PAUSE = 600, 0.01  # at a time, and seconds between


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
    frame, packet = bytearray.fromhex(given["flood"]["frame"]), bytes.fromhex(given["echo"]["packet"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    numbers = itertools.count()
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        for number in itertools.islice(numbers, PACKETS):
            port, token = divmod(number, TOKENS)
            struct.pack_into("!HH", frame, UDP_PORTS, PORT_BASE + token, 1000 + port)
            struct.pack_into("!H", frame, len(frame) - 2, token)
            flood.send(frame)
        echo.sendto(packet, (given["echo"]["address"], 0))


if __name__ == "__main__":
    main()
