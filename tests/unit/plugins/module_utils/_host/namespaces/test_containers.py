# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers whose processes have been told: when that is believed, and when the engine is asked after all."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns import containers as residents
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import ContainerNamespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, own_id

Json = dict[str, t.Any]
ID = "c0" * 32


class Engine:
    """Knows one container."""

    def __init__(self, pid: int) -> None:
        self.asked: list[str] = []
        self._pid = pid

    def get(self, path: str, **_query: str) -> t.Any:
        self.asked.append(path)
        if path == "/containers/json":
            return [{"Id": ID, "Names": ["/web1"], "HostConfig": {"NetworkMode": "web"}}]
        return {"Id": ID, "State": {"Pid": self._pid, "Status": "running"}, "NetworkSettings": {"Networks": {}}}


@pytest.fixture(autouse=True)
def cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a process's cgroup is called by its container's id, its arguments stand for."""
    monkeypatch.setattr(residents, "CGROUPS", "/proc/{pid}/cmdline")


@pytest.fixture
def process(apart: t.Callable[[str], int]) -> int:
    """The PID of the container's process."""
    return apart(ID)


def told(pid: int | None) -> Json:
    """A container as network_info tells it."""
    endpoint = {"network": "web", "ipv4": "10.77.64.10/24", "ipv6": None}
    return {"name": "web1", "id": ID, "pid": pid, "mode": "user-defined", "networks": [endpoint]}


def test_the_engine_is_not_asked_about_what_has_been_told(process: int) -> None:
    engine = Engine(process)
    found = ContainerNamespaces(lambda: engine, [told(process)])  # type: ignore[arg-type,return-value,list-item]
    home = found.find("web1")
    assert isinstance(home, Namespace)
    assert found.observable() == {"web1": home}
    assert found.find(ID) is home
    assert found.neighbour(ProbeRequest("web1", "10.77.64.20", "icmp", None, 0)) == ("web1", "10.77.64.20")
    assert found.neighbour(ProbeRequest("web1", "10.77.65.20", "icmp", None, 0)) is None
    assert engine.asked == []


@pytest.mark.parametrize("stale", [os.getpid(), 2**22, None], ids=["another's", "ended", "unknown"])
def test_the_engine_is_asked_where_the_process_is_another_by_now(process: int, stale: int | None) -> None:
    engine = Engine(process)
    found = ContainerNamespaces(lambda: engine, [told(stale)])  # type: ignore[arg-type,return-value,list-item]
    home = found.find("web1")
    assert isinstance(home, Namespace)
    assert home.id != own_id()
    assert found.observable() == {"web1": home}
    assert engine.asked == ["/containers/web1/json", "/containers/json", f"/containers/{ID}/json"]


def test_the_engine_is_asked_about_a_container_that_has_not_been_told(process: int) -> None:
    engine = Engine(process)
    assert isinstance(ContainerNamespaces(lambda: engine, []).find("web1"), Namespace)  # type: ignore[arg-type,return-value]
    assert engine.asked == ["/containers/web1/json"]


def test_what_network_info_has_not_told_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"containers\[0\].*has no 'pid'.*container_details"):
        ContainerNamespaces(t.cast(t.Any, None), [{"name": "web1", "id": ID}])
