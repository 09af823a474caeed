# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler as a process in a network namespace, with the kernel's tables and events."""

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
import sys
import threading
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import NotRunning, request
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import release_standby
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .bridges import rules

PROGRAM = """
import os
import sys
from {package}.reconciler import Reconciler, Settings
folder = sys.argv[1]
scripts = {{"firewall": folder + "/apply-firewall"}}
names = ("firewall.nft", "engine.sock", "engine.pid", "control", "standby", "state.json")
paths = (folder + "/" + name for name in names)
class Pending:
    exist = staticmethod(lambda: os.path.exists(folder + "/journal"))
    interrupted = staticmethod(lambda: Pending.exist() and not os.path.exists(folder + "/active"))
sys.exit(Reconciler(Settings(scripts, *paths, "1", [folder + "/finish"], Pending())).run())
"""
PACKAGE = "ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler"
# As Docker's own in its table: which is not this collection's.
FOREIGN = "add table ip foreign"


class Running:
    """A reconciler in a namespace of its own."""

    def __init__(self, folder: pathlib.Path, namespace: str) -> None:
        self.folder = folder
        self._namespace = namespace
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self._namespace,
                sys.executable,
                "-c",
                PROGRAM.format(package=PACKAGE),
                self.folder,
            ],
            env=environment,
        )
        self.until(lambda state: state is not None)
        return self.process

    def run(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self._namespace, *argv], input=stdin, capture_output=True, text=True, check=False
        )

    def tables(self) -> list[str]:
        return self.run("nft", "list", "tables").stdout.splitlines()

    def state(self) -> dict[str, t.Any] | None:
        try:
            return t.cast("dict[str, t.Any]", json.loads((self.folder / "state.json").read_text()))
        except FileNotFoundError:
            return None

    def until(self, reached: t.Callable[[dict[str, t.Any] | None], bool]) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", wait_until("the state of the reconciler", self.state, reached))

    def control(self, command: str) -> str | None:
        return request(str(self.folder / "control"), command)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture
def running(tmp_path: pathlib.Path) -> t.Iterator[Running]:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("namespaces need root, iproute2 and nftables")
    (tmp_path / "firewall.nft").write_text(rules())
    script = tmp_path / "apply-firewall"
    script.write_text(f"#!/bin/sh\necho >> {tmp_path}/checks\ncat {tmp_path}/differences 2>/dev/null\ntrue\n")
    script.chmod(0o755)
    name = f"fleetnet-{os.getpid()}-own"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        found = Running(tmp_path, name)
        yield found
        if found.process.poll() is None:
            found.end(signal.SIGTERM)
        release_standby(str(tmp_path / "standby"))
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


OURS = ["table ip fleetnet", "table ip6 fleetnet"]


def test_others_can_neither_flush_nor_delete_nor_change_its_tables(running: Running) -> None:
    assert str(running.until(bool)["ownership"]).startswith("owner")
    before = running.run("nft", "list", "ruleset").stdout
    assert running.tables() == OURS
    assert running.run("nft", "-f", "-", stdin=FOREIGN).returncode == 0
    for _time in range(10):
        assert running.run("nft", "flush", "ruleset").returncode == 0
    for command in ("delete table ip fleetnet", "flush chain ip fleetnet forward", "add chain ip6 fleetnet more"):
        refused = running.run("nft", command)
        assert refused.returncode != 0
        assert "Operation not permitted" in refused.stderr
    assert running.run("nft", "list", "ruleset").stdout == before


def test_it_replaces_the_tables_on_request(running: Running) -> None:
    (running.folder / "firewall.nft").write_text(rules(ipv6=False))
    assert running.control("load") is None
    assert "no IPv6" in running.run("nft", "list", "table", "ip6", "fleetnet").stdout
    (running.folder / "firewall.nft").write_text(
        "add table ip fleetnet\ndelete table ip fleetnet\ntable ip fleetnet {\n}\n"
    )
    assert running.control("load") is None
    assert running.tables() == OURS[:1]


