# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all scenarios: the collection's own, the underlay, the world outside, probes by containers' own tools."""

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
    """host -> its address for the other hosts, as the test bed's inventory has it."""
    with open(inventory, encoding="utf-8") as file:
        hosts = yaml.safe_load(file)["docker_fleet"]["hosts"]
    return {name: variables["docker_fleet_underlay_address"] for name, variables in hosts.items()}


@pytest.fixture(scope="session")
def world(inventory) -> t.Callable[[str], bool]:
    """Runs a shell command on the machine outside of the fleet; True where it succeeded."""
    # create.yml has linked the test bed's inventory, which is in a folder of the fleet's name
    fleet = pathlib.Path(inventory).resolve().parent.name
    command = [f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet", "exec", "world", "--name", fleet, "--"]
    return lambda text: subprocess.run([*command, "sh", "-c", text], capture_output=True, check=False).returncode == 0


class Probes:
    """Probes from the host under test, from one of its containers or from itself (``source`` None), by busybox.

    They share no code with the collection, so that its own probes are proven too.
    """

    # Seconds that they wait; what is denied is dropped, and has to be waited for.
    patience = 1

    def __init__(self, host) -> None:
        self._host = host

    def ping(self, source: str | None, address: str) -> bool:
        return self._run(source, f"ping -c 1 -W {self.patience} {address}").rc == 0

    def ask(self, source: str | None, address: str, port: int) -> str | None:
        """What a server answers: the addresses of its connections. None where no connection comes about."""
        result = self._run(source, f"nc -w {self.patience} {address} {port} </dev/null")
        return result.stdout if result.rc == 0 else None

    def fetch(self, source: str | None, url: str) -> bool:
        return self._run(source, f"wget -q -T {self.patience} -O - {url}").rc == 0

    def _run(self, source: str | None, command: str) -> t.Any:
        # the host has the containers' busybox, and no nc of its own
        where = "docker run --rm --network host fleetnet/workload" if source is None else f"docker exec {source}"
        return self._host.run(f"{where} sh -c %s", command)


@pytest.fixture
def probes(host) -> Probes:
    """Probes from the host under test."""
    return Probes(host)


@pytest.fixture(scope="session")
def world_connects(world) -> t.Callable[..., bool]:
    """``world_connects(address, port, source="")``: whether a TCP connection from outside comes about."""

    def connects(address: str, port: int, source: str = "") -> bool:
        options = f'timeout={Probes.patience}, source_address=("{source}", 0)'
        return world(f"python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), {options})'")

    return connects
