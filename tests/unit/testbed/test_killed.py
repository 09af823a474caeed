# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command that is killed before any of its effects is mended by the next one.

A command runs in a process of its own, which kills itself before its N-th change of a file or of the engine.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleetbed import checkout, coverage, hosts, images, network, packages, process, retry, ssh, state, sysctls
from fleetbed.fleet import Fleets
from fleetbed.paths import RECIPES, Paths
from fleetbed.recipe import load
from fleetbed.source import REQUIRED
from fleetbed.spec import Spec

from .fake_engine import KINDS, FakeEngine

ENGINE = "28.5"
SMALL = Spec("f", hosts=1, engines=(ENGINE,))
LARGE = Spec("f", hosts=2, engines=(ENGINE,), links=2)
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
KILLED = -signal.SIGKILL


class Bed:
    """A test bed with a fake engine, and commands on its fleet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths(folder / "root", folder / "run", folder / "cache", folder / "machine", separate=True)
        self.switch = folder / "sys/net/bridge" / sysctls.SWITCHES[0]
        self.switch.parent.mkdir(parents=True)
        self.switch.write_text("1\n")
        self.paths.cache.mkdir()
        (self.paths.cache / f"{load(RECIPES, ENGINE).name}.tar").touch()
        self.engine = FakeEngine(folder / "engine.json")
        programs = folder / "docker"
        programs.mkdir()
        for name in REQUIRED:
            (programs / name).write_text("29.7.2")
        self.own = Spec("f", hosts=1, engines=(f"{programs}:nftables",))

    def up(self, spec: Spec) -> None:
        self._fleets(self.engine).up(lambda _: spec, spec.name, False, 5)

    def down(self) -> None:
        self._fleets(self.engine).down("f")

    def killed(self, command: Callable[[Bed], None], at: int, late: int | None) -> bool:
        """Run a command that is killed before its change number `at`. Returns False if it has fewer changes.

        If `late` is a number, only requests to the engine count as changes. The engine carries out the last one after
        the command was killed, and after this number of requests of the next commands.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads that end have no effect on the new process
            child = os.fork()
        if child == 0:
            status = 1
            try:
                self._install_killer(at, late)
                command(self)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED), "the command failed"
        return status == KILLED

    def _install_killer(self, at: int, late: int | None) -> None:
        remaining = at
        engine_files = str(self.folder / "engine.")

        def change() -> None:
            nonlocal remaining
            remaining -= 1
            if remaining < 0:
                if late is not None:
                    self.engine.add_late(late)
                os.kill(os.getpid(), signal.SIGKILL)

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open":
                path, _mode, flags = arguments
                changes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            else:
                path, changes = arguments[0] if arguments else "", event in CHANGES
            if changes and str(path).startswith(f"{self.folder}/") and not str(path).startswith(engine_files):
                change()

        self.engine = FakeEngine(self.folder / "engine.json", change)
        if late is None:
            sys.addaudithook(audit)

    def _fleets(self, engine: FakeEngine) -> Fleets:
        fleets = Fleets(self.paths)
        fleets._engine.ensure = lambda: engine  # type: ignore[method-assign]
        fleets._engine.running = lambda: engine  # type: ignore[method-assign]
        return fleets

    def assert_works(self, spec: Spec) -> None:
        files = state.FleetState(self.paths, "f")
        names = ["world", *spec.host_names()]
        containers = {entry["Labels"]["fleetnet.testbed.host"]: entry for entry in self.engine.objects("container")}
        assert sorted(containers) == sorted(names)
        assert len(self.engine.objects("container")) == len(names)
        assert {entry["State"]["Status"] for entry in containers.values()} == {"running"}
        assert len(self.engine.objects("network")) == spec.links
        assert len(self.engine.objects("volume")) == 2 * spec.hosts
        assert len(containers["world"]["Networks"]) == spec.links
        used = {name for entry in containers.values() for name in entry["Networks"]}
        assert used <= {entry["Id"] for entry in self.engine.objects("network")}
        known = files.known_hosts.read_text()
        for name in spec.host_names():
            inside = containers[name]["Files"]
            assert inside["root/.ssh/authorized_keys"].strip() == public(files.key)
            assert inside["etc/ssh/ssh_host_ed25519_key"] == files.host_key(name).read_text()
            (address,) = containers[name]["Networks"].values()
            assert f"{address} {public(files.host_key(name))}\n" in known
            assert address in files.inventory.read_text()
        assert self.switch.read_text() == "0\n"

    def assert_nothing_left(self) -> None:
        assert {kind: self.engine.objects(kind) for kind in KINDS} == {kind: [] for kind in KINDS}
        assert not self.paths.fleet("f").exists()
        assert self.switch.read_text() == "1\n"
        assert not self.paths.machine.exists()


def public(private: Path) -> str:
    """The public key of a private key, as ssh-keygen derives it."""
    return private.read_text().strip().replace("PRIVATE", "ssh-ed25519")


