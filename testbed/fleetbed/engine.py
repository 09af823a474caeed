"""The outer engine, which runs the hosts as containers: an engine that already runs, or our own.

Our own engine keeps all of its files in the folders of the test bed and changes nothing else on the machine: no
firewall rules, no bridge, no forwarding. The hosts need none of these: the underlay is bridged, and all other traffic
goes to the fleet's own "world".
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

MAX_SOCKET_PATH = 100

#: dockerd writes this file regardless of its configured folders.
TRUST_KEY = Path("/etc/docker/key.json")

#: dockerd creates these folders regardless, too. Inner folders first.
SHARED_FOLDERS = tuple(map(Path, ("/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd")))


class OuterEngine:
    """Find, start and stop the engine."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._pidfile = paths.run / "docker.pid"
        self._configuration = paths.root / "engine.json"
        self._made_trust_key = paths.root / "engine.made-trust-key"
        self._data = paths.root / "data"
        self._removed_data = paths.root / "data.removed"
        self._log = paths.root / "engine.log"
        self._own = Docker(paths.run / "docker.sock")

    def ensure(self) -> Docker:
        """Return a running engine. Install and start one if necessary."""
        if docker := self.running():
            return docker
        with locks.held(self._paths.locks / "engine", "starting the engine"):
            if docker := self.running():
                return docker
            if os.geteuid() != 0:
                raise FleetError("no running Docker engine found. Start Docker, or run this command as root")
            packages.require(self._paths.locks, ("dockerd", "docker.io"), ("docker", "docker-cli"))
            # On machines with an init system, installing the package starts the engine.
            if docker := self.running():
                return docker
            with console.step("starting an engine for the test bed"):
                self._start()
        return self._own

    def running(self) -> Docker | None:
        """Return the engine for the fleets of this test bed, or None if it does not respond."""
        if self._pid() and self._own.info():
            return self._own
        if self._configuration.exists() or self._paths.separate:
            return None
        foreign = Docker()
        info = foreign.info()
        if info and any("rootless" in option for option in info.get("SecurityOptions") or ()):
            raise FleetError(
                "Docker is running in rootless mode. Hosts require rootful Docker, see `docker context ls`"
            )
        return foreign if info else None

    def is_own(self) -> bool:
        """Return whether this test bed has an engine of its own, running or not."""
        return self._configuration.exists()

    def stop(self) -> None:
        """Stop our own engine and remove all of its data."""
        with locks.held(self._paths.locks / "engine", "starting or stopping the engine"):
            with console.step("stopping the test bed's engine and removing its data"):
                if not self._end(signal.SIGTERM):
                    self._end(signal.SIGKILL)
                self._clear_leftovers()
                # If this command is killed, no engine starts with an incomplete folder.
                if self._data.exists():
                    process.remove_tree(self._removed_data)
                    self._data.rename(self._removed_data)
                if self._made_trust_key.exists():
                    TRUST_KEY.unlink(missing_ok=True)
                for path in (self._removed_data, self._log, self._made_trust_key, self._paths.run):
                    process.remove_tree(path)
                self._configuration.unlink(missing_ok=True)
            for folder in SHARED_FOLDERS:
                with contextlib.suppress(OSError):  # if not empty, another engine uses it
                    folder.rmdir()

    def _end(self, number: signal.Signals) -> bool:
        """Send a signal to our engine, and return whether it ends."""
        if pid := self._pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return leftovers.wait(lambda: not self._pid(), STOP_DEADLINE)

    def _identity(self) -> str:
        """Return the unique name of our engine's control group and containerd namespace."""
        if self._configuration.exists():
            return str(json.loads(self._configuration.read_text())["containerd-namespace"])
        return f"fleetnet-testbed-{uuid.uuid4().hex[:8]}"

    def _settings(self, identity: str) -> dict[str, object]:
        """Return the configuration of our own engine. Valid for 20.10 and later."""
        return {
            "data-root": str(self._data),
            "exec-root": str(self._paths.run / "exec"),
            "pidfile": str(self._pidfile),
            "hosts": [f"unix://{self._own.socket}"],
            "iptables": False,
            "ip6tables": False,
            "ip-forward": False,
            "ip-masq": False,
            "bridge": "none",
            "userland-proxy": False,
            # The system may run a containerd that another engine uses: keep ours separate.
            "containerd-namespace": identity,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{identity}",
            "log-level": "warn",
            "log-opts": {"max-size": "1m"},
        }

    def _start(self) -> None:
        """Start our own engine unless it runs, and wait until it responds."""
        started = None if self._pid() else self._launch()

        def over() -> bool:
            return (started is not None and started.poll() is not None) or self._own.info() is not None

        if not leftovers.wait(over, START_DEADLINE):
            raise FleetError("the engine does not respond. See the end of its log", process.tail(self._log))
        if started and started.poll() is not None:
            raise FleetError("the engine does not start. See the end of its log", process.tail(self._log))

    def _launch(self) -> subprocess.Popen[bytes]:
        if len(str(self._own.socket)) > MAX_SOCKET_PATH:
            raise FleetError(f"{self._own.socket}: too long for the path of a socket. Choose a shorter root")
        dockerd = process.find("dockerd")
        if not dockerd:
            raise FleetError("dockerd not found. Install the package docker.io")
        self._paths.root.mkdir(parents=True, exist_ok=True)
        self._paths.run.mkdir(parents=True, exist_ok=True)
        if not TRUST_KEY.exists():
            self._made_trust_key.touch()
        identity = self._identity()
        state.write(self._configuration, json.dumps(self._settings(identity), indent=4) + "\n")
        self._clear_leftovers()
        self._pidfile.unlink(missing_ok=True)  # dockerd does not start if any process has this id
        # dockerd rejects the last option in its configuration file, so it is a flag.
        command = [dockerd, "--config-file", str(self._configuration), f"--containerd-plugins-namespace={identity}-p"]
        with self._log.open("ab") as log:
            # A session of its own: the engine keeps running when this command ends. It inherits no lock.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd="/"
            )

    def _pid(self) -> int | None:
        """Return the process id of our engine: the dockerd that uses our configuration.

        The pid file is not used: an engine that starts has not written it yet, and it can contain the id of another
        process after the machine was restarted.
        """
        configuration = os.fsencode(self._configuration)
        return next((pid for pid, command in leftovers.processes("dockerd") if configuration in command), None)

    def _clear_leftovers(self) -> None:
        """Kill processes that a killed engine left behind. A new engine cannot manage their containers."""
        leftovers.clear(self._paths.run / "exec", (self._data, self._paths.run), self._identity())
