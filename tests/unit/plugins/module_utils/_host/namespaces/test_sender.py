# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real probes through real namespaces."""

from __future__ import annotations

import socket
import threading
import time
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest, ProbeResult
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, own_id
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun

if t.TYPE_CHECKING:
    from conftest import Path

THERE = {4: "10.2.0.2", 6: "fd02::2"}


INTERVAL = 0.2
# An answer takes a while on a busy machine. More attempts take no time for a probe that is answered.
PATIENT = 300


def send(
    namespace: Namespace, *probes: ProbeRequest, attempts: int = PATIENT, concurrency: int = 100
) -> list[ProbeResult]:
    return ProbeRun(INTERVAL * attempts, attempts, concurrency).run([(probe, namespace) for probe in probes])


@pytest.fixture
def listener(path: Path) -> t.Iterator[int]:
    with path.there.entered():
        # No server accepts, so all connections must fit in the backlog.
        opened = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    with opened:
        yield opened.getsockname()[1]


@pytest.mark.parametrize("version", [4, 6])
def test_an_open_port_a_closed_port_and_an_address_are_reached(path: Path, listener: int, version: int) -> None:
    open_, closed, ping = send(
        path.here,
        ProbeRequest("here", THERE[version], "tcp", listener, 1),
        ProbeRequest("here", THERE[version], "tcp", 9, 2),
        ProbeRequest("here", THERE[version], "icmp", None, 3),
    )
    assert [open_.outcome, closed.outcome, ping.outcome] == ["reply", "refused", "reply"]
    assert (open_.source_port, closed.source_port, ping.source_port) == (20001, 20002, None)
    assert all(result.reached and result.rtt is not None for result in (open_, closed, ping))


@pytest.mark.parametrize("version", [4, 6])
def test_udp_reaches_a_server_and_a_closed_port(path: Path, version: int) -> None:
    with path.there.entered():
        server = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind(("", 5353))
    server.settimeout(120)

    def answer() -> None:
        data, sender = server.recvfrom(100)
        server.sendto(data, sender)

    thread = threading.Thread(target=answer)
    thread.start()
    with server:
        answered, closed = send(
            path.here,
            ProbeRequest("here", THERE[version], "udp", 5353, 1),
            ProbeRequest("here", THERE[version], "udp", 9, 2),
        )
        thread.join()
    assert answered.outcome == "reply"
    assert (closed.outcome, closed.detail) == ("refused", "ICMP port unreachable")


@pytest.mark.parametrize("net", ["10.{}.0.9", "fd0{}::9"])
def test_dropped_and_rejected_probes_do_not_reach(path: Path, net: str) -> None:
    probes = [
        ProbeRequest("here", net.format(place), protocol, port, token)
        for place in (3, 4)
        for token, (protocol, port) in enumerate((("icmp", None), ("tcp", 80), ("udp", 80)))
    ]
    dropped, rejected = _halves(send(path.here, *probes, attempts=2))
    assert {result.outcome for result in dropped} == {"timeout"}
    assert {result.detail for result in dropped} == {"no answer to 2 attempts in 0.4 s"}
    assert {result.outcome for result in rejected} == {"unreachable"}
    assert all("administratively prohibited from" in result.detail for result in rejected)


def test_more_attempts_wait_longer(path: Path) -> None:
    probes = [
        ProbeRequest("here", "10.3.0.9", "tcp", 80, 1, attempts=4),
        ProbeRequest("here", "10.3.0.9", "tcp", 80, 2),
    ]
    assert [result.detail for result in send(path.here, *probes, attempts=2)] == [
        "no answer to 4 attempts in 0.8 s",
        "no answer to 2 attempts in 0.4 s",
    ]


def test_more_attempts_reach_a_server_that_is_slow_to_accept(path: Path) -> None:
    with path.there.entered():
        server = socket.create_server(("", 0), backlog=0)
    port = server.getsockname()[1]
    with server:
        with path.here.entered():
            first = socket.create_connection((THERE[4], port))  # fills the queue

        def accept() -> None:
            connection, _address = server.accept()
            connection.close()

        later = threading.Timer(0.6, accept)
        with first:
            short, long = (
                ProbeRequest("here", THERE[4], "tcp", port, 1),
                ProbeRequest("here", THERE[4], "tcp", port, 2),
            )
            assert [result.outcome for result in send(path.here, short, attempts=3)] == ["timeout"]
            later.start()
            assert [result.outcome for result in send(path.here, long)] == ["reply"]
            later.join()


def _halves(results: list[ProbeResult]) -> tuple[list[ProbeResult], list[ProbeResult]]:
    middle = len(results) // 2
    return results[:middle], results[middle:]


def test_probes_to_several_ports_may_share_a_token(path: Path) -> None:
    # Not over IPv4: routers report a prohibited route five times, and then once per second.
    probes = [
        ProbeRequest("here", "fd04::9", protocol, port, 1) for protocol in ("tcp", "udp") for port in range(80, 90)
    ]
    assert {result.outcome for result in send(path.here, *probes)} == {"unreachable"}


