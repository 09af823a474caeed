# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays that cut the path to all hosts at once, how long each host is unreachable, and the table of results."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import typing as t

import pytest
import testinfra

CUTS = pathlib.Path(__file__).parents[1] / "cuts"
# The jump to the fleet's chain is in DOCKER-USER, in FORWARD before it, or in both: that depends on which came first.
# Prints what must be as before. The order of rules is that of their creation, which a restart of the engine changes.
STATE = """
cd / && find etc/fleetnet etc/docker etc/systemd/system etc/sysctl.d etc/firewalld -exec stat --format '%n %A %N' {} + \
    2>/dev/null | sort
find etc/fleetnet etc/docker etc/systemd/system etc/sysctl.d etc/firewalld -type f -exec sha256sum {} + | sort
nft -s list ruleset | sed 's/ # progname.*//; s/ # handle.*//' |
    awk '/^table/ { table = $2 } !/jump FLEETNET-FORWARD$/ || !seen[table]++' | sort
ip -4 route | sed 's/ linkdown//' | sort
ip -6 route | grep -v fe80 | sed 's/ linkdown//' | sort
sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
systemctl is-active docker.service fleetnet-firewall.service fleetnet-routes.service fleetnet-reconciler.service
docker network inspect $(docker network ls --format '{{.Name}}' | sort) --format '{{.Name}} {{.Driver}} {{json .IPAM}}
{{json .Options}} {{json .Labels}} {{range .Containers}}{{.Name}} {{.IPv4Address}} {{end}}'
docker ps --format '{{.Names}}' | sort
"""
_LIMIT = 3.0  # seconds that a busy host may take to answer
_CLOSED_PORT = 9


def answers(address: str) -> bool:
    """Whether packets reach a host and come back: it refuses connections to a port on which nothing listens.

    Many connections to its SSH server would let that refuse those of Ansible.
    """
    try:
        socket.create_connection((address, _CLOSED_PORT), timeout=_LIMIT).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


class Watch:
    """The seconds from the first failed connection to the host until connections are possible again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._ended = threading.Event()
        self._cut: float | None = None
        self._back: float | None = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.2):
            began = time.monotonic()
            if answers(self._address):
                if self._cut is not None and self._back is None:
                    self._back = time.monotonic()
            else:
                self._back = None
                self._cut = began if self._cut is None else self._cut

    @property
    def cut(self) -> float | None:
        """When the path was cut."""
        return self._cut

    @property
    def seconds(self) -> float:
        """0 if the path was never cut; infinite if it still is."""
        if self._cut is None:
            return 0.0
        return float("inf") if self._back is None else self._back - self._cut


@dataclasses.dataclass
class Cut:
    """What a play did to a host: seconds without a path and until all was as before."""

    unreachable: float
    restored: float


class Fleet:
    """All hosts."""

    def __init__(self, inventory: str, underlay: dict[str, str]) -> None:
        self._inventory = inventory
        self.addresses = underlay
        self._hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in underlay}

    def each(self, function: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
        """The results of a function for each host, called at once."""
        with concurrent.futures.ThreadPoolExecutor(len(self._hosts)) as pool:
            return dict(zip(self._hosts, pool.map(function, self._hosts), strict=True))

    def state(self, name: str) -> list[str]:
        """The lines of STATE; empty while the host is unreachable."""
        with contextlib.suppress(RuntimeError):  # testinfra's error for a failed SSH connection
            return self._hosts[name].run(STATE).stdout.splitlines()
        return []

    def read(self, name: str, command: str) -> str:
        """The output of a shell command."""
        return str(self._hosts[name].run(command).stdout)

    def start(self, play: str, seconds: int | None) -> subprocess.Popen[str]:
        """Start a play, in a session of its own."""
        extra = [] if seconds is None else [f"--extra-vars=seconds={seconds}"]
        command = ["ansible-playbook", f"--inventory={self._inventory}", *extra, f"{CUTS}/{play}.yml"]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},  # one line per result
        )

    def run(self, play: str, seconds: int | None = None) -> str:
        """Run a play; return what it printed."""
        with self.start(play, seconds) as process:
            return process.communicate()[0]

    @contextlib.contextmanager
    def watched(self) -> t.Iterator[dict[str, Watch]]:
        watches = {name: Watch(address) for name, address in self.addresses.items()}
        for each in watches.values():
            each.start()
        try:
            yield watches
        finally:
            for each in watches.values():
                each.stop()

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill the controller with all of its processes."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def fleet(inventory, underlay) -> Fleet:
    """The fleet."""
    return Fleet(inventory, underlay)


_table: dict[str, dict[str, Cut]] = {}


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, Cut]]:
    """The results by cut and host."""
    return _table


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the table of cuts per host."""
    terminalreporter.section("seconds unreachable / until as before")
    hosts = sorted({host for found in _table.values() for host in found})
    terminalreporter.line(f"{'cut':24}" + "".join(f"{host:>18}" for host in hosts))
    for cut, found in _table.items():
        cells = [f"{found[host].unreachable:.1f} / {found[host].restored:.1f}" for host in hosts if host in found]
        terminalreporter.line(f"{cut:24}" + "".join(f"{cell:>18}" for cell in cells))
