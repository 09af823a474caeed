# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undeclared networks with a subnet that another host keeps: what check mode and a run say before the change."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import whole
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Connection, Task

WHERE = "network 'lab' (172.18.0.0/24) is not declared, and overlaps 172.18.0.0/16, which host h1 keeps"
WARNING = (
    f"{WHERE}: its containers reach nothing but each other, and other containers of this host do not reach those of "
    "host h1. Remove the network, and create it again with another subnet."
)
REFUSAL = (
    f"{WHERE}: this would cut off app, db. Remove the network, and create it again with another subnet. Set "
    "allow_disconnect: true (with the playbooks, docker_fleet_allow_disconnect: true) to cut them off."
)
PEERS = [
    {"host": "h1", "blocks": ["10.64.0.0/20", "172.18.0.0/16"], "blocks_v6": ["fd00:64::/56", "fd00:18::/64"]},
    {"host": "h2", "blocks": ["10.64.16.0/20", "172.19.0.0/16"]},
]
FAMILIES = [{"supernet": "10.64.0.0/12"}, {"supernet": "fd00:64::/32"}]
CONTAINERS = [
    {"Id": "1", "Names": [name], "NetworkSettings": {"Networks": {"any": {"NetworkID": network}}}}
    for name, network in (("/db", "id-lab"), ("/app", "id-lab"), ("/other", "id-web"))
]


def network(name: str, *subnets: str | None, label: str = "", **options: str) -> dict[str, t.Any]:
    """A network as network_info reports it."""
    labels = {"io.fleetnet.managed": label} if label else {}
    blocks = [{"subnet": subnet} for subnet in subnets]
    return {"id": f"id-{name}", "name": name, "labels": labels, "subnets": blocks, "options": options}


LAB = network("lab", "172.18.0.0/24", None)


class Host:
    """A host with these networks and running containers, whose parts do nothing, and change what ``changing`` names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.networks = [LAB]
        self.containers: list[t.Any] = []
        self.changing = {"bridge_routing"}
        self.applied: list[str] = []
        self.asked = 0
        self._warnings: list[str] = []
        parts = [part._replace(apply=lambda task, name=part.name: self._apply(name, task)) for part in whole.PARTS]
        monkeypatch.setattr(whole, "PARTS", parts)
        monkeypatch.setattr(whole, "read_networks", lambda _engine, _commands: self.networks)

    def get(self, path: str) -> list[t.Any]:
        assert path == "/containers/json"
        self.asked += 1
        return self.containers

    def _apply(self, name: str, task: Task) -> dict[str, t.Any]:
        if not task.check_mode:
            self.applied.append(name)
        return {"changed": name in self.changing, "differences": []}

    def warned(self, check_mode: bool, peers: t.Any = PEERS, allow: bool = False) -> list[str]:
        """The warnings of a run."""
        self._warnings = []
        params: dict[str, t.Any] = {
            "state": "present",
            "default_bridge": {},
            "bridge_routing": {"policy": {"families": FAMILIES}, "subnets": [], "bridges": {}},
            "networks": {"networks": [{"name": "web"}], "allow_disconnect": allow},
            "host_routes": {"host": "h2", "peers": peers},
        }
        connection = Connection(lambda _params: t.cast(t.Any, self))
        task = Task(params, check_mode, t.cast(t.Any, None), self._warnings.append, connection)
        whole.apply(task, {"docker_host": "unix:///there"})
        return self._warnings


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


CHECK_MODE = pytest.mark.parametrize("check_mode", [False, True], ids=["", "check mode"])


@CHECK_MODE
def test_a_network_without_containers_is_a_warning(host: Host, check_mode: bool) -> None:
    for changing in ({"bridge_routing"}, set()):
        host.changing = changing
        assert host.warned(check_mode) == [WARNING]
    assert bool(host.applied) is not check_mode


@CHECK_MODE
def test_a_change_that_would_cut_off_running_containers_requires_consent(host: Host, check_mode: bool) -> None:
    host.containers = CONTAINERS
    for host.changing in ({"bridge_routing"}, {"host_routes"}):
        with pytest.raises(FleetnetError) as caught:
            host.warned(check_mode)
        assert (str(caught.value), host.applied) == (REFUSAL, [])
    # with consent, and where nothing begins with this run
    host.changing = {"networks"}
    assert host.warned(check_mode) == [WARNING]
    host.changing = {"bridge_routing"}
    assert host.warned(check_mode, allow=True) == [WARNING]


@CHECK_MODE
def test_networks_that_are_not_concerned(host: Host, check_mode: bool) -> None:
    host.networks = [
        network("web", "172.18.0.0/24"),
        network("labeled", "172.18.0.0/24", label="true"),
        network("bridge", "172.18.0.0/24", **{"com.docker.network.bridge.default_bridge": "true"}),
        network("own", "172.19.0.0/24"),
        network("leased", "10.64.0.0/24"),
        network("elsewhere", "172.20.0.0/16", "fd00:19::/64"),
        network("none"),
    ]
    assert host.warned(check_mode) == []
    host.networks = [network("six", "fd00:18::/64")]
    (warning,) = host.warned(check_mode)
    assert "network 'six' (fd00:18::/64) is not declared, and overlaps fd00:18::/64, which host h1 keeps" in warning


def test_a_fleet_without_such_subnets_does_not_ask_the_engine(host: Host) -> None:
    peers = [{**each, "blocks": each["blocks"][:1], "blocks_v6": []} for each in PEERS]
    assert (host.warned(False, peers), host.asked) == ([], 0)
