# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send many probes at once from many network namespaces, with one selector loop in one thread."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import itertools
import selectors
import socket
import struct
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes import dns
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import (
    ICMP_WANTED,
    ICMPV6_WANTED,
    PAYLOAD_MIN,
    PROBE_MSS,
    EchoReply,
    IcmpError,
    echo_request,
    parse_reply,
    parse_reply_6,
    payload,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import (
    ERROR,
    REPLY,
    TIMEOUT,
    ProbeRequest,
    ProbeResult,
    result_of_errno,
    result_of_icmp,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, allow_descriptors
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sources import (
    FAMILIES,
    SourceAddresses,
    control_message,
)

# Constants that Python's socket module lacks (linux/in.h, in6.h, icmp.h, icmpv6.h).
_SO_RCVBUFFORCE = 33
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_IPV6_DONTFRAG = 62
_PMTUDISC_PROBE = 3  # set "don't fragment", and ignore path MTUs learned earlier
_SOL_RAW = 255
_ICMP_FILTER = 1
_ICMPV6_FILTER = 1

_RECEIVE_BUFFER = 4 << 20
_DATAGRAM = 4096
# The IP version of the addresses that DNS probes query.
ADDRESS_VERSION = 4

# How many probes are sent before answers are read, so that answers do not overrun the buffers.
_BURST = 64

# Descriptors reserved for everything else: namespaces, raw sockets, the engine's connection.
_SPARE_DESCRIPTORS = 128


class _Flight:
    """A probe in flight."""

    __slots__ = ("attempts", "namespace", "probe", "result", "sent", "socket", "source_port")

    def __init__(self, probe: ProbeRequest, namespace: Namespace, attempts: int) -> None:
        self.probe = probe
        self.namespace = namespace
        self.attempts = attempts  # remaining ones
        self.sent = 0.0
        self.socket: socket.socket | None = None
        self.source_port: int | None = None
        self.result: ProbeResult | None = None


_UNKNOWN: tuple[_Flight | None, float] = (None, 0.0)


class _IcmpSocket:
    """The raw socket for all ICMP of a namespace and family, including errors about TCP and UDP."""

    def __init__(self, namespace: Namespace, version: int) -> None:
        self.namespace = namespace
        self.version = version
        self.socket = _raw_socket(version)

    def read(self) -> t.Iterator[EchoReply | IcmpError]:
        """Everything received."""
        while True:
            try:
                packet, sender = self.socket.recvfrom(65535)
            except OSError:  # nothing left to read
                return
            message = parse_reply(packet) if self.version == 4 else parse_reply_6(packet, sender[0])
            if message is not None:
                yield message


def _raw_socket(version: int) -> socket.socket:
    if version == 4:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", _all_bits_but(ICMP_WANTED, 32)))
        raw.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    else:
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        mask = _all_bits_but(ICMPV6_WANTED, 256)
        words = [mask >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)]
        raw.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("8I", *words))
        raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
    raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    raw.setblocking(False)
    return raw


def _all_bits_but(numbers: t.Iterable[int], width: int) -> int:
    return (1 << width) - 1 - sum(1 << number for number in numbers)


