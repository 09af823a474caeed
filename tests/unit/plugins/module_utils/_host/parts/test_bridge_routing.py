# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the removal of a host's rules keeps: an engine with the nftables backend needs forwarding to start."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import compiler, names
from ansible_collections.fleetnet.docker.plugins.module_utils._host import persistence
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import bridge_routing
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


class Commands:
    """Programs that do nothing."""

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, stdin: str | None = None) -> str:
        del argv, stdin
        return ""


class Host:
    """The files of a host, and its engine's firewall backend; None if the engine does not respond."""

    def __init__(self, backend: str | None, *paths: str) -> None:
        self.backend = backend
        self.files = dict.fromkeys(paths, "content")

    def firewall(self, _task: Task) -> compiler.EngineFirewall:
        if self.backend is None:
            raise EngineError("no response")
        return compiler.EngineFirewall((29, 7, 2), self.backend)

    def unlink(self, path: str) -> None:
        del self.files[path]


REMOVE: dict[str, t.Any] = {"state": "absent"}


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[Host], dict[str, t.Any]]:
    """Remove the rules of a host."""

    def run(host: Host) -> dict[str, t.Any]:
        monkeypatch.setattr(bridge_routing, "read_firewall", host.firewall)
        for module in (bridge_routing, persistence):
            monkeypatch.setattr(module, "read_text", host.files.get)
        monkeypatch.setattr(persistence, "require_systemd", lambda _commands: None)
        monkeypatch.setattr(persistence.os, "unlink", host.unlink)
        monkeypatch.setattr(persistence.os, "rmdir", lambda _path: None)
        return bridge_routing.apply(Task(REMOVE, False, t.cast(t.Any, Commands()), lambda _warning: None))

    return run


@pytest.mark.parametrize("backend", ["nftables", None])
def test_an_engine_that_requires_forwarding_keeps_it(
    removed: t.Callable[[Host], dict[str, t.Any]], backend: str | None
) -> None:
    host = Host(backend, names.EARLY_SYSCTL_FILE, names.SYSCTL_FILE, names.NFT_FILE)
    result = removed(host)
    assert (result["changed"], result["kept"]) == (True, [names.EARLY_SYSCTL_FILE])
    assert list(host.files) == [names.EARLY_SYSCTL_FILE]
    again = removed(host)
    assert (again["changed"], again["kept"]) == (False, [names.EARLY_SYSCTL_FILE])


@pytest.mark.parametrize("backend", ["iptables", "none"])
def test_other_engines_keep_nothing(removed: t.Callable[[Host], dict[str, t.Any]], backend: str) -> None:
    host = Host(backend, names.EARLY_SYSCTL_FILE, names.SYSCTL_FILE)
    assert removed(host)["kept"] == []
    assert host.files == {}


def test_a_host_without_the_file_keeps_nothing(removed: t.Callable[[Host], dict[str, t.Any]]) -> None:
    assert removed(Host("nftables", names.SYSCTL_FILE))["kept"] == []
