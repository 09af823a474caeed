# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with files of its own on which a change is undone, and which can be killed at any point."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    SavedDaemon,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Deadline
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    RECONCILER_UNIT,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.undo import Machine, Undo

UNITS = "etc/systemd/system"
ROUTES, FIREWALL = "etc/fleetnet/apply-routes", "etc/fleetnet/apply-firewall"
DAEMON = SavedDaemon("docker.service", "/etc/docker/daemon.json", "former", None, None, "restart", "1", (("1", "web"),))


class Killed(BaseException):
    """The undo is killed at this point."""


class Host:
    """A host: files under ``root``, the kernel and systemd in memory. Killed before change number ``kill``."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.kernel: dict[str, str] = {}  # what each part's script has applied
        self.running: dict[str, str] = {}  # the text of each active unit's program
        self.loaded: set[str] = set()  # the unit files that systemd has read
        self.daemon = "former"
        self.networks = "former"
        self.addresses = ["10.64.0.1/24"]  # of docker0
        self.lease = "198.51.100.1/24"  # of a bridge that is not the collection's
        self.changes = 0
        self.kill: int | None = None
        self.fails = ""  # the first word of commands that fail
        self.now, self.boot_name = 0.0, "boot"
        self.manual = False
        self.process: Undo | None = None
        self.invocation, self.restarts, self.resumed, self.stuck = "run", 0, 0, False
        self.killed, self.dies = 0, lambda: None  # what the module with the lock does then
        self.folder = CheckpointFolder(str(root / "var/lib/fleetnet/checkpoint"), str(root / "run/lock"))

    def change(self) -> None:
        if self.changes == self.kill:
            raise Killed
        self.changes += 1

    # -- its files

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        (self.root / path).chmod(mode)

    def enable(self, unit: str) -> None:
        self.put(f"{UNITS}/{unit}", unit)
        (self.root / UNITS / "multi-user.target.wants").mkdir(exist_ok=True)
        (self.root / UNITS / "multi-user.target.wants" / unit).symlink_to(f"/{UNITS}/{unit}")

    def text(self, path: str) -> str:
        file = self.root / path
        return file.read_text() if file.exists() else ""

    # -- its programs

    def find(self, program: str) -> str | None:
        return None if program == "ip6tables" else f"/sbin/{program}"

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert stdin is None
        words = list(argv)
        if words[:2] == ["systemctl", "show"]:
            return "\n".join(
                f"Id={unit}\nActiveState={'active' if unit in self.running else 'inactive'}\n" for unit in words[4:]
            )
        if words == ["/sbin/iptables", "-w", "-S", "FORWARD"]:
            return f"-P FORWARD {self.kernel['policy']}\n"
        if words == ["/sbin/ip", "-json", "address", "show", "type", "bridge"]:
            scopes = [{"local": "fe80::1", "prefixlen": 64, "scope": "link"}]
            scopes += [
                {"local": each.split("/", maxsplit=1)[0], "prefixlen": 24, "scope": "global"} for each in self.addresses
            ]
            lease = {"local": self.lease.split("/", maxsplit=1)[0], "prefixlen": 24, "scope": "global"}
            others = [{"ifname": "fn-web"}, {"ifname": "br0", "addr_info": [lease]}]
            return json.dumps([{}, {"ifname": "docker0", "addr_info": scopes}, *others])
        self.change()
        if words[:3] == ["/sbin/ip", "address", "del"]:
            assert words[4:] == ["dev", "docker0"]
            self.addresses.remove(words[3])
            return ""
        if words[0] == self.fails:
            raise FleetnetError(f"{words[0]} fails.")
        part = {ROUTES_PART.script: "routes", FIREWALL_PART.script: "firewall"}.get(words[0])
        if part:
            assert self.text(words[0].lstrip("/")), f"{words[0]} does not exist"
            if words[1:] == ["--remove"]:
                self.kernel.pop(part, None)
            else:
                self.kernel[part] = self.text(f"etc/fleetnet/{part}")
        elif words[0] == "/sbin/iptables":
            self.kernel["policy"] = words[4]
        elif words == ["systemctl", "daemon-reload"]:
            self.loaded = {path.name for path in (self.root / UNITS).glob("*.service")}
        elif words[1] in ("start", "restart"):
            assert set(words[2:]) <= self.loaded
            program = self.text("etc/fleetnet/reconciler")
            self.running.update({unit: program if unit == RECONCILER_UNIT else "" for unit in words[2:]})
        elif words[1] == "stop":
            for unit in words[2:]:
                self.running.pop(unit, None)
        else:
            raise AssertionError(words)
        return ""

    # -- its engine

    def restore_daemon(self, docker_host: str, saved: SavedDaemon) -> tuple[list[str], str]:
        assert (docker_host, saved._replace(invocation="1")) == ("unix:///run/docker.sock", DAEMON)
        self.change()
        self.daemon = "former"
        if saved.invocation == self.invocation:
            return [], self.invocation
        self.restarts += 1
        self.invocation = f"undo {self.restarts}"
        return ["restore daemon.json"], self.invocation

    def resume(self, docker_host: str, container: tuple[str, str]) -> None:
        assert (docker_host, container) == ("unix:///run/docker.sock", ("1", "web"))
        assert self.networks == "former"
        if self.stuck:
            raise FleetnetError("container web does not start")
        self.resumed += 1

    def restore_networks(self, _docker_host: str, _journal: Journal) -> list[str]:
        self.change()
        assert self.daemon == "former"  # the engine runs
        self.networks = "former"
        return ["restore networks"]

    def state(self) -> t.Any:
        files = {
            str(path.relative_to(self.root)): os.readlink(path)
            if path.is_symlink()
            else (path.read_text(), oct(path.stat().st_mode))
            for folder in ("etc", "proc", "var/lib/fleetnet/generations")
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_symlink() or path.is_file()
        }
        return (
            files,
            dict(self.kernel),
            dict(self.running),
            self.loaded,
            self.daemon,
            self.networks,
            list(self.addresses),
        )

    # -- the change and its undo

    def host_state(self) -> HostState:
        return HostState(self, str(self.root))

    def save(self) -> None:
        state = self.host_state()
        files = state.files()
        checkpoint = Checkpoint(
            Deadline("7", 60, 0.0, "boot", "run", self.manual),
            state.kernel(),
            (Risk("routes", ("a",)),),
            "unix:///run/docker.sock",
            files,
            state.active(files),
            state.addresses(),
        )
        self.folder.begin(checkpoint, b"program")
        self.folder.record_daemon(DAEMON)
        self.folder.record_networks(
            '{"format": 1, "docker_host": "", "step": {"kind": "create", "before": [], "after": [], "reason": ""},'
            ' "allow_disconnect": true, "made": [], "undoing": true}'
        )

    def applied(self, at: float | None = None) -> None:
        self.folder.record_applied(self.now if at is None else at, self.host_state().kernel())

    def undo(self, again: bool = False) -> UndoReport | None:
        """In a new process, or ``again`` in the same one."""

        def sleep(seconds: float) -> None:
            self.now += seconds

        def kill(process: int, signal: int) -> None:
            assert (process, signal) == (os.getpid(), 9)
            self.killed += 1
            self.dies()

        machine = Machine(lambda: self.boot_name, lambda: self.now, sleep, kill)
        if self.process is None or again is False:
            self.process = Undo(self, self.folder, self.host_state(), self, machine)
        return self.process.run()


def install(host: Host) -> None:
    """The former state: both parts."""
    host.put(ROUTES, "script", 0o755)
    host.put(FIREWALL, "script", 0o755)
    host.put("etc/fleetnet/routes", "former")
    host.put("etc/fleetnet/firewall", "former")
    host.put("etc/fleetnet/reconciler", "former", 0o755)
    host.put("etc/fleetnet/python/one.py", "former")
    host.put("var/lib/fleetnet/generations/1.json", "{}")
    for unit in (FIREWALL_PART.service, ROUTES_PART.service, RECONCILER_UNIT):
        host.enable(unit)
    host.run("systemctl", "daemon-reload")
    host.run(ROUTES_PART.script)
    host.run(FIREWALL_PART.script)
    host.run("systemctl", "start", FIREWALL_PART.service, ROUTES_PART.service, RECONCILER_UNIT)


def change(host: Host) -> None:
    """Another state of both parts, the reconciler, the engine, and the kernel."""
    if not host.text(ROUTES):
        install(host)
    host.put("etc/fleetnet/routes", "new")
    host.put("etc/fleetnet/firewall", "new")
    host.put("etc/fleetnet/reconciler", "new", 0o700)
    host.put("etc/fleetnet/python/two/new.py", "new")
    host.put("proc/sys/net/ipv4/ip_forward", "1\n")
    host.put("var/lib/fleetnet/generations/2.json", "{}")
    host.run(ROUTES_PART.script)
    host.run(FIREWALL_PART.script)
    host.run("systemctl", "restart", RECONCILER_UNIT)
    host.daemon = host.networks = "new"
    host.kernel["policy"] = "DROP"
    host.addresses.append("192.0.2.1/24")
    host.lease = "198.51.100.2/24"


def remove(host: Host) -> None:
    """A reset."""
    host.run("systemctl", "stop", *list(host.running))
    host.run(ROUTES_PART.script, "--remove")
    host.run(FIREWALL_PART.script, "--remove")
    shutil.rmtree(host.root / "etc/fleetnet")
    shutil.rmtree(host.root / "var/lib/fleetnet/generations")
    shutil.rmtree(host.root / UNITS)
    host.run("systemctl", "daemon-reload")


def cut_short(host: Host) -> None:
    """A first run that was killed after its first file."""
    host.put("etc/fleetnet/python/one.py", "new")
