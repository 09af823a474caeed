# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage of hosts: nothing happens unless this run measures, and data is copied before a host is removed."""

from __future__ import annotations

import tomllib
import typing as t
from pathlib import Path

import pytest
from fleetbed import coverage, hosts

ROOT = Path(__file__).resolve().parents[3]


class Docker:
    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []

    def run(self, *arguments: str, **_options: t.Any) -> None:
        self.ran.append(arguments)


def test_without_the_variable_nothing_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(coverage.VARIABLE, raising=False)
    docker = Docker()
    coverage.install(t.cast(t.Any, docker), "h1")
    hosts.remove(t.cast(t.Any, docker), "h1", "h2")
    assert docker.ran == [("container", "rm", "--force", "--volumes", "h1", "h2")]


def test_data_is_copied_before_the_removal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(coverage.VARIABLE, "/c")
    docker = Docker()
    coverage.install(t.cast(t.Any, docker), "h1")
    hosts.remove(t.cast(t.Any, docker), "h1", "h2")
    assert docker.ran == [
        ("cp", "/c/host/.", "h1:/"),
        ("cp", f"h1:{coverage.DATA}/.", "/c/data"),
        ("cp", f"h2:{coverage.DATA}/.", "/c/data"),
        ("container", "rm", "--force", "--volumes", "h1", "h2"),
    ]


def test_hosts_and_controller_write_where_the_data_is_collected() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    default = f"${{{coverage.VARIABLE}-{coverage.DATA.removesuffix('/data')}}}/data/lines"
    assert settings["data_file"] == default
    assert coverage.DATA.removesuffix("/data") in (ROOT / "script" / "coverage.sh").read_text()
