# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler and the engine that it follows."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import threading
import time
import typing as t
import urllib.parse

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .bridges import rules
from .reconcilers import FOREIGN, OURS, PACKAGE, Running

CONTAINERS = [
    {
        "NetworkSettings": {
            "Networks": {
                "web": {"NetworkID": "1" * 64, "MacAddress": "02:42:0a:40:01:02", "IPAddress": "10.64.1.2"},
                "db": {"NetworkID": "2" * 64, "MacAddress": "02:42:0a:40:02:02", "IPAddress": "10.64.2.2"},
            }
        }
    }
]
NETWORKS = [
    {"Id": str(number) * 64, "Name": name, "Driver": "bridge", "Internal": False,
     "Options": {"com.docker.network.bridge.name": f"fn-{name}"}}
    for number, name in ((1, "web"), (2, "db"))
]  # fmt: skip


class Engine(socketserver.ThreadingUnixStreamServer):
    """An engine that lists ``containers``, and sends an event after each change of them."""

    daemon_threads = True

    def __init__(self, folder: pathlib.Path) -> None:
        self.containers: list[t.Any] = []
        self.networks: list[t.Any] = NETWORKS
        self.event = threading.Semaphore(0)
        self.changes: list[float] = []
        self.listed = 0
        self.subscribes = threading.Event()
        self.subscribes.set()
        super().__init__(str(folder / "engine.sock"), Answers)
        (folder / "engine.pid").write_text(str(os.getpid()))

    def change(self, containers: list[t.Any]) -> None:
        self.containers = containers
        self.changes.append(time.time())
        self.event.release()


