# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fleets on the real engine: a killed command is mended by the next one, and two checkouts do not disturb each other.

The unit tests kill the commands before each change, with a fake engine. Here a few kills cut off real requests.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "testbed"))

from fleetbed.docker import of_fleet  # noqa: E402
from fleetbed.engine import OuterEngine  # noqa: E402
from fleetbed.paths import Paths  # noqa: E402

KILLED = -signal.SIGKILL
UP = ("--hosts", "1", "--engines", "20.10", "--timeout", "900")


class Checkout:
    """The command script/fleet of a checkout, for one fleet."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name

    def start(self, verb: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "script/fleet"), verb, "--name", self.name, *options],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, verb: str, *options: str) -> str:
        return output(self.start(verb, *options))

    def kill(self, when: str, text: str, *command: str) -> None:
        """Run a command that is killed at a program whose command line contains the text."""
        argv = [sys.executable, str(ROOT / "tests/testbed/kill_at.py"), when, text, "--", *command, "--name", self.name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == KILLED, f"not killed at {text!r}: {done.stdout}{done.stderr}"

    def inventory(self) -> Path:
        return Path(self.run("inventory").strip())

    @property
    def full_name(self) -> str:
        return self.inventory().parent.name

    def ask_engine(self) -> str:
        """The version of the engine of h1, over SSH as Ansible connects to it."""
        group = yaml.safe_load(self.inventory().read_text())["docker_fleet"]
        address, common = group["hosts"]["h1"]["ansible_host"], group["vars"]
        options = common["ansible_ssh_common_args"].replace('"', "").split()
        argv = ["ssh", "-i", common["ansible_ssh_private_key_file"], *options, f"root@{address}"]
        return subprocess.run(
            [*argv, "docker version --format '{{.Server.Version}}'"], capture_output=True, text=True, check=True
        ).stdout


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return out


def objects(fleet: str) -> dict[str, str]:
    """What exists of a fleet: the objects in the engine and the files."""
    paths = Paths.of(os.environ, os.geteuid())
    engine = OuterEngine(paths).running()
    assert engine
    found = {kind: " ".join(engine.ids(kind, of_fleet(fleet))) for kind in ("container", "network", "volume")}
    found["folder"] = str(paths.fleet(fleet)) if paths.fleet(fleet).exists() else ""
    return {kind: text for kind, text in found.items() if text}


@pytest.fixture
def here() -> Iterator[Checkout]:
    checkout = Checkout(ROOT, "testbed-fleets")
    checkout.run("down")
    yield checkout
    checkout.run("down")


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (("during", "network create"), ("before", "volume rm")),
        (("during", "container create"), ("during", "container rm")),
        (("before", "docker cp"), ("before", "network rm")),
        (("during", "container start"), None),
        (("before", "docker exec"), ("during", "network rm")),
    ],
    ids=lambda kill: " ".join(kill) if kill else "",
)
def test_a_killed_command_is_mended_by_the_next(
    here: Checkout, up: tuple[str, str], down: tuple[str, str] | None
) -> None:
    here.kill(*up, "up", *UP)
    here.run("up", *UP)
    assert here.ask_engine().startswith("20.10.")
    name = here.full_name
    assert objects(name).keys() == {"container", "network", "volume", "folder"}
    if down:
        here.kill(*down, "down")
    here.run("down")
    assert objects(name) == {}


def test_two_checkouts_do_not_disturb_each_other(tmp_path: Path) -> None:
    parent = Path(os.environ.get("FLEETNET_CHECKOUTS") or tmp_path)
    checkouts = []
    for folder in (parent / "one", parent / "two"):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "script").mkdir(parents=True)
        shutil.copy2(ROOT / "script/fleet", folder / "script/fleet")
        shutil.copytree(ROOT / "testbed", folder / "testbed")
        checkouts.append(Checkout(folder, "testbed-fleets"))
        checkouts[-1].run("down")
    try:
        for process in [checkout.start("up", *UP) for checkout in checkouts]:
            output(process)
        names = [checkout.full_name for checkout in checkouts]
        assert names[0] != names[1]
        addresses = {
            yaml.safe_load(checkout.inventory().read_text())["docker_fleet"]["hosts"]["h1"]["ansible_host"]
            for checkout in checkouts
        }
        assert len(addresses) == 2
        assert all(checkout.ask_engine().startswith("20.10.") for checkout in checkouts)
        # One ends while the other is changed.
        running = [checkouts[0].start("down"), checkouts[1].start("up", *UP, "--links", "2")]
        for process in running:
            output(process)
        assert objects(names[0]) == {}
        assert checkouts[1].ask_engine().startswith("20.10.")
    finally:
        for process in [checkout.start("down") for checkout in checkouts]:
            output(process)
    assert [objects(name) for name in names] == [{}, {}]
