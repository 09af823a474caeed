# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real observer process."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes import observer_process
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.observer import Observer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

if t.TYPE_CHECKING:
    from conftest import Path


# At most 60 s, 300 attempts and 100 probes at a time: an answer takes a while on a busy machine.
PATIENT = 60, 300, 100


@pytest.fixture
def observer(tmp_path: pathlib.Path) -> t.Iterator[Observer]:
    observer = Observer(str(tmp_path / "state"))
    yield observer
    observer.stop()


def send(path: Path, *probes: ProbeRequest) -> None:
    ProbeRun(*PATIENT).run([(probe, path.here) for probe in probes])


OWN = {socket.AF_INET: "10.1.0.2", socket.AF_INET6: "fd01::2"}


def ip_in(namespace: Namespace, *arguments: str) -> None:
    with namespace.entered():
        subprocess.run(["ip", *arguments], check=True)


def received(observer: Observer) -> str:
    """What the observer has written so far."""
    return pathlib.Path(observer._arrivals_file).read_text()


def runs(pid: int) -> bool:
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_records_each_probe_once_whether_its_port_is_open_or_closed(path: Path, observer: Observer) -> None:
    observer.start({"there": path.there}, 30)
    send(
        path,
        ProbeRequest("here", "10.2.0.2", "icmp", None, 1),
        ProbeRequest("here", "10.2.0.2", "tcp", 9, 2),
        ProbeRequest("here", "10.2.0.2", "udp", 9, 3),
        ProbeRequest("here", "fd02::2", "icmp", None, 4),
        ProbeRequest("here", "fd02::2", "tcp", 9, 5),
        ProbeRequest("here", "fd02::2", "udp", 9, 6),
        ProbeRequest("here", "10.3.0.2", "icmp", None, 7, attempts=2),
    )
    record = observer.stop()
    assert record.complete
    assert {arrival["container"] for arrival in record.arrivals} == {"there"}
    recorded = sorted(
        (arrival["token"], arrival["protocol"], arrival["source"], arrival["destination"], arrival["port"])
        for arrival in record.arrivals
    )
    assert recorded == [
        (1, "icmp", "10.1.0.2", "10.2.0.2", None),
        (2, "tcp", "10.1.0.2", "10.2.0.2", 9),
        (3, "udp", "10.1.0.2", "10.2.0.2", 9),
        (4, "icmp", "fd01::2", "fd02::2", None),
        (5, "tcp", "fd01::2", "fd02::2", 9),
        (6, "udp", "fd01::2", "fd02::2", 9),
    ]


def test_outgoing_probes_are_not_recorded(path: Path, observer: Observer) -> None:
    observer.start({"here": path.here}, 30)
    send(path, ProbeRequest("here", "10.2.0.2", "tcp", 9, 1), ProbeRequest("here", "10.2.0.2", "icmp", None, 2))
    assert observer.stop().arrivals == []


def test_the_source_address_of_a_probe_can_be_chosen(path: Path, observer: Observer) -> None:
    observer.start({"there": path.there}, 30)
    chosen = [
        ProbeRequest("here", address, protocol, port, token, source_address=source)
        for version, (address, source) in enumerate((("10.2.0.2", "10.1.0.7"), ("fd02::2", "fd01::7")))
        for token, (protocol, port) in enumerate((("icmp", None), ("tcp", 9), ("udp", 9)), 3 * version)
    ]
    foreign = [
        ProbeRequest("here", "10.2.0.2", "tcp", 9, 9, source_address="10.9.9.9"),
        ProbeRequest("here", "10.2.0.2", "icmp", None, 9, source_address="10.9.9.9"),
    ]
    ip_in(path.here, "address", "add", "10.1.0.7/24", "dev", "eth0")
    ip_in(path.here, "address", "add", "fd01::7/64", "dev", "eth0", "nodad")
    try:
        *results, tcp, icmp = ProbeRun(*PATIENT).run([(probe, path.here) for probe in (*chosen, *foreign)])
    finally:
        ip_in(path.here, "address", "delete", "10.1.0.7/24", "dev", "eth0")
        ip_in(path.here, "address", "delete", "fd01::7/64", "dev", "eth0")
    record = observer.stop()
    assert {result.outcome for result in results} == {"refused", "reply"}
    assert {(arrival["token"], arrival["source"]) for arrival in record.arrivals} == {
        *((token, "10.1.0.7") for token in (0, 1, 2)),
        *((token, "fd01::7") for token in (3, 4, 5)),
    }
    for result in (tcp, icmp):
        assert (result.outcome, result.detail) == ("error", "the source does not have address 10.9.9.9")


