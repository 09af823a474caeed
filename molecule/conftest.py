# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all scenarios: the collection's own, the underlay, the outside, probes by containers' own tools."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()
pytest_plugins = ["ansible_collections.fleetnet.docker.plugins.plugin_utils.testing"]


@pytest.fixture(scope="session")
def inventory(request) -> str:
    """The path of the inventory."""
    return request.config.getoption("--ansible-inventory")


@pytest.fixture(scope="session")
def underlay(inventory) -> dict[str, str]:
    """Host -> its underlay address in the test bed's inventory."""
    with open(inventory, encoding="utf-8") as file:
        hosts = yaml.safe_load(file)["docker_fleet"]["hosts"]
    return {name: variables["docker_fleet_underlay_address"] for name, variables in hosts.items()}


@pytest.fixture(scope="session")
def underlay_v6(underlay) -> dict[str, str]:
    """The same for IPv6, in scenarios that configure it (shared/ipv6.yml)."""
    return {name: f"fd00:67:9::{address.split('.')[-1]}" for name, address in underlay.items()}


@pytest.fixture(scope="session")
def world(inventory) -> t.Callable[[str], bool]:
    """Run a shell command on the machine outside the fleet; returns whether it succeeded."""
    # create.yml links the test bed's inventory, whose directory has the fleet's name
    fleet = pathlib.Path(inventory).resolve().parent.name
    command = [f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet", "exec", "world", "--name", fleet, "--"]
    return lambda text: subprocess.run([*command, "sh", "-c", text], capture_output=True, check=False).returncode == 0


class Probes:
    """Probes with busybox from a container of the host under test, or from the host itself (``source`` None).

    They share no code with the collection, and so test its own probes too. Each attempt waits one second; a failed one
    is repeated, because a busy machine may lose a packet that is allowed.
    """

    def __init__(self, host, attempts: int) -> None:
        self._host = host
        self._attempts = attempts

    def ping(self, source: str | None, address: str) -> bool:
        return self._run(source, f"ping -c 1 -W 1 {address}").rc == 0

    def ask(self, source: str | None, address: str, port: int) -> str | None:
        """A server's answer: the addresses of its connections. None without a connection."""
        result = self._run(source, f"nc -w 1 {address} {port} </dev/null")
        return result.stdout if result.rc == 0 else None

    def fetch(self, source: str | None, url: str) -> str | None:
        """The page, None if the request fails."""
        result = self._run(source, f"wget -q -T 1 -O - {url}")
        return result.stdout if result.rc == 0 else None

    def _run(self, source: str | None, command: str) -> t.Any:
        # the host has no nc; the container has busybox
        where = "docker run --rm --network host fleetnet/workload" if source is None else f"docker exec {source}"
        return self._host.run(
            f"{where} sh -c %s", f"for attempt in $(seq {self._attempts}); do {command} && exit; done; exit 1"
        )


@pytest.fixture
def probes(host) -> Probes:
    """Probes from the host under test that are expected to pass."""
    return Probes(host, attempts=5)


@pytest.fixture
def once(host) -> Probes:
    """Probes that are expected to be dropped, with one attempt."""
    return Probes(host, attempts=1)


@pytest.fixture(scope="session")
def world_connects(world) -> t.Callable[..., bool]:
    """``world_connects(address, port, source="")``: whether a TCP connection from outside is established."""

    def connects(address: str, port: int, source: str = "", attempts: int = 5) -> bool:
        call = f'socket.create_connection(("{address}", {port}), timeout=1, source_address=("{source}", 0))'
        attempt = f"python3 -c 'import socket; {call}'"
        return any(world(attempt) for _attempt in range(attempts))

    return connects


@pytest.fixture
def world_is_denied(world_connects) -> t.Callable[..., bool]:
    """The opposite, with one attempt."""
    return lambda *where, **options: not world_connects(*where, **options, attempts=1)


@pytest.fixture(scope="session")
def wait_for_server() -> t.Callable[[t.Any, str, int], None]:
    """``wait_for_server(host, "web", 80)``: wait until something in a container listens on a TCP port."""
    script = "until netstat -ltn | grep -q ':{} '; do sleep 0.1; done"
    return lambda host, container, port: host.check_output(
        "timeout 20 docker exec %s sh -c %s", container, script.format(port)
    )
