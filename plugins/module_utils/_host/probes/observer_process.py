# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The observer's process: receive the probes that enter network namespaces, and record each once."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import selectors
import signal
import socket
import struct
import time
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.bpf_filter import encode, probe_filter
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import (
    MAGIC,
    Arrival,
    parse_arrival,
)

# The last line of the record of an observer that was stopped.
END_MARK = '"end"\n'
# The key of the line before it: the containers of which arrivals are missing in the record.
OVERFLOWED = "overflowed"

# The name of the process in `ps`: at most 15 characters.
_PROCESS_NAME = "fleetnet-probes"

# More arrivals than a verification has, at one container and at all: limits memory and disk if a container floods.
# Below the number of tokens, so that no container sends all of them unnoticed.
MOST_ARRIVALS_OF_CONTAINER = 10_000
_MOST_ARRIVALS = 400_000
# Packets, connections or datagrams of a socket that are handled before it is the next socket's turn.
_ROUND = 256
# What may still be in a socket's buffer at the end: _RECEIVE_BUFFER / the kernel's memory for a small packet.
_LAST_ROUND = 16_384

# Constants that Python's socket module lacks (linux/if_ether.h, asm-generic/socket.h, linux/if_packet.h).
_ETH_P_IP = 0x0800
_ETH_P_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_PACKET_HOST = 0
_SOL_PACKET = 263
_PACKET_STATISTICS = 6

_RECEIVE_BUFFER = 4 << 20
_DATAGRAM = 4096
_BACKLOG = 1024
# The answer to a datagram. It is not a probe: two listeners never answer each other, whoever started it.
_ANSWER = b"arrived"


@dataclasses.dataclass(frozen=True)
class Capture:
    """A packet socket in the namespace of ``container``."""

    socket: socket.socket
    container: str


@dataclasses.dataclass(frozen=True)
class Listener:
    """A socket on a free port: it accepts and closes connections, and answers the datagrams that are probes."""

    socket: socket.socket

    def serve(self) -> None:
        """Answer what was received, at most _ROUND times."""
        with contextlib.suppress(OSError):  # nothing left to read
            for _turn in range(_ROUND):
                if self.socket.type == socket.SOCK_STREAM:
                    self.socket.accept()[0].close()
                    continue
                data, sender = self.socket.recvfrom(_DATAGRAM)
                if data.startswith(MAGIC):
                    self.socket.sendto(_ANSWER, sender)


def open_listener(address: str, protocol: str, port: int) -> Listener | None:
    """A listener in the current namespace; None if it does not have the address or the port is in use."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    try:
        opened.bind((address, port))
        if protocol == "tcp":
            opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        return None
    opened.setblocking(False)
    return Listener(opened)


def packet_sockets() -> list[socket.socket]:
    """Sockets that receive the probes of both families entering the current namespace.

    A socket of one protocol does not receive outgoing packets. Packets start with their IP header.
    """
    return [_packet_socket(protocol) for protocol in (_ETH_P_IP, _ETH_P_IPV6)]


def _packet_socket(protocol: int) -> socket.socket:
    # parse_arrival ignores what arrives before the filter is attached.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))
    program = probe_filter()
    instructions = ctypes.create_string_buffer(encode(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    attached = Program(len(program), ctypes.addressof(instructions))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(attached))
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    opened.setblocking(False)
    return opened


def listen(
    captures: t.Sequence[Capture],
    listeners: t.Sequence[Listener],
    arrivals: int,
    lifetime: float,
    ready: t.Callable[[], None],
) -> None:
    """Serve ``listeners``, and write what ``captures`` receive to the descriptor ``arrivals``.

    Ends on SIGTERM or after ``lifetime`` seconds. Calls ``ready`` once SIGTERM is handled.
    """
    # In any case, the kernel ends this process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, lifetime + 10)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _name_process()
    sigterm = _Sigterm()
    ready()
    deadline = time.monotonic() + lifetime
    selector = selectors.DefaultSelector()
    for capture in captures:
        selector.register(capture.socket, selectors.EVENT_READ, capture)
    for each in listeners:
        selector.register(each.socket, selectors.EVENT_READ, each)
    selector.register(sigterm.reader, selectors.EVENT_READ)
    with os.fdopen(arrivals, "w", encoding="utf-8") as file:
        record = _Record(file)
        while not sigterm.received and time.monotonic() < deadline:
            events = selector.select(max(0.0, deadline - time.monotonic()))
            for key, _mask in events:
                if isinstance(key.data, Listener):
                    key.data.serve()
                elif isinstance(key.data, Capture):
                    record.write(key.data, _ROUND)
            file.flush()
        for capture in captures:  # what arrived before the signal
            record.write_last(capture)
        record.end(complete=sigterm.received)


class _Record:
    """The arrivals, each once. Limited, so that what one container receives hides no arrival at another one."""

    def __init__(self, file: t.TextIO) -> None:
        self._file = file
        self._seen: dict[str, set[Arrival]] = {}
        self._count = 0
        self._overflowed: set[str] = set()

    def write(self, capture: Capture, most: int) -> bool:
        """Write what ``capture`` has received, at most ``most`` packets. Returns whether that was all."""
        seen = self._seen.setdefault(capture.container, set())
        for _packet in range(most):
            try:
                packet, sender = capture.socket.recvfrom(256)  # headers, options and the beginning of the payload
            except OSError:  # nothing left to read, or an interface went down, which does not end the observer
                return True
            arrival = parse_arrival(packet) if sender[2] == _PACKET_HOST else None
            if arrival is None or arrival in seen:
                continue
            if len(seen) >= MOST_ARRIVALS_OF_CONTAINER or self._count >= _MOST_ARRIVALS:
                self._overflowed.add(capture.container)
                continue
            seen.add(arrival)
            self._count += 1
            self._file.write(json.dumps(dict(dataclasses.asdict(arrival), container=capture.container)) + "\n")
        return False

    def write_last(self, capture: Capture) -> None:
        """Write what is left. A container of which packets were lost has overflowed."""
        complete = self.write(capture, _LAST_ROUND)
        _packets, dropped = struct.unpack("II", capture.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        if dropped or not complete:
            self._overflowed.add(capture.container)

    def end(self, complete: bool) -> None:
        """Write the containers that have overflowed, and the end mark if the record is complete."""
        self._file.write(json.dumps({OVERFLOWED: sorted(self._overflowed)}) + "\n")
        if complete:
            self._file.write(END_MARK)


class _Sigterm:
    """Receives SIGTERM and wakes up a selector."""

    def __init__(self) -> None:
        self.received = False
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: types.FrameType | None) -> None:
        self.received = True


def _name_process() -> None:
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(_PROCESS_NAME)
