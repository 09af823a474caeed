# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends every packet once, records what is seen of it on all hosts, and prints the table."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import subprocess
import threading
import typing as t

import pytest

from .attacks import everything
from .book import Attempt, Host, Station
from .within_bridge import within_bridges

HOSTS = ("h1", "h2", "h3")
TABLE = pytest.StashKey[list["Result"]]()
HERE = pathlib.Path(__file__).parent


class Result(t.NamedTuple):
    """What was seen of an attempt: whether it left its container, and the places where it arrived."""

    attempt: Attempt
    left: bool
    arrived: frozenset[str]


class Recorder:
    """Runs recorder.py on a host. ``seen``: the places by number of the attempt, with whether it was an ICMP error."""

    def __init__(self, host: str, command: list[str]) -> None:
        self._host = host
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen: dict[int, set[tuple[str, bool]]] = collections.defaultdict(set)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            place, number, is_icmp_error = json.loads(line)
            self.seen[number].add((f"{self._host}:{place}", is_icmp_error))

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._thread.join(300)
        self._process.stdout.close()
        assert self._process.wait(60) == 0


def pytest_configure(config) -> None:
    config.stash[TABLE] = []


@pytest.fixture(scope="session")
def on_host(inventory) -> t.Callable[..., list[str]]:
    """The command that runs a Python program on a host."""
    fleet = pathlib.Path(inventory).resolve().parent.name
    program = f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet"
    return lambda host, file: [
        program, "exec", host, "--name", fleet, "--", "python3", "-c", (HERE / file).read_text("utf-8"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def hosts(observed_fleet, underlay, underlay_v6) -> list[Host]:
    """The hosts with their containers."""
    return [
        Host(name, {4: underlay[name], 6: underlay_v6[name]}, _stations(name, observed_fleet.host(name).info))
        for name in HOSTS
    ]


def _stations(host: str, info: dict[str, t.Any]) -> dict[str, Station]:
    macs = {link["name"]: link["mac"] for link in info["links"]}
    bridges = {network["name"]: macs[network["bridge"]] for network in info["networks"] if network["bridge"]}
    found = {}
    for container in info["containers"]:
        (endpoint,) = container["networks"]
        addresses = {version: endpoint[f"ipv{version}"] for version in (4, 6)}
        bare = {version: text.split("/")[0] for version, text in addresses.items() if text}
        name = container["name"]
        routers = {4: endpoint["gateway"], 6: endpoint["ipv6_gateway"]}
        found[name] = Station(host, name, endpoint["mac"], bridges[endpoint["network"]], bare, routers)
    return found


@pytest.fixture(scope="module")
def results(request, hosts, send) -> list[Result]:
    """Every packet, sent once."""
    found = [_result(each, places - _own_network(each)) for each, places in send(everything(hosts))]
    request.config.stash[TABLE] += found
    return found


@pytest.fixture(scope="module")
def results_within(request, hosts, send, inventory, results) -> list[Result]:  # noqa: ARG001 (sent before)
    """Every packet within a bridge, sent once, with docker_fleet_isolate_spoofing."""
    site = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.site"]

    def apply(isolate: bool) -> None:
        # test_flood.py verifies the fleet without it
        variables = {"docker_fleet_isolate_spoofing": isolate, "docker_fleet_verify": isolate}
        option = ["--extra-vars", json.dumps(variables)]
        done = subprocess.run([*site, *option], text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]

    apply(True)
    try:
        found = [_result(each, places) for each, places in send(within_bridges(hosts))]
    finally:
        apply(False)
    request.config.stash[TABLE] += found
    return found


@pytest.fixture(scope="module")
def send(observed_fleet, on_host, wait_until) -> t.Callable[[list[Attempt]], list[tuple[Attempt, set[str]]]]:
    """Sends packets, host by host, and returns the places where each was seen."""
    return lambda attempts: _send(attempts, observed_fleet, on_host, wait_until)


def _send(
    attempts: list[Attempt],
    observed_fleet: t.Any,
    on_host: t.Callable[..., list[str]],
    wait_until: t.Callable[..., t.Any],
) -> list[tuple[Attempt, set[str]]]:
    recorders: list[Recorder] = []

    def arrived(attempt: Attempt) -> set[str]:
        sightings = set().union(*(each.seen.get(attempt.number, set()) for each in recorders))
        return {place for place, is_icmp_error in sightings if is_icmp_error == attempt.is_icmp_error}

    with contextlib.ExitStack() as stack:
        for name in HOSTS:
            recorders.append(Recorder(name, on_host(name, "recorder.py")))
            stack.callback(recorders[-1].stop)
        for host in HOSTS:
            pids = {entry["name"]: entry["pid"] for entry in observed_fleet.host(host).info["containers"]}
            own = [each for each in attempts if each.sender.host == host]
            lines = [f"{pids[each.sender.name]} {frame.hex()}\n" for each in own for frame in each.frames]
            done = subprocess.run(
                on_host(host, "sender.py"), input="".join(lines), text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
            with contextlib.suppress(AssertionError):  # test_every_control_arrives fails, and the table shows the rest
                for last in [each for each in own if each.arrives is not None][-2:]:
                    wait_until(f"{last.name} arrives", lambda last=last: arrived(last), last.arrives.issubset)
    # Only now have the recorders read all of their sockets: the last packet may be read before others.
    return [(each, arrived(each)) for each in attempts]


def _own_network(attempt: Attempt) -> set[str]:
    """The other container of the sender's network: it sees what its bridge floods."""
    return {f"{attempt.sender.host}:neighbor"} if attempt.sender.name == "web" else set()


def _result(attempt: Attempt, places: set[str]) -> Result:
    host = attempt.sender.host
    left = f"{host}:left" in places
    own = {f"{each}:left" for each in HOSTS} | {f"{host}:{attempt.sender.name}"}
    return Result(attempt, left, frozenset(places - own - attempt.passes))


def pytest_terminal_summary(terminalreporter, config) -> None:
    """A row for each attempt: on which hosts it left the container, and where it arrived."""
    rows: dict[str, list[Result]] = {}
    for result in config.stash.get(TABLE, []):
        host, _space, rest = result.attempt.name.partition(" ")
        assert host == result.attempt.sender.host
        rows.setdefault(rest, []).append(result)
    if not rows:
        return
    terminalreporter.section("attacks: what left, and where it arrived")
    for name, found in rows.items():
        left = " ".join(each.attempt.sender.host for each in found if each.left)
        places = " ".join(sorted(set().union(*(each.arrived for each in found)))) or "-"
        terminalreporter.write_line(f"{name:<70} left: {left or '-':<9} arrived: {places}")
