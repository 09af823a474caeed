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


def send(namespace: Namespace, *probes: ProbeRequest, attempts: int = 3, concurrency: int = 100) -> list[ProbeResult]:
    return ProbeRun(0.4, attempts, concurrency).run([(probe, namespace) for probe in probes])


@pytest.fixture
def listener(path: Path) -> t.Iterator[int]:
    with path.there.entered():
        # Nobody accepts, so all connections have to fit in the backlog.
        opened = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    with opened:
        yield opened.getsockname()[1]


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_there_is_reached(path: Path, listener: int, version: int) -> None:
    open_, closed, ping = send(
        path.here,
        ProbeRequest("here", THERE[version], "tcp", listener, 1),
        ProbeRequest("here", THERE[version], "tcp", 9, 2),
        ProbeRequest("here", THERE[version], "icmp", None, 3),
    )
    assert [open_.outcome, closed.outcome, ping.outcome] == ["reply", "refused", "reply"]
    assert (open_.source_port, closed.source_port, ping.source_port) == (20001, 20002, None)
    assert all(verdict.reached and verdict.rtt is not None for verdict in (open_, closed, ping))


@pytest.mark.parametrize("version", [4, 6])
def test_udp_reaches_who_answers_and_who_is_closed(path: Path, version: int) -> None:
    with path.there.entered():
        server = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind(("", 5353))
    server.settimeout(5)

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
def test_what_is_dropped_or_rejected_on_the_way_is_not_reached(path: Path, net: str) -> None:
    probes = [
        ProbeRequest("here", net.format(place), protocol, port, token)
        for place in (3, 4)
        for token, (protocol, port) in enumerate((("icmp", None), ("tcp", 80), ("udp", 80)))
    ]
    dropped, rejected = _halves(send(path.here, *probes, attempts=2))
    assert {verdict.outcome for verdict in dropped} == {"timeout"}
    assert {verdict.detail for verdict in dropped} == {"no answer to 2 attempts within 0.4 s"}
    assert {verdict.outcome for verdict in rejected} == {"unreachable"}
    assert all("administratively prohibited from" in verdict.detail for verdict in rejected)


def test_who_is_tried_more_often_is_waited_for_longer(path: Path) -> None:
    probes = [
        ProbeRequest("here", "10.3.0.9", "tcp", 80, 1, attempts=4),
        ProbeRequest("here", "10.3.0.9", "tcp", 80, 2),
    ]
    assert [verdict.detail for verdict in send(path.here, *probes, attempts=2)] == [
        "no answer to 4 attempts within 0.8 s",
        "no answer to 2 attempts within 0.4 s",
    ]


def test_a_server_that_is_slow_to_accept_is_reached_with_patience(path: Path) -> None:
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
            hasty, patient = (
                ProbeRequest("here", THERE[4], "tcp", port, 1),
                ProbeRequest("here", THERE[4], "tcp", port, 2, attempts=30),
            )
            assert [verdict.outcome for verdict in send(path.here, hasty)] == ["timeout"]
            later.start()
            assert [verdict.outcome for verdict in send(path.here, patient)] == ["reply"]
            later.join()


def _halves(verdicts: list[ProbeResult]) -> tuple[list[ProbeResult], list[ProbeResult]]:
    middle = len(verdicts) // 2
    return verdicts[:middle], verdicts[middle:]


def test_one_token_for_several_ports_mixes_nothing_up(path: Path) -> None:
    # Not by IPv4: routers complain about a route's prohibition five times, and then once a second.
    probes = [
        ProbeRequest("here", "fd04::9", protocol, port, 1) for protocol in ("tcp", "udp") for port in range(80, 90)
    ]
    assert {verdict.outcome for verdict in send(path.here, *probes, attempts=1)} == {"unreachable"}


def test_a_route_of_the_source_that_leads_nowhere(path: Path) -> None:
    (verdict,) = send(path.here, ProbeRequest("here", "10.5.0.9", "tcp", 80, 1))
    assert verdict.outcome == "unreachable"
    assert "blackhole" in verdict.detail


@pytest.mark.parametrize(("version", "overhead"), [(4, 28), (6, 48)])
def test_the_mtu_of_the_path(path: Path, version: int, overhead: int) -> None:
    fits, too_large, hopeless = send(
        path.here,
        *(ProbeRequest("here", THERE[version], "icmp", None, size, size - overhead) for size in (1400, 1401, 1501)),
    )
    assert fits.outcome == "reply"
    assert (too_large.outcome, too_large.mtu) == ("unreachable", 1400)
    assert hopeless.outcome == "unreachable"
    assert "EMSGSIZE" in hopeless.detail


def test_a_source_port_that_is_taken_is_replaced(path: Path, listener: int) -> None:
    with path.here.entered():
        taken = socket.create_server(("", 20007))
    with taken:
        (verdict,) = send(path.here, ProbeRequest("here", THERE[4], "tcp", listener, 7))
    assert verdict.outcome == "reply"
    assert verdict.source_port not in (None, 20007)


def test_the_same_probes_at_once_again(path: Path, listener: int) -> None:
    probes = [ProbeRequest("here", THERE[4], "tcp", listener, token) for token in range(100)]
    for _round in range(2):
        assert {verdict.outcome for verdict in send(path.here, *probes)} == {"reply"}


def test_denied_probes_cost_their_time_once(path: Path) -> None:
    started = time.monotonic()
    probes = [ProbeRequest("here", f"10.3.0.{token}", "icmp", None, token) for token in range(1, 251)]
    verdicts = send(path.here, *probes, attempts=2, concurrency=1000)
    assert {verdict.outcome for verdict in verdicts} == {"timeout"}
    assert time.monotonic() - started < 2.5


def test_answers_keep_the_order_of_the_probes_however_few_are_under_way(path: Path, listener: int) -> None:
    probes = [ProbeRequest("here", THERE[4], "tcp", listener if token % 2 else 9, token) for token in range(40)]
    for concurrency in (1, 7):
        outcomes = [verdict.outcome for verdict in send(path.here, *probes, concurrency=concurrency)]
        assert outcomes == ["refused", "reply"] * 20


def test_from_several_namespaces(path: Path) -> None:
    probes = [
        (ProbeRequest("", THERE[4], "icmp", None, 1), path.here),
        (ProbeRequest("", "10.1.0.2", "icmp", None, 1), path.there),
    ]
    before = own_id()
    verdicts = ProbeRun(0.4, 3, 10).run(probes * 3)
    assert [verdict.outcome for verdict in verdicts] == ["reply"] * 6
    assert own_id() == before


def test_nothing_to_do() -> None:
    assert ProbeRun(1, 1, 1).run([]) == []


def test_a_name_server_is_asked_and_its_answer_is_told(path: Path) -> None:
    with path.there.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.2.0.2", 53))

    def serve() -> None:
        asked, sender = server.recvfrom(512)
        server.sendto(b"no answer", sender)
        record = bytes.fromhex("c00c 0001 0001 00000258 0004 0a400102")
        server.sendto(asked[:2] + bytes.fromhex("8180 0001 0001 0000 0000") + asked[12:] + record, sender)

    thread = threading.Thread(target=serve)
    thread.start()
    questions = [ProbeRequest("here", "10.2.0.2", "dns", port, port, None, "web") for port in (53, 54)]
    found, refused = send(path.here, *questions)
    thread.join()
    server.close()
    assert (found.outcome, found.detail, found.answer) == ("reply", "NOERROR", ("10.64.1.2",))
    assert (refused.outcome, refused.answer) == ("refused", None)