def test_a_file_with_an_error_changes_nothing(running: Running) -> None:
    before = running.run("nft", "list", "ruleset").stdout
    with (running.folder / "firewall.nft").open("a") as file:
        file.write("what is this\n")
    assert "syntax error" in str(running.control("load"))
    assert running.run("nft", "list", "ruleset").stdout == before
    running.until(lambda state: "syntax error" in str(state and state["error"]))
    (running.folder / "firewall.nft").write_text(rules())
    assert running.control("load") is None
    running.until(lambda state: state is not None and state["error"] is None)


def test_the_tables_stay_when_it_ends_and_the_next_one_takes_them_over(running: Running) -> None:
    before = running.run("nft", "-s", "list", "ruleset").stdout
    assert running.end(signal.SIGTERM) == 0
    assert running.tables() == OURS
    assert "flags" not in running.run("nft", "list", "ruleset").stdout
    with pytest.raises(NotRunning):
        running.control("load")
    running.start()
    assert running.run("nft", "-s", "list", "ruleset").stdout == before


def test_the_tables_survive_a_kill_and_the_next_one_owns_them(running: Running) -> None:
    before = running.run("nft", "-s", "list", "ruleset").stdout
    running.end(signal.SIGKILL)
    assert running.tables() == OURS
    running.run("nft", "flush", "ruleset")
    (running.folder / "state.json").unlink()
    running.start()
    assert running.run("nft", "-s", "list", "ruleset").stdout == before
    assert running.end(signal.SIGTERM) == 0
    # no process holds them any more
    assert running.run("nft", "flush", "ruleset").returncode == 0
    assert running.tables() == []


def test_after_a_kill_the_tables_can_be_given_up_without_a_reconciler(running: Running) -> None:
    running.end(signal.SIGKILL)
    release_standby(str(running.folder / "standby"))
    assert running.tables() == OURS
    assert running.run("nft", "flush", "ruleset").returncode == 0
    assert running.tables() == []


def test_a_killed_second_process_is_replaced(running: Running) -> None:
    if running.until(bool)["ownership"] != "owner":
        pytest.skip("this nft keeps tables without a second process")

    def second() -> list[str]:
        return pathlib.Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()

    (first,) = second()
    os.kill(int(first), signal.SIGKILL)
    wait_until("another second process", second, lambda found: found not in ([], [first]))
    running.end(signal.SIGKILL)
    assert running.tables() == OURS
    release_standby(str(running.folder / "standby"))


def test_released_tables_can_be_deleted(running: Running) -> None:
    assert running.control("release") is None
    assert running.run("nft", "delete", "table", "ip", "fleetnet").returncode == 0
    assert running.control("load") is None
    assert sorted(running.tables()) == OURS


def checks(running: Running) -> int:
    path = running.folder / "checks"
    return len(path.read_text()) if path.exists() else 0


def test_a_change_of_another_program_starts_a_check(running: Running) -> None:
    wait_until("the first check", lambda: checks(running), lambda count: count == 1)
    # not for Docker's own rules
    assert running.run("iptables", "-t", "nat", "-N", "DOCKER").returncode == 0
    assert running.run("nft", "-f", "-", stdin=FOREIGN).returncode == 0
    (running.folder / "differences").write_text("jump\tiptables FORWARD\tstate\tpresent\t\n")
    assert running.run("iptables", "-A", "FORWARD", "-j", "ACCEPT").returncode == 0
    state = running.until(lambda state: state is not None and state["parts"]["firewall"]["repairs"] > 0)
    assert state["parts"]["firewall"]["last"] == ["jump\tiptables FORWARD\tstate\tpresent\t"]


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
        self.event = threading.Semaphore(0)
        super().__init__(str(folder / "engine.sock"), Answers)
        (folder / "engine.pid").write_text(str(os.getpid()))

    def change(self, containers: list[t.Any]) -> None:
        self.containers = containers
        self.event.release()


class Answers(http.server.BaseHTTPRequestHandler):
    """Its answers."""

    def do_GET(self) -> None:
        engine = t.cast("Engine", self.server)
        self.send_response(200)
        self.end_headers()
        if self.path == "/networks":
            self.wfile.write(json.dumps(NETWORKS).encode())
        elif self.path == "/containers/json":
            self.wfile.write(json.dumps(engine.containers).encode())
        else:
            assert self.path.startswith("/events?")
            with contextlib.suppress(OSError):
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
    before = checks(running)
    running.start()
    wait_until("the first check", lambda: checks(running), lambda count: count > before)
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
