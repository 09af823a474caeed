# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a part of what stays on a host away, in an order in which nothing puts it back."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence import files as host_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    ROUTES_PART,
    Part,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host import persistence


class Commands:
    """Notes what is run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert (stdin is not None) == (argv[0] == "sh")
        self.ran.append(" ".join(argv))
        return ""


@pytest.fixture
def removed(monkeypatch) -> t.Callable[..., list[str]]:
    """What is run, and which files are deleted, to take a part away of which some files are there."""

    def run(part: Part, paths: t.Iterable[str]) -> list[str]:
        commands = Commands()
        monkeypatch.setattr(persistence.os, "unlink", lambda path: commands.ran.append(f"unlink {path}"))
        monkeypatch.setattr(persistence.os, "rmdir", os.path.dirname)
        plan = host_files.FilesPlan({}, tuple(paths), ("a trace",), (), {}, removal=True)
        persistence.PartFiles(commands, part).execute(plan)
        return commands.ran

    return run


@pytest.mark.parametrize("part", [ROUTES_PART, FIREWALL_PART], ids=lambda part: part.name)
def test_nothing_is_left_that_could_put_it_back(removed, part) -> None:
    paths = list(host_files.part_files(part))
    ran = removed(part, paths)
    assert ran.index(f"systemctl disable --now {' '.join(reversed(part.units))}") == 0
    # after the timer, which might start it once more
    assert ran[1:3] == [f"systemctl stop {part.reassert}", "sh -s -- --remove"]
    assert ran[3:] == [*(f"unlink {path}" for path in paths), "systemctl daemon-reload"]


def test_a_removal_that_was_broken_off_goes_on(removed) -> None:
    left = f"/etc/systemd/system/{ROUTES_PART.timer}"
    assert removed(ROUTES_PART, [left]) == [
        f"systemctl disable --now {ROUTES_PART.timer}",
        "sh -s -- --remove",
        f"unlink {left}",
        "systemctl daemon-reload",
    ]


def test_only_traces_are_removed_without_units(removed) -> None:
    assert removed(ROUTES_PART, []) == ["sh -s -- --remove"]