def run(argv: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
    """The programs other than docker."""
    match argv:
        case ["ssh-keygen", *_, path]:
            key = uuid.uuid4().hex
            Path(path).write_text(f"PRIVATE {key}")
            Path(f"{path}.pub").write_text(f"ssh-ed25519 {key}")
        case ["rm", *_, path]:
            shutil.rmtree(path)
        case ["ip", *_]:
            pass
        case _:
            raise AssertionError(argv)
    return subprocess.CompletedProcess(argv, 0, "", "")


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Bed]:
    """A function that creates test beds."""
    monkeypatch.delenv(coverage.VARIABLE, raising=False)  # the engine below knows the commands of a plain run
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(packages, "require", lambda *_: None)
    monkeypatch.setattr(retry, "PAUSE", 0)
    monkeypatch.setattr(hosts, "PAUSE", 0)
    monkeypatch.setattr(hosts, "answers_ssh", lambda _: True)
    for module in (process, network.process, ssh.process, images.process):
        monkeypatch.setattr(module, "run", run)
    number = 0

    def create() -> Bed:
        nonlocal number
        number += 1
        created = Bed(tmp_path / str(number))
        monkeypatch.setattr(sysctls, "FOLDER", created.folder / "sys")
        return created

    return create


def up_small(bed: Bed) -> None:
    bed.up(SMALL)


def up_large(bed: Bed) -> None:
    bed.up(LARGE)


def down(bed: Bed) -> None:
    bed.down()


def nothing(bed: Bed) -> None:
    """The fleet does not exist."""


def up_own_engine(bed: Bed) -> None:
    bed.up(bed.own)


CASES = pytest.mark.parametrize(
    ("before", "command"),
    [(nothing, up_small), (up_large, up_small), (up_small, up_large), (up_large, down), (nothing, up_own_engine)],
    ids=["create", "shrink", "grow", "remove", "own engine"],
)


def killed_at_each_position(
    bed: Callable[[], Bed], before: Callable[[Bed], None], command: Callable[[Bed], None], late: int | None
) -> Iterator[Bed]:
    """Yield a test bed after a command was killed, for each position."""
    for position in itertools.count():
        current = bed()
        before(current)
        if not current.killed(command, position, late):
            assert position >= 4
            return
        yield current


@pytest.mark.parametrize("late", [None, 3, 9], ids=["not carried out", "carried out soon", "carried out late"])
@CASES
def test_up_mends_what_a_killed_command_left(
    bed: Callable[[], Bed], before: Callable[[Bed], None], command: Callable[[Bed], None], late: int | None
) -> None:
    for current in killed_at_each_position(bed, before, command, late):
        current.up(SMALL)
        current.assert_works(SMALL)
        current.down()
        current.assert_nothing_left()


@pytest.mark.parametrize("late", [None, 3], ids=["not carried out", "carried out soon"])
@CASES
def test_down_removes_what_a_killed_command_left(
    bed: Callable[[], Bed], before: Callable[[Bed], None], command: Callable[[Bed], None], late: int | None
) -> None:
    for current in killed_at_each_position(bed, before, command, late):
        current.down()
        current.assert_nothing_left()


def restart(bed: Bed) -> None:
    """The machine restarts: the sysctls have their defaults, and temporary folders are empty."""
    bed.switch.write_text("1\n")
    shutil.rmtree(bed.paths.machine)
    shutil.rmtree(bed.paths.run, ignore_errors=True)
    bed.engine.change_all(State={"Status": "exited"})


def lose_state(bed: Bed) -> None:
    shutil.rmtree(bed.paths.fleets)


def lose_keys(bed: Bed) -> None:
    shutil.rmtree(bed.paths.fleet("f") / "host-keys")


def lose_public_key(bed: Bed) -> None:
    (bed.paths.fleet("f") / "id_ed25519.pub").unlink()


def lose_engine(bed: Bed) -> None:
    (bed.folder / "engine.json").unlink()


@pytest.mark.parametrize("damage", [restart, lose_state, lose_keys, lose_public_key, lose_engine])
def test_up_mends_a_damaged_fleet(bed: Callable[[], Bed], damage: Callable[[Bed], None]) -> None:
    current = bed()
    current.up(SMALL)
    damage(current)
    current.up(SMALL)
    current.assert_works(SMALL)
    damage(current)
    current.down()
    current.assert_nothing_left()


def test_orphans_are_the_fleets_of_checkouts_that_no_longer_exist(
    bed: Callable[[], Bed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = bed()
    other = tmp_path / "other"
    (other / "script").mkdir(parents=True)
    (other / "script/fleet").touch()
    current.up(SMALL)
    monkeypatch.setattr(checkout, "ROOT", other)
    current.up(replace(SMALL, name="g"))
    fleets = current._fleets(current.engine)
    assert fleets.down_orphans() == []
    (other / "script/fleet").unlink()
    assert fleets.down_orphans() == ["g"]
    current.assert_works(SMALL)
    assert not current.paths.fleet("g").exists()
