# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State on the machine: locks, files, sysctls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fleetbed import locks, process, state, sysctls
from fleetbed.errors import FleetError
from fleetbed.paths import Paths
from fleetbed.sysctls import KernelSettings


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "root", tmp_path / "run", tmp_path / "cache", tmp_path / "machine", separate=True)


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One sysctl, enabled."""
    (tmp_path / "sys/net/bridge").mkdir(parents=True)
    monkeypatch.setattr(sysctls, "FOLDER", tmp_path / "sys")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path = tmp_path / "sys/net/bridge" / sysctls.SWITCHES[0]
    path.write_text("1\n")
    return path


def user_of(paths: Paths, fleet: str) -> str:
    """The user of the sysctl for a fleet that exists."""
    paths.fleet(fleet).mkdir(parents=True)
    return f"{paths.root}:{fleet}"


def test_the_last_user_restores_the_sysctl(paths: Paths, switch: Path) -> None:
    settings = KernelSettings(paths)
    a, b = user_of(paths, "a"), user_of(paths, "b")
    settings.acquire(a)
    settings.acquire(b)
    assert switch.read_text() == "0\n"
    settings.release(a)
    assert switch.read_text() == "0\n"
    settings.release(b)
    assert switch.read_text() == "1\n"
    assert not paths.machine.exists()


def test_a_fleet_whose_folder_was_deleted_does_not_keep_the_sysctl(paths: Paths, switch: Path) -> None:
    settings = KernelSettings(paths)
    a, b = user_of(paths, "a"), user_of(paths, "b")
    settings.acquire(a)
    settings.acquire(b)
    paths.fleet("a").rmdir()
    settings.release(b)
    assert switch.read_text() == "1\n"
    assert not paths.machine.exists()


def test_a_disabled_sysctl_stays_disabled(paths: Paths, switch: Path) -> None:
    switch.write_text("0\n")
    settings = KernelSettings(paths)
    settings.acquire("a")
    settings.release("a")
    assert switch.read_text() == "0\n"


def test_a_sysctl_enabled_by_another_program_is_disabled_again(paths: Paths, switch: Path) -> None:
    settings = KernelSettings(paths)
    settings.acquire("a")
    switch.write_text("1\n")
    settings.acquire("a")
    assert switch.read_text() == "0\n"
    settings.release("a")
    assert switch.read_text() == "1\n"


@pytest.mark.parametrize(("before", "during"), [(128, 4096), (4096, 4096), (10000, 10000)])
@pytest.mark.usefixtures("switch")
def test_a_limit_is_raised_and_never_lowered(paths: Paths, before: int, during: int) -> None:
    limit = sysctls.FOLDER / "fs/inotify/max_user_instances"
    limit.parent.mkdir(parents=True)
    limit.write_text(f"{before}\n")
    settings = KernelSettings(paths)
    settings.acquire("a")
    assert limit.read_text() == f"{during}\n"
    settings.release("a")
    assert limit.read_text() == f"{before}\n"


@pytest.mark.usefixtures("switch")
def test_unprivileged_users_get_instructions(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(FleetError, match=r"sudo sysctl net\.bridge\.bridge-nf-call-iptables=0"):
        KernelSettings(paths).acquire("a")


def test_a_lock_is_held_by_programs_that_outlive_their_parent(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.held(path, "testing"):
        (inherited,) = process.inherited
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[inherited], text=True
        )
    with locks.held_if_free(path) as free:
        assert not free
    child.communicate("\n")
    with locks.held_if_free(path) as free:
        assert free


def test_a_removed_lock_file_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.held(path, "testing"):
        path.unlink()
        with locks.held(path, "testing too"):
            assert path.exists()


def test_a_file_with_the_same_content_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    state.write(path, "text")
    before = path.stat()
    state.write(path, "text")
    assert path.stat().st_ino == before.st_ino
    state.write(path, "other")
    assert path.read_text() == "other"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("environment", "user", "root", "run"),
    [
        pytest.param({}, 0, "/var/lib/fleetnet-testbed", "/run/fleetnet-testbed", id="root"),
        pytest.param(
            {"XDG_RUNTIME_DIR": "/run/user/7"},
            7,
            "/home/u/.local/state/fleetnet/testbed",
            "/run/user/7/fleetnet-testbed",
            id="user",
        ),
        pytest.param({"FLEETNET_TESTBED_ROOT": "/x"}, 0, "/x", "/x/run", id="separate"),
    ],
)
def test_paths(environment: dict[str, str], user: int, root: str, run: str) -> None:
    paths = Paths.of({"HOME": "/home/u", **environment}, user)
    assert (str(paths.root), str(paths.run)) == (root, run)
    assert str(paths.cache) == "/home/u/.cache/fleetnet/images"
