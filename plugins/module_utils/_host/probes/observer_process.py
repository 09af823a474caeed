# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the observer does: hear the probes that come into network namespaces, and write each down once."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import selectors
import signal
import socket
import time
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.bpf_filter import encode, probe_filter
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import Arrival, parse_arrival

# The last line of a record that ends because the observer was told to end.
END_MARK = '"end"\n'

# How the process is called in `ps`: at most 15 characters.
_PROCESS_NAME = "fleetnet-probes"

# More arrivals than any verification has: a bound on memory and disk, should something flood the namespaces.
_ARRIVALS_MAX = 200000

# Constants that Python's socket module lacks (linux/if_ether.h, asm-generic/socket.h, linux/if_packet.h).
_ETH_P_IP = 0x0800
_ETH_P_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_PACKET_HOST = 0

_RECEIVE_BUFFER = 4 << 20
_DATAGRAM = 4096
_BACKLOG = 1024


@dataclasses.dataclass(frozen=True)
class Ear:
    """A packet socket inside the namespace of ``container``."""

    socket: socket.socket
    container: str


@dataclasses.dataclass(frozen=True)
class Listener:
    """A socket on a port that nobody else listens on: connections are accepted and closed, datagrams sent back."""

    socket: socket.socket

    def serve(self) -> None:
        """Answer all that has come in."""
        with contextlib.suppress(OSError):  # nothing more
            while True:
                if self.socket.type == socket.SOCK_STREAM:
                    self.socket.accept()[0].close()
                else:
                    self.socket.sendto(*self.socket.recvfrom(_DATAGRAM))


def listener(address: str, protocol: str, port: int) -> Listener | None:
    """In the namespace that the caller is in; None where it has not this address, or somebody listens there."""
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
    """Sockets that hear the probes of either family coming in, in the namespace that the caller is in.

    With one protocol each, they get no outgoing packets. They start with their IP header.
    """
    return [_packet_socket(protocol) for protocol in (_ETH_P_IP, _ETH_P_IPV6)]


def _packet_socket(protocol: int) -> socket.socket:
    # What comes in before the filter is in place is sorted out by parse_arrival.
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
    ears: t.Sequence[Ear],
    listeners: t.Sequence[Listener],
    arrivals: int,
    lifetime: float,
    ready: t.Callable[[], None],
) -> None:
    """Let ``listeners`` serve, and write what is heard to the descriptor ``arrivals``.

    Until SIGTERM comes, or ``lifetime`` seconds are over.

    ``ready`` is called once SIGTERM is understood.
    """
    # Whatever else goes wrong, the kernel ends this process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, lifetime + 10)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _name_process()
    told = _Told()
    ready()
    deadline = time.monotonic() + lifetime
    selector = selectors.DefaultSelector()
    for ear in ears:
        selector.register(ear.socket, selectors.EVENT_READ, ear)
    for each in listeners:
        selector.register(each.socket, selectors.EVENT_READ, each)
    selector.register(told.reader, selectors.EVENT_READ)
    seen: set[tuple[str, Arrival]] = set()
    with os.fdopen(arrivals, "w", encoding="utf-8") as file:
        while not told.by_signal and time.monotonic() < deadline:
            events = selector.select(max(0.0, deadline - time.monotonic()))
            for key, _mask in events:
                if isinstance(key.data, Listener):
                    key.data.serve()
            _write(file, [key.data for key, _mask in events if isinstance(key.data, Ear)], seen)
        _write(file, ears, seen)  # what has come in before the signal
        if told.by_signal:
            file.write(END_MARK)


class _Told:
    """SIGTERM, as something that a selector wakes up for."""

    def __init__(self) -> None:
        self.by_signal = False
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, _number: int, _frame: types.FrameType | None) -> None:
        self.by_signal = True


def _name_process() -> None:
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(_PROCESS_NAME)


def _write(file: t.TextIO, ears: t.Sequence[Ear], seen: set[tuple[str, Arrival]]) -> None:
    for ear in ears:
        for arrival in _heard(ear.socket):
            if (ear.container, arrival) not in seen and len(seen) < _ARRIVALS_MAX:
                seen.add((ear.container, arrival))
                file.write(json.dumps(dict(dataclasses.asdict(arrival), container=ear.container)) + "\n")
    file.flush()


def _heard(opened: socket.socket) -> t.Iterator[Arrival]:
    while True:
        try:
            packet, sender = opened.recvfrom(256)  # headers, options and the beginning of the payload
        except OSError:  # nothing more, or a link of the namespace went down, which ends nothing
            return
        arrival = parse_arrival(packet) if sender[2] == _PACKET_HOST else None
        if arrival is not None:
            yield arrival
