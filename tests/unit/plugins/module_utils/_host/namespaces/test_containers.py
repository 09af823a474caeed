# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers that network_info reported before: when that is still valid, and when the engine is queried."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns import containers as container_namespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import ContainerNamespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace, own_id

Json = dict[str, t.Any]
ID = "c0" * 32


class Engine:
    """An engine with one container; records the queries."""

    def __init__(self, pid: int) -> None:
        self.queries: list[str] = []
        self._pid = pid

    def get(self, path: str, **_query: str) -> t.Any:
        self.queries.append(path)
        if path == "/containers/json":
            return [{"Id": ID, "Names": ["/web1"], "HostConfig": {"NetworkMode": "web"}}]
        return {"Id": ID, "State": {"Pid": self._pid, "Status": "running"}, "NetworkSettings": {"Networks": {}}}


@pytest.fixture(autouse=True)
def cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the arguments of a process stand for its cgroup, whose name contains the container's id."""
    monkeypatch.setattr(container_namespaces, "CGROUPS", "/proc/{pid}/cmdline")


@pytest.fixture
def process(apart: t.Callable[[str], int]) -> int:
    """The PID of the container's process."""
    return apart(ID)


def reported(pid: int | None) -> Json:
    """A container as network_info returns it."""
    endpoint = {"network": "web", "ipv4": "10.77.64.10/24", "ipv6": None}
    return {"name": "web1", "id": ID, "pid": pid, "mode": "user-defined", "networks": [endpoint]}


def test_the_engine_is_not_queried_about_reported_containers(process: int) -> None:
    engine = Engine(process)
    found = ContainerNamespaces(lambda: engine, [reported(process)])  # type: ignore[arg-type,return-value,list-item]
    namespace = found.find("web1")
    assert isinstance(namespace, Namespace)
    assert found.observable() == {"web1": namespace}
    assert found.find(ID) is namespace
    assert found.neighbour(ProbeRequest("web1", "10.77.64.20", "icmp", None, 0)) == ("web1", "10.77.64.20")
    assert found.neighbour(ProbeRequest("web1", "10.77.65.20", "icmp", None, 0)) is None
    assert engine.queries == []


@pytest.mark.parametrize("stale", [os.getpid(), 2**22, None], ids=["another's", "ended", "unknown"])
def test_the_engine_is_queried_if_the_process_has_changed(process: int, stale: int | None) -> None:
    engine = Engine(process)
    found = ContainerNamespaces(lambda: engine, [reported(stale)])  # type: ignore[arg-type,return-value,list-item]
    namespace = found.find("web1")
    assert isinstance(namespace, Namespace)
    assert namespace.id != own_id()
    assert found.observable() == {"web1": namespace}
    assert engine.queries == ["/containers/web1/json", "/containers/json", f"/containers/{ID}/json"]


def test_the_engine_is_queried_about_a_container_that_is_not_reported(process: int) -> None:
    engine = Engine(process)
    assert isinstance(ContainerNamespaces(lambda: engine, []).find("web1"), Namespace)  # type: ignore[arg-type,return-value]
    assert engine.queries == ["/containers/web1/json"]


def test_without_a_container_the_namespace_is_the_hosts_own() -> None:
    engine = Engine(0)
    found = ContainerNamespaces(lambda: engine, None)  # type: ignore[arg-type,return-value]
    namespace = found.find(None)
    assert isinstance(namespace, Namespace)
    assert namespace.id == own_id()
    assert found.neighbour(ProbeRequest(None, "10.77.64.20", "icmp", None, 0)) is None
    assert engine.queries == []


def test_a_container_without_details_is_rejected() -> None:
    with pytest.raises(InvalidValue, match=r"containers\[0\].*has no 'pid'.*container_details"):
        ContainerNamespaces(t.cast(t.Any, None), [{"name": "web1", "id": ID}])