class Answers(http.server.BaseHTTPRequestHandler):
    """Its answers."""

    def do_GET(self) -> None:
        engine = t.cast("Engine", self.server)
        self.send_response(200)
        self.end_headers()
        if self.path == "/networks":
            self.wfile.write(json.dumps(engine.networks).encode())
        elif self.path == "/containers/json":
            self.wfile.write(json.dumps(engine.containers).encode())
            engine.listed += 1
        else:
            assert self.path.startswith("/events?")
            since = float(urllib.parse.parse_qs(self.path.partition("?")[2])["since"][0])
            engine.subscribes.wait(60)
            missed = sum(when >= since for when in engine.changes)
            with contextlib.suppress(OSError):
                self.wfile.write(b"{}\n" * missed)
                while True:
                    engine.event.acquire()
                    self.wfile.write(b"{}\n")

    def log_message(self, *_arguments: t.Any) -> None:
        """Print nothing."""

    def address_string(self) -> str:
        return "reconciler"


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> t.Iterator[Engine]:
    with Engine(tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_it_adds_the_addresses_of_containers_on_several_networks(engine: Engine, running: Running) -> None:
    def elements() -> str:
        return running.run("nft", "list", "set", "ip", "fleetnet", "endpoints").stdout

    wait_until("the engine is followed", elements, lambda text: "elements" not in text)
    engine.change(CONTAINERS)
    found = wait_until("elements", elements, lambda text: "elements" in text)
    for element in ('"fn-web" . 02:42:0a:40:01:02 . 10.64.2.2', '"fn-db" . 02:42:0a:40:02:02 . 10.64.1.2'):
        assert element in found
    # they stay when the tables are replaced, and go with the container
    assert running.control("load") is None
    assert elements() == found
    engine.change([])
    wait_until("no elements", elements, lambda text: "elements" not in text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_elements_stay_until_the_engine_answers(engine: Engine, running: Running, number: int) -> None:
    """The published port of a container that runs stays filtered, whatever restarts."""

    def elements() -> list[str]:
        return [
            running.run("nft", "list", kind, "ip", "fleetnet", name).stdout
            for kind, name in (("set", "endpoints"), ("map", "endpoint_published"))
        ]

    published = {"Ports": [{"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]}
    engine.change([{**CONTAINERS[0], **published}])
    found = wait_until("elements", elements, lambda texts: all("elements" in text for text in texts))
    assert "tcp . 8080 : goto published_db_" in found[1]
    (running.folder / "engine.pid").unlink()  # as of an engine that is stopped
    running.end(number)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    running.start()
    assert elements() == found
    assert running.control("load") is None
    assert elements() == found
    # the container ended meanwhile
    engine.containers = []
    (running.folder / "engine.pid").write_text(str(os.getpid()))
    assert running.control("load") is None
    wait_until("no elements", elements, lambda texts: not any("elements" in text for text in texts))


@pytest.mark.parametrize(
    "saved", ["", "{}", '{"ip endpoint_published": 1}', "99999"], ids=["as written", "empty", "invalid", "no port"]
)
def test_published_ports_are_filtered_from_the_boot_on(engine: Engine, running: Running, saved: str) -> None:
    """The engine starts containers before it answers. Whatever the file contains, the tables are loaded."""

    def published() -> str:
        return running.run("nft", "list", "map", "ip", "fleetnet", "endpoint_published").stdout

    ports = {"Ports": [{"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]}
    engine.change([{**CONTAINERS[0], **ports}])
    wait_until("elements", published, lambda text: "8080" in text)
    file = running.folder / "saved"

    def read() -> str:
        return file.read_text() if file.exists() else ""

    wait_until("the file", read, lambda text: "8080" in text)
    # a firewall that is removed and applied again has the same elements
    file.unlink()
    engine.change(engine.containers)
    text = wait_until("the file again", read, lambda text: "8080" in text)
    (running.folder / "engine.pid").unlink()
    running.end(signal.SIGTERM)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    # a host that starts has no tables
    running.run("nft", "flush", "ruleset")
    file.write_text(text.replace("8080", saved) if saved.isdigit() else saved or text)
    running.start()
    assert ("8080" in published()) == (not saved)
    assert OURS[0] in running.tables()
    # its sets are not saved: another container may have the addresses of one that allowed them
    assert "elements" not in elements_of(running)
    # a message of the kernel makes it look for the engine at once
    engine.containers = []
    (running.folder / "engine.pid").write_text(str(os.getpid()))
    running.run("nft", "-f", "-", stdin=FOREIGN)
    wait_until("no elements", published, lambda text: "elements" not in text)


def test_bridges_of_adopted_networks_are_known_from_the_boot_on(engine: Engine, running: Running) -> None:
    """Another program created them again before the boot. The engine starts containers before it answers."""
    name = "shop-1.a_b"
    sets = {
        "fn-web": (("ip", "endpoint_bridges"), ("ip6", "endpoint_closed_out"), ("ip6", "endpoint_limited")),
        "fn-db": (("ip", "endpoint_internal"), ("ip", "endpoint_adoptable"), ("ip6", f"endpoint_of_{name}")),
    }
    networks = [
        {"name": "web", "adopt": True, "egress": "policy", "subnets": {"h1": "172.18.0.0/16"}},
        {"name": name, "adopt": True, "internal": True},
    ]
    engine.networks = [NETWORKS[0], {**NETWORKS[1], "Name": name}]

    def bridges() -> list[bool]:
        return [
            f'"{bridge}"' in running.run("nft", "list", "set", family, "fleetnet", each).stdout
            for bridge, listed in sets.items()
            for family, each in listed
        ]

    (running.folder / "firewall.nft").write_text(rules(ipv6=False, networks=networks))
    assert running.control("load") is None
    wait_until("the bridges", bridges, all)
    file = running.folder / "saved"
    wait_until("the file", lambda: file.read_text() if file.exists() else "", lambda text: "fn-db" in text)
    (running.folder / "engine.pid").unlink()
    for boots in (False, True):
        running.end(signal.SIGTERM)
        (running.folder / "run/state.json").unlink(missing_ok=True)
        if boots:
            running.run("nft", "flush", "ruleset")
        running.start()
        assert all(bridges())
    # until the engine answers
    engine.networks = []
    (running.folder / "engine.pid").write_text(str(os.getpid()))
    assert running.control("load") is None
    wait_until("no bridges", bridges, lambda found: not any(found))


def elements_of(running: Running) -> str:
    return running.run("nft", "list", "set", "ip", "fleetnet", "endpoints").stdout


def test_a_change_while_the_engine_subscribes_it_is_not_missed(engine: Engine, running: Running) -> None:
    running.end(signal.SIGTERM)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    # the engine subscribes after it has listed the containers, and a container starts in between
    engine.subscribes.clear()
    before = engine.listed

    def late() -> None:
        wait_until("the first list", lambda: engine.listed, lambda listed: listed > before)
        engine.containers = CONTAINERS
        engine.changes.append(time.time())
        engine.subscribes.set()

    thread = threading.Thread(target=late)
    thread.start()
    running.start()
    wait_until("elements", lambda: elements_of(running), lambda text: "elements" in text)
    thread.join()


@pytest.mark.parametrize("name", ["dockerd", "other"])
def test_an_engine_with_another_pid_file(engine: Engine, running: Running, name: str) -> None:
    (running.folder / "engine.pid").unlink()
    running.end(signal.SIGTERM)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    engine.containers = CONTAINERS
    listed = engine.listed
    shutil.copy("/bin/sleep", running.folder / name)
    # in the reconciler's network namespace
    with subprocess.Popen(["ip", "netns", "exec", running.namespace, running.folder / name, "600"]) as process:
        try:
            running.start()
            if name == "dockerd":
                wait_until("elements", lambda: elements_of(running), lambda text: "elements" in text)
            else:
                running.run("nft", "-f", "-", stdin=FOREIGN)
                assert running.control("load") is None
                assert engine.listed == listed
        finally:
            process.kill()


PORTS = f"""
from {PACKAGE} import reconciler


def read_ports():
    if os.path.exists(folder + "/broken"):
        raise TimeoutError("timed out")
    return []


import os
reconciler.read_ports = read_ports
reconciler.BRIDGE_TABLE = "ip fleetnet"
"""


def test_ports_that_cannot_be_read_are_read_again(engine: Engine, running: Running) -> None:
    """The elements stay as they are until then."""
    engine.change(CONTAINERS)
    found = wait_until("elements", lambda: elements_of(running), lambda text: "elements" in text)
    running.end(signal.SIGTERM)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    (running.folder / "broken").touch()
    listed = engine.listed
    engine.containers = []
    running.start(PORTS)
    wait_until("a list", lambda: engine.listed, lambda number: number > listed)
    assert running.control("load") is None
    assert elements_of(running) == found
    (running.folder / "broken").unlink()
    wait_until("no elements", lambda: elements_of(running), lambda text: "elements" not in text)
    assert running.process.poll() is None


def test_an_answer_that_is_not_valid_does_not_end_it(engine: Engine, running: Running) -> None:
    engine.change(CONTAINERS)
    found = wait_until("elements", lambda: elements_of(running), lambda text: "elements" in text)
    listed = engine.listed
    engine.change([{**CONTAINERS[0], "Ports": [{"PublicPort": "http", "PrivatePort": 80, "Type": "tcp"}]}])
    wait_until("a list", lambda: engine.listed, lambda number: number > listed)
    assert running.control("load") is None
    assert elements_of(running) == found
    engine.change([])
    wait_until("no elements", lambda: elements_of(running), lambda text: "elements" not in text)


def attempts(running: Running) -> int:
    path = running.folder / "attempts"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_it_finishes_interrupted_runs_once_the_engine_runs(running: Running) -> None:
    """As at boot: the journal is there before the engine is."""
    folder = running.folder
    finish = folder / "finish"
    finish.write_text(f"#!/bin/sh\necho >> {folder}/attempts\n[ -e {folder}/free ] || {{ echo taken; exit 1; }}\n"
                      f"rm {folder}/journal\n")  # fmt: skip
    finish.chmod(0o755)
    (folder / "journal").touch()
    running.end(signal.SIGTERM)
    before = running.checks()
    running.start()
    wait_until("the first check", running.checks, lambda count: count > before)
    assert attempts(running) == 0
    (folder / "active").touch()
    with Engine(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.change(CONTAINERS)
        elements = ["nft", "list", "set", "ip", "fleetnet", "endpoints"]
        wait_until("the engine is followed", lambda: running.run(*elements).stdout, lambda text: "elements" in text)
        assert attempts(running) == 0  # the run that is active finishes its steps itself
        (folder / "active").unlink()
        # a failure is reported, and tried again after a pause
        running.until(lambda state: state is not None and state["interrupted_run"] == ["taken"])
        failed = attempts(running)
        (folder / "free").touch()
        wait_until("the end of the run", (folder / "journal").exists, lambda exists: not exists)
        running.until(lambda state: state is not None and state["interrupted_run"] == [])
        assert attempts(running) > failed
        ended = attempts(running)
        server.change([])
        wait_until("no elements", lambda: running.run(*elements).stdout, lambda text: "elements" not in text)
        assert attempts(running) == ended
        server.shutdown()
