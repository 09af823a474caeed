# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which queries a survey sends, and to what."""

from __future__ import annotations

import json
import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest, ProbeResult
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import (
    ContainerNamespaces,
    NoNamespace,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import ENGINE_PARTS, PARTS, survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.batches import probe_all
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import read_links, read_routes

WEB = {"Id": "aa" * 32, "Names": ["/web1"], "HostConfig": {"NetworkMode": "web"}}
SIDE = {"Id": "bb" * 32, "Names": ["/a-side"], "HostConfig": {"NetworkMode": "container:" + WEB["Id"]}}
DOCKER0 = {
    "Name": "bridge",
    "Id": "cc" * 32,
    "Driver": "bridge",
    "Scope": "local",
    "Options": {"com.docker.network.bridge.name": "docker0"},
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
}
LINKS = [
    {
        "ifname": "docker0",
        "ifindex": 3,
        "mtu": 1500,
        "operstate": "UP",
        "addr_info": [{"local": "fe80::1", "prefixlen": 64}, {"local": "172.17.0.1", "prefixlen": 16}],
    }
]


class FakeEngine:
    def __init__(self, **answers: t.Any) -> None:
        self.queries: list[str] = []
        self.filters: list[dict[str, str]] = []
        self.answers = {name.replace("_", "/"): answer for name, answer in answers.items()}

    @property
    def version(self) -> EngineVersion:
        return EngineVersion(28, 5, 2)

    def get(self, path: str, **query: str) -> t.Any:
        self.queries.append(path)
        self.filters.append(query)
        if path not in self.answers:
            raise EngineError("no such container", 404)
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def post(self, path: str, body: dict[str, t.Any] | None = None, **query: str) -> t.Any:
        raise AssertionError(path, body, query)

    def delete(self, path: str) -> None:
        raise AssertionError(path)


class FakeCommands:
    def __init__(self, found: str | None = "/sbin/ip") -> None:
        self.found = found
        self.ran: list[tuple[str, ...]] = []

    def run(self, *argv: str, stdin: str | None = None) -> str:  # noqa: ARG002
        self.ran.append(argv)
        if argv[0] == "systemctl":
            return "Id=fleetnet-routes.service\nActiveState=active\nUnitFileState=enabled\n"
        if "address" in argv:
            return json.dumps(LINKS)
        return json.dumps([{"dst": "default", "dev": "eth0"}]) if "-4" in argv else ""

    def find(self, program: str) -> str | None:  # noqa: ARG002
        return self.found


def inspected(container: dict[str, t.Any], pid: int, status: str = "running") -> dict[str, t.Any]:
    return {"Id": container["Id"], "State": {"Pid": pid, "Status": status}, "NetworkSettings": {"Networks": {}}}


def test_only_requested_parts_are_read() -> None:
    commands = FakeCommands()
    engine = FakeEngine(_networks=[])
    assert survey(["networks"], commands, engine) == {"networks": []}
    assert engine.queries == ["/networks"]
    assert commands.ran == []


def test_stopped_containers_have_a_name_and_networks() -> None:
    old = {"Id": "1", "Names": ["/old"], "NetworkSettings": {"Networks": {"web": {}, "db": {}}}}
    new = {"Id": "2", "Names": ["/new"], "NetworkSettings": None}
    engine = FakeEngine(_containers_json=[old, new])
    assert survey(["stopped"], FakeCommands(), engine) == {
        "stopped": [{"name": "new", "networks": []}, {"name": "old", "networks": ["db", "web"]}]
    }
    (query,) = engine.filters
    assert json.loads(query["filters"]) == {"status": ["created", "exited", "dead"]}


def test_parts_of_the_host_need_no_engine() -> None:
    parts = [part for part in PARTS if part not in ENGINE_PARTS]
    assert list(survey(parts, FakeCommands(), None)) == parts


def test_a_gateway_that_the_engine_omits_comes_from_the_bridge() -> None:
    engine = FakeEngine(_networks=[DOCKER0])
    (network,) = survey(["networks"], FakeCommands(), engine)["networks"]
    assert network["subnets"][0]["gateway"] == "172.17.0.1"


def test_containers_are_inspected_only_for_details() -> None:
    answers = {"_containers_json": [WEB], f"_containers_{WEB['Id']}_json": inspected(WEB, 70)}
    engine = FakeEngine(**answers)
    (container,) = survey(["containers"], FakeCommands(), engine)["containers"]
    assert container["pid"] is None
    assert engine.queries == ["/containers/json"]
    (container,) = survey(["container_details"], FakeCommands(), engine)["containers"]
    assert container["pid"] == 70


def test_a_container_that_has_ended_has_no_details() -> None:
    (container,) = survey(["container_details"], FakeCommands(), FakeEngine(_containers_json=[WEB]))["containers"]
    assert (container["name"], container["pid"]) == ("web1", None)


def test_other_errors_of_the_engine_are_raised() -> None:
    broken = FakeEngine(**{"_containers_json": [WEB], f"_containers_{WEB['Id']}_json": EngineError("broken", 500)})
    with pytest.raises(EngineError, match="broken"):
        survey(["container_details"], FakeCommands(), broken)


def test_interfaces_and_routes() -> None:
    commands = FakeCommands()
    assert [link["name"] for link in read_links(commands)] == ["docker0"]
    assert [route["destination"] for route in read_routes(commands)] == ["0.0.0.0/0"]


def test_the_error_without_iproute2_names_the_package() -> None:
    with pytest.raises(FleetnetError, match="Install iproute2"):
        read_links(FakeCommands(found=None))


class FakeRun:
    """Answers each probe by its token."""

    def run(self, probes: t.Sequence[tuple[ProbeRequest, Namespace]]) -> list[ProbeResult]:
        return [ProbeResult("reply", str(probe.token)) for probe, _namespace in probes]


def test_probes_of_containers_that_are_not_running_are_errors() -> None:
    engine = FakeEngine(
        _containers_web1_json=inspected(WEB, os.getpid()), _containers_idle_json=inspected(SIDE, 0, "exited")
    )
    sources = ("idle", "web1", "missing", "web1", "gone")
    engine.answers["/containers/gone/json"] = inspected(SIDE, 2**22)
    probes = [ProbeRequest(source, "10.0.0.1", "icmp", None, token) for token, source in enumerate(sources)]
    results = probe_all(probes, ContainerNamespaces(lambda: engine), FakeRun, 100)  # type: ignore[arg-type]
    assert [(result.outcome, result.detail) for result in results] == [
        ("error", "container idle is not running (status exited)"),
        ("reply", "1"),
        ("error", "container missing does not exist on this host"),
        ("reply", "3"),
        ("error", "container gone has ended"),
    ]
    assert engine.queries.count("/containers/web1/json") == 1


def test_a_name_is_quoted_in_the_path() -> None:
    engine = FakeEngine()
    assert isinstance(ContainerNamespaces(lambda: engine).find("../networks"), NoNamespace)
    assert engine.queries == ["/containers/..%2Fnetworks/json"]


def test_the_hosts_own_namespace_is_not_observed() -> None:
    engine = FakeEngine(
        **{"_containers_json": [WEB], f"_containers_{WEB['Id']}_json": inspected(WEB, os.getpid())},
    )
    assert ContainerNamespaces(lambda: engine).observable() == {}