def test_a_blackhole_route_of_the_source(path: Path) -> None:
    (result,) = send(path.here, ProbeRequest("here", "10.5.0.9", "tcp", 80, 1))
    assert result.outcome == "unreachable"
    assert "blackhole" in result.detail


@pytest.mark.parametrize(("version", "overhead"), [(4, 28), (6, 48)])
def test_the_mtu_of_the_path(path: Path, version: int, overhead: int) -> None:
    fits, too_large, larger_than_interface = send(
        path.here,
        *(ProbeRequest("here", THERE[version], "icmp", None, size, size - overhead) for size in (1400, 1401, 1501)),
    )
    assert fits.outcome == "reply"
    assert (too_large.outcome, too_large.mtu) == ("unreachable", 1400)
    assert larger_than_interface.outcome == "unreachable"
    assert "EMSGSIZE" in larger_than_interface.detail


def test_a_source_port_in_use_is_replaced(path: Path, listener: int) -> None:
    with path.here.entered():
        taken = socket.create_server(("", 20007))
    with taken:
        (result,) = send(path.here, ProbeRequest("here", THERE[4], "tcp", listener, 7))
    assert result.outcome == "reply"
    assert result.source_port not in (None, 20007)


def test_the_same_probes_again_immediately(path: Path, listener: int) -> None:
    probes = [ProbeRequest("here", THERE[4], "tcp", listener, token) for token in range(100)]
    for _round in range(2):
        assert {result.outcome for result in send(path.here, *probes)} == {"reply"}


def test_unanswered_probes_wait_at_the_same_time(path: Path) -> None:
    started = time.monotonic()
    number = 250
    probes = [ProbeRequest("here", f"10.3.0.{token}", "icmp", None, token) for token in range(1, number + 1)]
    results = send(path.here, *probes, attempts=2, concurrency=1000)
    assert {result.outcome for result in results} == {"timeout"}
    assert time.monotonic() - started < number * 0.4 / 4  # a quarter of what they take one after another


def test_an_answer_that_arrives_while_another_one_is_handled_is_read(path: Path, monkeypatch) -> None:
    """However long that takes: on a busy host, it may take longer than the interval."""
    with path.there.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("", 5355))
    server.settimeout(120)
    handled, answered = threading.Event(), threading.Event()

    def answer() -> None:
        data, sender = server.recvfrom(100)
        handled.wait(120)
        server.sendto(data, sender)
        answered.set()

    finish = ProbeRun._finish

    def slowly(run: ProbeRun, flight, opened) -> None:
        if flight.probe.protocol == "tcp":
            handled.set()
            answered.wait(120)
            time.sleep(0.5)
        finish(run, flight, opened)

    monkeypatch.setattr(ProbeRun, "_finish", slowly)
    thread = threading.Thread(target=answer)
    thread.start()
    with server:
        closed = ProbeRequest("here", THERE[4], "tcp", 9, 1, attempts=1)
        probe = ProbeRequest("here", THERE[4], "udp", 5355, 1, attempts=1)
        results = ProbeRun(0.4, 1, 100).run([(each, path.here) for each in (closed, probe)])
        thread.join()
    assert [result.outcome for result in results] == ["refused", "reply"]


def test_results_keep_the_order_of_the_probes_at_any_concurrency(path: Path, listener: int) -> None:
    probes = [ProbeRequest("here", THERE[4], "tcp", listener if token % 2 else 9, token) for token in range(40)]
    for concurrency in (1, 7):
        outcomes = [result.outcome for result in send(path.here, *probes, concurrency=concurrency)]
        assert outcomes == ["refused", "reply"] * 20


def test_from_several_namespaces(path: Path) -> None:
    probes = [
        (ProbeRequest("", THERE[4], "icmp", None, 1), path.here),
        (ProbeRequest("", "10.1.0.2", "icmp", None, 1), path.there),
    ]
    before = own_id()
    results = ProbeRun(INTERVAL * PATIENT, PATIENT, 10).run(probes * 3)
    assert [result.outcome for result in results] == ["reply"] * 6
    assert own_id() == before


def test_no_probes() -> None:
    assert ProbeRun(1, 1, 1).run([]) == []


def test_a_name_servers_answer_is_returned(path: Path) -> None:
    with path.there.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.2.0.2", 53))

    def serve() -> None:
        query, sender = server.recvfrom(512)
        server.sendto(b"no answer", sender)
        record = bytes.fromhex("c00c 0001 0001 00000258 0004 0a400102")
        server.sendto(query[:2] + bytes.fromhex("8180 0001 0001 0000 0000") + query[12:] + record, sender)

    thread = threading.Thread(target=serve)
    thread.start()
    probes = [ProbeRequest("here", "10.2.0.2", "dns", port, port, None, "web") for port in (53, 54)]
    found, refused = send(path.here, *probes)
    thread.join()
    server.close()
    assert (found.outcome, found.detail, found.answer) == ("reply", "NOERROR", ("10.64.1.2",))
    assert (refused.outcome, refused.answer) == ("refused", None)
