# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all scenarios: the collection's own, the underlay, the outside, probes by containers' own tools."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until  # noqa: E402

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

    They share no code with the collection, and so test its own probes too. They enter the container's namespaces
    without the engine, which makes them cheap enough to be repeated. A probe that is expected to pass is repeated until
    it passes, because a busy machine may answer late. One that is expected to be dropped cannot wait for a state: it is
    sent once and waits one second. So the same test, or the one before it, needs a probe that passes to the same
    container.
    """

    def __init__(self, host, expected: bool) -> None:
        self._host = host
        self._expected = expected
        self._seconds = 5 if expected else 1

    def ping(self, source: str | None, address: str) -> bool:
        return self._run(source, f"busybox ping -c 1 -W {self._seconds} {address}").rc == 0

    def ask(self, source: str | None, address: str, port: int) -> str | None:
        """A server's answer: the addresses of its connections. None without a connection."""
        result = self._run(source, f"busybox nc -w {self._seconds} {address} {port} </dev/null")
        return result.stdout if result.rc == 0 else None

    def fetch(self, source: str | None, url: str) -> str | None:
        """The page, None if the request fails."""
        result = self._run(source, f"busybox wget -q -T {self._seconds} -O - {url}")
        return result.stdout if result.rc == 0 else None

    def _run(self, source: str | None, command: str) -> t.Any:
        def run() -> t.Any:
            return self._host.run(f"{enter(source) if source else ''} sh -c %s", command)

        if not self._expected:
            return run()
        return wait_until(f"{command} from {source or 'the host'} passes", run, lambda result: result.rc == 0)


def enter(container: str) -> str:
    """The command that runs another one in a container's network and files, without the engine."""
    return f"nsenter --net --mount --target $(docker inspect --format '{{{{.State.Pid}}}}' {container})"


@pytest.fixture
def firewall_backend(host) -> str:
    """The firewall backend of the engine under test: iptables or nftables. Engines before 28.1 do not report it."""
    reported = json.loads(host.check_output("docker info --format '{{json .}}'")).get("FirewallBackend") or {}
    return str(reported.get("Driver") or "iptables").partition("+")[0]


@pytest.fixture
def probes(host) -> Probes:
    """Probes from the host under test that are expected to pass."""
    return Probes(host, expected=True)


@pytest.fixture
def once(host) -> Probes:
    """Probes that are expected to be dropped, with one attempt."""
    return Probes(host, expected=False)


def connection(address: str, port: int, source: str = "") -> str:
    """The command that succeeds if a TCP connection is established."""
    call = f'socket.create_connection(("{address}", {port}), timeout=1, source_address=("{source}", 0))'
    return f"python3 -c 'import socket; {call}'"


@pytest.fixture(scope="session")
def world_connects(world) -> t.Callable[..., bool]:
    """``world_connects(address, port, source="")``: wait until a TCP connection from outside is established."""

    def connects(address: str, port: int, source: str = "") -> bool:
        command = connection(address, port, source)
        return wait_until(f"the world connects to {address}:{port}", lambda: world(command))

    return connects


@pytest.fixture(scope="session")
def world_is_denied(world) -> t.Callable[..., bool]:
    """The opposite, with one attempt."""
    return lambda *where, **options: not world(connection(*where, **options))


@pytest.fixture(scope="session")
def wait_for_server() -> t.Callable[..., None]:
    """``wait_for_server(host, "web", 80)``: wait until something in a container listens on a port."""

    def wait(host, container: str, port: int, protocol: str = "tcp") -> None:
        pid = "$(docker inspect --format '{{.State.Pid}}' %s)"
        listening = f"nsenter --target {pid} --net ss --no-header --numeric --listening --{protocol} sport = :{port}"
        wait_until(
            f"container {container} listens on {protocol}/{port}",
            lambda: host.run(listening, container),
            lambda result: f":{port} " in result.stdout,
        )

    return wait
