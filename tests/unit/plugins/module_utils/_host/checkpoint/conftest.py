# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host on which a change is undone."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import checkpoints as checkpoints_file
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import host_state
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder

from .systemd_host import Host as SystemdHost
from .undo_host import Host


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with both parts and the reconciler, which is killed at changes of files as well."""
    found = Host(tmp_path)
    found.kernel["policy"] = "ACCEPT"
    found.put("proc/sys/net/ipv4/ip_forward", "0\n")
    found.put("etc/other", "of another program")
    write, remove = host_state.write_atomically, host_state.remove

    def killed_write(*arguments: t.Any, **options: t.Any) -> None:
        found.change()
        write(*arguments, **options)

    def killed_remove(path: str) -> None:
        if os.path.lexists(path):
            found.change()
        remove(path)

    monkeypatch.setattr(host_state, "write_atomically", killed_write)
    monkeypatch.setattr(host_state, "remove", killed_remove)
    return found


@pytest.fixture
def systemd(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> SystemdHost:
    monkeypatch.setattr(checkpoints_file, "require_systemd", lambda _commands: None)
    return SystemdHost(CheckpointFolder(str(tmp_path / "checkpoint"), str(tmp_path / "run/lock")))


@pytest.fixture
def checkpoints(systemd: SystemdHost, tmp_path: pathlib.Path) -> t.Iterator[Checkpoints]:
    found = Checkpoints(systemd, systemd.folder, str(tmp_path / "root"))
    yield found
    found._release()
