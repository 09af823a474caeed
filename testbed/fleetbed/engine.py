"""The outer engine, in whose containers the hosts live: one that runs already, or one of our own.

An engine of our own keeps everything below the test bed's folders and changes nothing else on the machine: no
firewall rules, no bridge, no forwarding. Hosts need none of that from it: the underlay is bridged, and what they
send elsewhere goes to the fleet's own "world".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import console, locks, packages, process
from .docker import Docker
from .errors import TestbedError
from .paths import Paths

START_DEADLINE = 60.0
STOP_DEADLINE = 40.0

#: dockerd writes it whatever it is told about its folders.
TRUST_KEY = Path("/etc/docker/key.json")


class OuterEngine:
    """Finds, starts and stops the engine."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._pidfile = paths.run / "docker.pid"
        self._configuration = paths.root / "engine.json"
        self._made_trust_key = paths.root / "engine.made-trust-key"
        self._log = paths.root / "engine.log"
        self._own = Docker(paths.run / "docker.sock")

    def ensure(self) -> Docker:
        """An engine that answers, installed and started if need be."""
        if docker := self.running():
            return docker
        with locks.held(self._paths.locks / "engine", "starting the engine"):
            if docker := self.running():
                return docker
            if os.geteuid() != 0:
                raise TestbedError("no Docker engine answers: start Docker, or run this as root to have one started")
            packages.require(self._paths.locks, ("dockerd", "docker.io"), ("docker", "docker-cli"))
            # Where an init runs, installing the package has started the engine.
            if docker := self.running():
                return docker
            with console.step("starting an engine for the test bed"):
                self._start()
        return self._own

    def running(self) -> Docker | None:
        """The engine that holds or would hold this test bed's fleets, if it answers."""
        if self._pid() and self._own.info():
            return self._own
        if self._configuration.exists() or self._paths.separate:
            return None
        foreign = Docker()
        info = foreign.info()
        if info and any("rootless" in option for option in info.get("SecurityOptions") or ()):
            raise TestbedError("the running Docker is rootless, hosts need a rootful one: see `docker context ls`")
        return foreign if info else None

    def is_own(self) -> bool:
        """Whether this test bed has an engine of its own, running or not."""
        return self._configuration.exists()

    def stop(self) -> None:
        """Stops our own engine and removes all of its data."""
        with locks.held(self._paths.locks / "engine", "starting or stopping the engine"):
            if pid := self._pid():
                with console.step("stopping the test bed's engine"):
                    os.kill(pid, signal.SIGTERM)
                    _wait(lambda: not self._pid(), STOP_DEADLINE)
            self._end_leftovers()
            self._unmount()
            if self._made_trust_key.exists():
                TRUST_KEY.unlink(missing_ok=True)
            for path in (self._paths.root / "data", self._log, self._made_trust_key, self._paths.run):
                _remove(path)
            _remove(self._configuration)
            for hierarchy in Path("/sys/fs/cgroup").glob(f"**/{self._cgroup}"):
                _remove_cgroup(hierarchy)

    @property
    def _cgroup(self) -> str:
        """The control group of all of our containers; one for each root, as engines must not share it."""
        if not self._paths.separate:
            return "fleetnet-testbed"
        return f"fleetnet-testbed-{hashlib.sha256(str(self._paths.root).encode()).hexdigest()[:8]}"

    def _settings(self) -> dict[str, object]:
        """The configuration file of our own engine, understood by 20.10 and later."""
        return {
            "data-root": str(self._paths.root / "data"),
            "exec-root": str(self._paths.run / "exec"),
            "pidfile": str(self._pidfile),
            "hosts": [f"unix://{self._own.socket}"],
            "iptables": False,
            "ip6tables": False,
            "ip-forward": False,
            "ip-masq": False,
            "bridge": "none",
            "userland-proxy": False,
            # A containerd of the system may be running: stay apart from what another engine keeps there.
            "containerd-namespace": self._cgroup,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self._cgroup}",
            "log-opts": {"max-size": "1m"},
        }

    def _start(self) -> None:
        if len(str(self._own.socket)) > 100:
            raise TestbedError(f"the path {self._own.socket} is too long for a socket: choose a shorter root")
        self._paths.root.mkdir(parents=True, exist_ok=True)
        self._paths.run.mkdir(parents=True, exist_ok=True)
        if not TRUST_KEY.exists():
            self._made_trust_key.touch()
        if not self._configuration.exists():
            self._configuration.write_text(json.dumps(self._settings(), indent=4))
        dockerd = process.find("dockerd")
        if not dockerd:
            raise TestbedError("dockerd is missing: install the package docker.io")
        command = [dockerd, "--config-file", str(self._configuration)]
        with self._log.open("ab") as log:
            # A session of its own: it goes on when this command ends. It inherits no lock.
            started = subprocess.Popen(
                # dockerd looks in its file for this option under a name that it does not take there.
                [*command, f"--containerd-plugins-namespace={self._cgroup}-plugins"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        if not _wait(lambda: started.poll() is not None or self._own.info() is not None, START_DEADLINE):
            raise TestbedError("the engine does not answer: see its log below", process.tail(self._log))
        if started.poll() is not None:
            raise TestbedError("the engine does not start: see its log below", process.tail(self._log))

    def _pid(self) -> int | None:
        """The process of our engine: the one that the pid file names, if it runs with our configuration."""
        try:
            pid = int(self._pidfile.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._configuration) in command else None

    def _end_leftovers(self) -> None:
        """Ends what a killed engine left running: its containerd and shims name our folder in their commands."""
        ours = os.fsencode(self._paths.run / "exec") + b"/"
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in _processes(ours):
                os.kill(pid, number)
            if _wait(lambda: not list(_processes(ours)), 5):
                return

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        ours = tuple(f"{folder}/" for folder in (self._paths.root / "data", self._paths.run))
        for mount in reversed([mount for mount in mounts if mount.startswith(ours)]):
            process.run(["umount", "--lazy", mount], check=False)


def _processes(part: bytes) -> Iterator[int]:
    """The processes whose command has `part` in it."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if part in (folder / "cmdline").read_bytes():
                    yield int(folder.name)
            except OSError:
                continue


def _wait(condition: Callable[[], bool], deadline: float) -> bool:
    """Waits for a condition; False when the deadline passes before it holds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_cgroup(top: Path) -> None:
    """Control groups are folders whose files cannot be removed, but they can, once nothing runs in them."""
    for folder, _, _ in os.walk(top, topdown=False):
        os.rmdir(folder)