def test_a_probe_with_a_required_source_is_sent_only_from_it(path: Path, observer: Observer) -> None:
    observer.start({"there": path.there}, 30)
    required = {"10.1.0.2": "reply", "10.9.9.9": "other_source"}
    probes = [
        ProbeRequest("here", "10.2.0.2", "icmp", None, token, required_source=address)
        for token, address in enumerate(required)
    ]
    blackhole = ProbeRequest("here", "10.5.0.9", "icmp", None, 5, required_source="10.9.9.9")
    *results, lost = ProbeRun(*PATIENT).run([(probe, path.here) for probe in (*probes, blackhole)])
    assert [result.outcome for result in results] == list(required.values())
    assert "10.1.0.2" in results[1].detail
    assert lost.outcome == "unreachable"
    assert [arrival["token"] for arrival in observer.stop().arrivals] == [0]


@pytest.mark.parametrize("address", ["10.2.0.2", "fd02::2"])
def test_data_is_recognized_behind_a_program_that_forwards_connections(
    path: Path, observer: Observer, address: str
) -> None:
    """As docker-proxy does: it accepts, opens a connection of its own, and forwards the data."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    observer.start({"there": path.there}, 30, [(address, "tcp", 7001)])
    with path.here.entered():
        relay = socket.create_server((OWN[family], 0), family=family)
        onward = socket.socket(family)

    def forward() -> None:
        client, _sender = relay.accept()
        onward.connect((address, 7001))
        onward.sendall(client.recv(100))
        client.close()

    thread = threading.Thread(target=forward)
    thread.start()
    with relay, onward:
        ends = relay.getsockname()
        probe = ProbeRequest("here", ends[0], "tcp", ends[1], 7, data=True)
        (result,) = ProbeRun(*PATIENT).run([(probe, path.here)])
        thread.join()
        wait_until("the data arrives", lambda: received(observer), lambda text: '"token": 7' in text)
    (arrival,) = observer.stop().arrivals
    assert result.outcome == "reply"
    assert (arrival["token"], arrival["port"], arrival["destination"]) == (7, 7001, address)
    assert arrival["source_port"] != 20007  # the program's own


def test_a_new_start_stops_the_old_observer_and_deletes_its_record(path: Path, observer: Observer) -> None:
    first = observer.start({"there": path.there}, 30)
    send(path, ProbeRequest("here", "10.2.0.2", "icmp", None, 1))
    second = observer.start({"there": path.there}, 30)
    assert not runs(first)
    assert runs(second)
    assert observer.stop().arrivals == []
    assert not runs(second)


def test_it_closes_the_descriptors_of_its_parent(path: Path, observer: Observer) -> None:
    reader, writer = os.pipe()
    try:
        pid = observer.start({"there": path.there}, 30)
        os.close(writer)
        assert os.read(reader, 1) == b""  # the other end is closed
    finally:
        os.close(reader)
    targets = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
    assert targets == {"/dev/null"}
    assert pathlib.Path(f"/proc/{pid}/comm").read_text() == "fleetnet-probes\n"


def test_it_ends_after_its_lifetime_and_the_record_is_incomplete(path: Path, observer: Observer) -> None:
    pid = observer.start({"there": path.there}, 0.5)
    send(path, ProbeRequest("here", "10.2.0.2", "icmp", None, 1))
    wait_until("the observer ends", lambda: runs(pid), lambda running: not running)
    record = observer.stop()
    assert not record.complete
    assert [arrival["token"] for arrival in record.arrivals] == [1]


def test_without_an_observer_the_record_is_empty(observer: Observer) -> None:
    record = observer.stop()
    assert (record.arrivals, record.complete, record.overflowed) == ([], False, [])


def test_another_process_with_its_number_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "observer.json").write_text(json.dumps({"pid": os.getpid(), "start_time": 1}))
    assert not Observer(str(tmp_path)).stop().complete
    assert not (tmp_path / "observer.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": null}'])
def test_an_invalid_process_file_is_ignored(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "observer.json").write_text(text)
    assert not Observer(str(tmp_path)).stop().complete


def test_a_directory_that_others_can_write_to_is_rejected(path: Path, tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(FleetnetError, match="must be a directory that only root can write to"):
        Observer(str(tmp_path)).start({"there": path.there}, 5)


def test_it_listens_on_free_ports_as_long_as_it_runs(path: Path, observer: Observer) -> None:
    with path.there.entered(), socket.socket() as taken:
        taken.bind(("10.2.0.2", 7002))
        taken.listen()
        ports = [
            ("10.2.0.2", "tcp", 7001),
            ("10.2.0.2", "tcp", 7002),
            ("10.2.0.2", "udp", 7003),
            ("fd02::2", "tcp", 7001),
        ]
        observer.start({"there": path.there}, 30, [*ports, ("10.2.0.3", "tcp", 7001)])
        probes = [
            ProbeRequest("here", address, protocol, port, number)
            for number, (address, protocol, port) in enumerate(ports)
        ]

        def outcomes() -> list[str]:
            results = ProbeRun(*PATIENT).run([(probe, path.here) for probe in probes])
            return [result.outcome for result in results]

        assert outcomes() == ["reply", "reply", "reply", "reply"]
        taken.settimeout(120)
        taken.accept()[0].close()  # the container's own server received it
        assert observer.stop().complete
        assert outcomes() == ["refused", "reply", "refused", "refused"]


def arrivals_at(record: t.Any, container: str) -> int:
    return sum(arrival["container"] == container for arrival in record.arrivals)


def flood(path: Path, count: int) -> None:
    send(path, *(ProbeRequest("here", "10.2.0.2", "udp", 9, token) for token in range(count)))


def test_a_flood_at_a_container_hides_no_arrival_at_another(
    path: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer_process, "MOST_ARRIVALS_OF_CONTAINER", 10)
    observer.start({"here": path.here, "there": path.there}, 30)
    flood(path, 11)
    ProbeRun(*PATIENT).run([(ProbeRequest("there", "10.1.0.2", "icmp", None, 1), path.there)])
    record = observer.stop()
    assert record.complete
    assert (arrivals_at(record, "there"), arrivals_at(record, "here"), record.overflowed) == (10, 1, ["there"])


def test_a_limit_that_is_not_exceeded(path: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer_process, "MOST_ARRIVALS_OF_CONTAINER", 10)
    observer.start({"there": path.there}, 30)
    flood(path, 10)
    record = observer.stop()
    assert (len(record.arrivals), record.overflowed, record.complete) == (10, [], True)


def test_packets_that_the_kernel_drops_are_missing(
    path: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer_process, "_RECEIVE_BUFFER", 1)  # the kernel's minimum, a few packets
    pid = observer.start({"here": path.here, "there": path.there}, 30)
    os.kill(pid, signal.SIGSTOP)
    flood(path, 100)
    os.kill(pid, signal.SIGCONT)
    record = observer.stop()
    assert record.complete
    assert record.overflowed == ["there"]
    assert arrivals_at(record, "there") < 100


def udp(source: tuple[str, int], target: tuple[str, int], data: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram, without checksums: the kernel completes the first and ignores the second."""
    ends = [socket.inet_aton(source[0]), socket.inet_aton(target[0])]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0, *ends)
    return header + struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0) + data


@pytest.mark.parametrize("source", [7003, 7004], ids=["from itself", "from the other listener"])
@pytest.mark.parametrize("data", [b"fleetnet\0\1", b"fleetnetfleetnet", b"arrived", b""])
def test_listeners_do_not_answer_each_other(path: Path, observer: Observer, source: int, data: bytes) -> None:
    pid = observer.start({"there": path.there}, 30, [("10.2.0.2", "udp", 7003), ("10.2.0.2", "udp", 7004)])
    with path.there.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(udp(("10.2.0.2", source), ("10.2.0.2", 7003), data), ("10.2.0.2", 0))
    # A listener that answers each answer never ends, so it is never asleep.
    wait_until(
        "the observer sleeps",
        lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0],
        lambda state: state == "S",
    )
    assert observer.stop().complete
