"""The outer engine, in whose containers the hosts live: one that runs already, or one of our own.

An engine of our own keeps everything below the test bed's folders and changes nothing else on the machine: no
firewall rules, no bridge, no forwarding. Hosts need none of that from it: the underlay is bridged, and what they
send elsewhere goes to the fleet's own "world".
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

from . import console, leftovers, locks, packages, process, state
from .docker import Docker
from .errors import FleetError
from .paths import Paths

START_DEADLINE = 60.0
STOP_DEADLINE = 40.0

LONGEST_SOCKET = 100

#: dockerd writes it whatever it is told about its folders.
TRUST_KEY = Path("/etc/docker/key.json")

#: So are these, the inner ones first.
SHARED_FOLDERS = tuple(map(Path, ("/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd")))


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
                raise FleetError("no Docker engine answers: start Docker, or run this as root to have one started")
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
            raise FleetError("the running Docker is rootless, hosts need a rootful one: see `docker context ls`")
        return foreign if info else None

    def is_own(self) -> bool:
        """Whether this test bed has an engine of its own, running or not."""
        return self._configuration.exists()

    def stop(self) -> None:
        """Stops our own engine and removes all of its data."""
        with locks.held(self._paths.locks / "engine", "starting or stopping the engine"):
            with console.step("stopping the test bed's engine and removing its data"):
                if pid := self._pid():
                    os.kill(pid, signal.SIGTERM)
                    leftovers.wait(lambda: not self._pid(), STOP_DEADLINE)
                self._clear_leftovers()
                if self._made_trust_key.exists():
                    TRUST_KEY.unlink(missing_ok=True)
                for path in (self._paths.root / "data", self._log, self._made_trust_key, self._paths.run):
                    process.remove_tree(path)
                self._configuration.unlink(missing_ok=True)
            for folder in SHARED_FOLDERS:
                with contextlib.suppress(OSError):  # another engine's, if it is not empty
                    folder.rmdir()

    def _identity(self) -> str:
        """The name by which the kernel and containerd know what is ours, unlike that of any other engine."""
        if self._configuration.exists():
            return str(json.loads(self._configuration.read_text())["containerd-namespace"])
        return f"fleetnet-testbed-{uuid.uuid4().hex[:8]}"

    def _settings(self, identity: str) -> dict[str, object]:
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
            "containerd-namespace": identity,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{identity}",
            "log-level": "warn",
            "log-opts": {"max-size": "1m"},
        }

    def _start(self) -> None:
        """Starts our own engine, unless it only takes long to answer."""
        started = None if self._pid() else self._launch()

        def over() -> bool:
            return (started is not None and started.poll() is not None) or self._own.info() is not None

        if not leftovers.wait(over, START_DEADLINE):
            raise FleetError("the engine does not answer, see the end of its log", process.tail(self._log))
        if started and started.poll() is not None:
            raise FleetError("the engine does not start, see the end of its log", process.tail(self._log))

    def _launch(self) -> subprocess.Popen[bytes]:
        if len(str(self._own.socket)) > LONGEST_SOCKET:
            raise FleetError(f"the path {self._own.socket} is too long for a socket: choose a shorter root")
        dockerd = process.find("dockerd")
        if not dockerd:
            raise FleetError("dockerd is missing: install the package docker.io")
        self._paths.root.mkdir(parents=True, exist_ok=True)
        self._paths.run.mkdir(parents=True, exist_ok=True)
        if not TRUST_KEY.exists():
            self._made_trust_key.touch()
        identity = self._identity()
        state.write(self._configuration, json.dumps(self._settings(identity), indent=4) + "\n")
        self._clear_leftovers()
        # dockerd looks in its file for the last option under a name that it does not take there.
        command = [dockerd, "--config-file", str(self._configuration), f"--containerd-plugins-namespace={identity}-p"]
        with self._log.open("ab") as log:
            # A session of its own: it goes on when this command ends. It inherits no lock.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd="/"
            )

    def _pid(self) -> int | None:
        """The process of our engine: the one that the pid file names, if it runs with our configuration."""
        try:
            pid = int(self._pidfile.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._configuration) in command else None

    def _clear_leftovers(self) -> None:
        """Ends what a killed engine left: another one could not take its containers up again."""
        leftovers.clear(self._paths.run / "exec", (self._paths.root / "data", self._paths.run), self._identity())
