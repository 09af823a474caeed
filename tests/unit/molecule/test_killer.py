# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that kills a client of the engine at one of its changes."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest

from ..plugins.module_utils._host.networks.fake_docker import FakeDocker
from ..plugins.module_utils._host.networks.served_docker import served

KILLER = pathlib.Path(__file__).parents[3] / "molecule/shared/killer.py"
CLIENT = """
import sys
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.unix_socket import SocketEngine
engine = SocketEngine(sys.argv[1])
for name in ("one", "two", "three"):
    engine.post("/networks/create", {"Name": name, "Driver": "bridge"})
    engine.get("/networks")
engine.delete("/networks/one")
"""


class Run(t.NamedTuple):
    status: int
    networks: set[str]
    killer: int


def run(folder: pathlib.Path, number: int, when: str) -> Run:
    docker, path = FakeDocker(), folder / "docker.sock"
    own = set(docker.state())
    with served(docker, path):
        inode = path.stat().st_ino
        command = [sys.executable, KILLER, path, str(number), when]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killer:
            assert killer.stdout
            assert killer.stdout.readline() == b"ready\n"
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            client = subprocess.run([sys.executable, "-c", CLIENT, path], env=environment, check=False)
            if client.returncode == 0:
                killer.terminate()
            status = killer.wait(timeout=60)
        assert path.stat().st_ino == inode  # the engine's socket is back
    return Run(client.returncode, set(docker.state()) - own, status)


@pytest.mark.parametrize(
    ("number", "when", "networks"),
    [
        (0, "before", set()),
        (0, "after", {"one"}),
        (2, "before", {"one", "two"}),
        (3, "before", {"one", "two", "three"}),
        (3, "after", {"two", "three"}),
    ],
)
def test_it_kills_the_client_at_the_change(tmp_path: pathlib.Path, number: int, when: str, networks: set[str]) -> None:
    assert run(tmp_path, number, when) == Run(-signal.SIGKILL, networks, 0)


def test_a_client_with_fewer_changes_lives(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, 4, "before") == Run(0, {"two", "three"}, 0)
