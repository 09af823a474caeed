# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: sends frames from the network namespaces of containers, as NET_RAW allows them.

Reads lines from standard input: the process ID of a container, and a frame in hexadecimal.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

NET_NAMESPACE = 0x40000000  # CLONE_NEWNET


def main() -> None:
    sockets: dict[str, socket.socket] = {}
    for line in sys.stdin:
        pid, frame = line.split()
        if pid not in sockets:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, NET_NAMESPACE):
                raise OSError(ctypes.get_errno(), "setns")
            os.close(descriptor)
            sockets[pid] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sockets[pid].bind(("eth0", 0))
        sockets[pid].send(bytes.fromhex(frame))


if __name__ == "__main__":
    main()
