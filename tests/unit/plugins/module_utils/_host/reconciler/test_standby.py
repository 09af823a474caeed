# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an earlier instance of the reconciler left, found by the control group of the unit."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import RECONCILER_UNIT
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler import standby
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.libnftables import brief
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import (
    end_processes,
    processes_of,
)

UNIT = f"/system.slice/{RECONCILER_UNIT}"
V1 = "9:pids:{pids}\n1:name=systemd:{path}\n0::/\n"
V2 = "0::{path}\n"


@pytest.mark.parametrize(
    ("version", "root", "init"),
    [(V2, "", "/init.scope"), (V1, "", "/init.scope"), (V1, "/docker/1", "/init.scope"), (V1, "", "/"), (V2, "", "/")],
    ids=["version 2", "version 1", "container", "root of version 1", "root of version 2"],
)
def test_the_processes_of_the_unit(tmp_path: pathlib.Path, version: str, root: str, init: str) -> None:
    """Not those of a unit of that name in a container, and not those of other units."""
    groups = {
        1: f"{root}{init}",
        20: f"{root}{UNIT}",
        21: f"{root}{UNIT}",
        22: f"{root}/system.slice/docker.service",
        23: f"{root}/docker/2{UNIT}",
        24: f"{root}{UNIT}/below",
        os.getpid(): f"{root}{UNIT}",
    }
    for process, path in groups.items():
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "cgroup").write_text(version.format(path=path, pids=UNIT))
    (tmp_path / "25").mkdir()  # it ended meanwhile
    (tmp_path / "self").mkdir()
    assert sorted(processes_of(RECONCILER_UNIT, str(tmp_path))) == [20, 21]


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "_GIVE_UP", 0.2)
    with subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"], stdout=subprocess.PIPE) as one:
        assert one.stdout
        one.stdout.readline()
        end_processes(lambda: [one.pid] if one.poll() is None else [])
        assert one.poll() == -9


def test_what_others_read_of_an_error_is_short() -> None:
    long = "Error: Operation not permitted\nadd table ip fleetnet\n^^^^^\n" + "add element x\n" * 1000
    assert brief(long) == "Error: Operation not permitted add table ip fleetnet ^^^^^"
    assert len(brief("x" * 1000)) < 210