class ProbeRun:
    """One run over a list of probes. A probe has ``timeout`` seconds, in which it is sent ``attempts`` times.

    A probe with its own number of attempts is sent that often, at the same interval.
    """

    def __init__(self, timeout: float, attempts: int, concurrency: int) -> None:
        self._attempts = attempts
        self._interval = timeout / attempts
        self._concurrency = concurrency
        self._selector = selectors.DefaultSelector()
        self._icmp_sockets: dict[tuple[Namespace, int], _IcmpSocket] = {}
        self._sequence = itertools.count(1)
        self._sources = SourceAddresses()
        # Probes in flight, by what identifies their answer: namespace, then identifier and sequence, or protocol,
        # source port, destination and its port.
        self._pings: dict[tuple[Namespace, int, int], tuple[_Flight, float]] = {}
        self._ports: dict[tuple[Namespace, str, int, str, int | None], _Flight] = {}
        # In the order of their deadlines, because the interval is the same for all. Settled ones are removed when they
        # come first.
        self._waiting: collections.deque[tuple[float, _Flight]] = collections.deque()
        self._in_flight = 0

    def run(self, probes: t.Sequence[tuple[ProbeRequest, Namespace]]) -> list[ProbeResult]:
        """The result of each probe, in the same order."""
        flights = [_Flight(probe, namespace, probe.attempts or self._attempts) for probe, namespace in probes]
        # Grouped by namespace, so that each is entered once per burst.
        queue = collections.deque(sorted(flights, key=lambda flight: flight.namespace.id))
        spare = _SPARE_DESCRIPTORS + 3 * len({flight.namespace for flight in flights})
        limit = max(1, min(self._concurrency, allow_descriptors(self._concurrency + spare) - spare))
        try:
            while queue or self._waiting:
                burst = min(_BURST, limit - self._in_flight, len(queue))
                self._launch([queue.popleft() for _position in range(burst)])
                more = bool(queue) and self._in_flight < limit
                listened = self._listen(0 if more else self._time_left())
                queue.extendleft(self._expire(listened))
        finally:
            self._close()
        return [flight.result or ProbeResult(ERROR, "not sent") for flight in flights]

    def _time_left(self) -> float:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else 0.0

    def _launch(self, burst: list[_Flight]) -> None:
        for namespace, group in itertools.groupby(burst, key=lambda flight: flight.namespace):
            with namespace.entered():
                for flight in group:
                    self._start(flight)

    def _start(self, flight: _Flight) -> None:
        """Make one attempt; the caller has entered the namespace."""
        flight.attempts -= 1
        self._in_flight += 1
        self._waiting.append((time.monotonic() + self._interval, flight))
        unusable = self._sources.unusable(flight.probe, flight.namespace)
        if unusable is not None:
            self._settle(flight, unusable)
            return
        try:
            self._open_icmp(flight.namespace, flight.probe.version)
            self._send(flight)
        except OSError as error:
            self._failed(flight, error.errno or errno.EIO)

    def _open_icmp(self, namespace: Namespace, version: int) -> None:
        if (namespace, version) not in self._icmp_sockets:
            icmp = _IcmpSocket(namespace, version)
            self._icmp_sockets[namespace, version] = icmp
            self._selector.register(icmp.socket, selectors.EVENT_READ, icmp)

    def _send(self, flight: _Flight) -> None:
        probe = flight.probe
        if probe.protocol == "icmp":
            sequence = next(self._sequence) & 0xFFFF
            flight.sent = time.monotonic()
            self._pings[flight.namespace, probe.source_port, sequence] = (flight, flight.sent)
            raw = self._icmp_sockets[flight.namespace, probe.version].socket
            message = echo_request(probe.version, probe.token, sequence, probe.size or PAYLOAD_MIN)
            raw.sendmsg([message], control_message(probe), 0, (probe.destination, 0))
            return
        opened = flight.socket or self._open(flight)
        flight.sent = time.monotonic()
        if probe.protocol == "udp":
            opened.send(payload(probe.token))
        elif probe.name is not None:
            opened.send(dns.query(probe.token, probe.name, ADDRESS_VERSION))

    def _open(self, flight: _Flight) -> socket.socket:
        probe = flight.probe
        kind = socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM
        flight.socket = opened = socket.socket(FAMILIES[probe.version], kind)
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.protocol == "tcp":
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, PROBE_MSS)
            # Close by a reset: no TIME_WAIT that would keep the next run from using the same pair of ports.
            # With data, the close must not discard it.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", not probe.data, 0))
        own_address = probe.source_address or ""
        try:
            opened.bind((own_address, probe.source_port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # Something in the container uses that port. Use any other; the result names it.
            opened.bind((own_address, 0))
        flight.source_port = opened.getsockname()[1]
        self._ports[flight.namespace, probe.protocol, flight.source_port, probe.destination, probe.port] = flight
        flight.sent = time.monotonic()
        with contextlib.suppress(BlockingIOError):  # in progress
            opened.connect((probe.destination, probe.port))
        events = selectors.EVENT_WRITE if probe.protocol == "tcp" else selectors.EVENT_READ
        self._selector.register(opened, events, flight)
        return opened

    def _listen(self, seconds: float) -> float:
        """Handle what arrives within ``seconds``. Returns a time: all that arrived before is handled."""
        begun = time.monotonic()
        for key, _events in self._selector.select(seconds):
            if isinstance(key.data, _IcmpSocket):
                self._receive_icmp(key.data)
            elif key.data.result is None:
                self._finish(key.data, t.cast(socket.socket, key.fileobj))
        return begun

    def _receive_icmp(self, icmp: _IcmpSocket) -> None:
        for message in icmp.read():
            if isinstance(message, EchoReply):
                self._handle_reply(icmp.namespace, message)
            elif message.protocol == "icmp":
                flight, _sent = self._pings.get((icmp.namespace, message.identifier, message.sequence), _UNKNOWN)
                self._handle_error(flight, message)
            else:
                ports = (message.identifier, message.destination, message.sequence)
                self._handle_error(self._ports.get((icmp.namespace, message.protocol, *ports)), message)

    def _handle_reply(self, namespace: Namespace, reply: EchoReply) -> None:
        flight, sent = self._pings.get((namespace, reply.identifier, reply.sequence), _UNKNOWN)
        if flight is not None and flight.probe.destination == reply.sender:
            self._settle(flight, ProbeResult(REPLY), sent)

    def _handle_error(self, flight: _Flight | None, error: IcmpError) -> None:
        if flight is not None and flight.probe.destination == error.destination:
            self._settle(flight, result_of_icmp(error))

    def _finish(self, flight: _Flight, opened: socket.socket) -> None:
        number = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._failed(flight, number)
        elif flight.probe.name is not None:
            self._receive_answer(flight, opened)
        else:
            if flight.probe.data:
                with contextlib.suppress(OSError):  # closed again; it was connected
                    opened.send(payload(flight.probe.token))
            self._settle(flight, ProbeResult(REPLY))

    def _receive_answer(self, flight: _Flight, opened: socket.socket) -> None:
        """Read a name server's answer; anything but the answer to the query is ignored."""
        try:
            answer = dns.parse_answer(opened.recv(_DATAGRAM), flight.probe.token, ADDRESS_VERSION)
        except OSError as error:
            self._failed(flight, error.errno or errno.EIO)
            return
        if answer is not None:
            self._settle(flight, ProbeResult(REPLY, answer.code, answer=answer.addresses))

    def _failed(self, flight: _Flight, number: int) -> None:
        """Settle a probe for which the kernel reports an error; an ICMP message with details takes precedence.

        Without that message, a firewall's REJECT looks like a closed port. The kernel delivers the message to raw
        sockets before it reports the error on the probe's own socket.
        """
        icmp = self._icmp_sockets.get((flight.namespace, flight.probe.version))
        if icmp is not None:
            self._receive_icmp(icmp)
        self._settle(flight, result_of_errno(number))

    def _settle(self, flight: _Flight, result: ProbeResult, sent: float | None = None) -> None:
        """Set the first result. ``sent`` is when the answered packet was sent, by default the last one."""
        if flight.result is not None:
            return
        rtt = None if result.outcome == TIMEOUT else _milliseconds(flight.sent if sent is None else sent)
        flight.result = dataclasses.replace(result, rtt=rtt, source_port=flight.source_port)
        self._in_flight -= 1
        self._drop_socket(flight)

    def _drop_socket(self, flight: _Flight) -> None:
        if flight.socket is None:
            return
        with contextlib.suppress(KeyError):  # not registered yet
            self._selector.unregister(flight.socket)
        flight.socket.close()
        flight.socket = None

    def _expire(self, listened: float) -> list[_Flight]:
        """Remove probes that are settled or whose interval was over at ``listened``; returns those with attempts left.

        Not those whose interval is over now: on a busy host, their answers may have arrived since, but not been read.
        """
        again = []
        while self._waiting and (self._waiting[0][1].result is not None or self._waiting[0][0] <= listened):
            flight = self._waiting.popleft()[1]
            if flight.result is not None:
                continue
            if flight.attempts:
                if flight.probe.protocol == "tcp":
                    self._drop_socket(flight)  # a new socket sends its SYN at once; the old one backs off
                self._in_flight -= 1
                again.append(flight)
            else:
                attempts = flight.probe.attempts or self._attempts
                seconds = attempts * self._interval
                self._settle(flight, ProbeResult(TIMEOUT, f"no answer to {attempts} attempts in {seconds:g} s"))
        return again

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            t.cast(socket.socket, key.fileobj).close()
        self._selector.close()


def _milliseconds(since: float) -> float:
    return round((time.monotonic() - since) * 1000, 3)
