# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All parts of a host in one task: their order, their options, and what is told where one of them fails."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.preview import change_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import whole
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Connection, Task
from ansible_collections.fleetnet.docker.plugins.modules import network_info

NAMES = [part.name for part in whole.PARTS]
PRESENT = {
    "default_bridge": {"mtu": "1450"},
    "bridge_routing": {"policy": {}, "subnets": []},
    "networks": {"networks": [{"name": "web"}]},
    "host_routes": {"host": "h1", "peers": []},
}


class Host:
    """Stands for what the parts do; ``failing`` is the part that does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.applied: list[tuple[str, dict[str, t.Any]]] = []
        self.checked: list[bool] = []
        self.failing = ""
        self.warned: list[str] = []
        parts = [part._replace(apply=lambda task, part=part: self._apply(part.name, task)) for part in whole.PARTS]
        monkeypatch.setattr(whole, "PARTS", parts)

    def _apply(self, name: str, task: Task) -> dict[str, t.Any]:
        self.checked.append(task.check_mode)
        if name == self.failing:
            raise FleetnetError("the engine does not answer")
        self.applied.append((name, task.params))
        return {"changed": name == "networks", "diff": {"before": name, "after": ""}, "operations": [f"do {name}"]}

    def apply(self, state: str = "present", **given: dict[str, t.Any]) -> dict[str, t.Any]:
        params = {"state": state, **dict.fromkeys(NAMES), **given}
        return whole.apply(self._task(params), {"docker_host": "unix:///there"})

    def drift(self, **given: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        return [dict(each) for each in whole.drift(self._task({}), {"docker_host": "unix:///there"}, given)]

    def _task(self, params: dict[str, t.Any]) -> Task:
        return Task(params, check_mode=False, commands=t.cast(t.Any, None), warn=self.warned.append)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_the_policy_is_there_before_the_networks(host: Host) -> None:
    result = host.apply(**PRESENT)
    assert [name for name, _params in host.applied] == ["default_bridge", "bridge_routing", "networks", "host_routes"]
    assert result["changed"]
    assert result["operations"] == [f"do {name}" for name in NAMES]
    assert [entry["before"] for entry in result["diff"]] == NAMES
    assert set(result["parts"]) == set(NAMES)


def test_options_are_converted_and_get_their_defaults_and_the_connection(host: Host) -> None:
    host.apply(**PRESENT)
    params = dict(host.applied)
    assert params["default_bridge"]["mtu"] == 1450
    assert params["networks"]["on_drift"] == "recreate"
    assert {each["docker_host"] for each in params.values()} == {"unix:///there"}


def test_a_part_that_is_not_given_is_left_alone(host: Host) -> None:
    assert host.apply(default_bridge={"mtu": 1450}) == {
        "changed": False,
        "diff": [{"before": "default_bridge", "after": ""}],
        "operations": ["do default_bridge"],
        "interrupted": [],
        "parts": {
            "default_bridge": {
                "changed": False,
                "diff": {"before": "default_bridge", "after": ""},
                "operations": ["do default_bridge"],
            },
        },
    }


def test_the_rules_go_last_and_docker0_stays(host: Host) -> None:
    host.apply(state="absent", default_bridge={"mtu": 1450}, networks={"allow_disconnect": True})
    assert [name for name, _params in host.applied] == ["networks", "host_routes", "bridge_routing"]
    networks, *others = (params for _name, params in host.applied)
    assert (networks["networks"], networks["prune"], networks["allow_disconnect"]) == ([], True, True)
    assert [params["state"] for params in others] == ["absent", "absent"]


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("networks", {"network": []}, "networks: missing required arguments: networks; network. Supported"),
        ("default_bridge", {"mtu": "wide"}, "default_bridge: argument 'mtu' is of type"),
        ("host_routes", {"host": "h1"}, "host_routes: state is present but all of the following are missing: peers"),
    ],
)
def test_wrong_options_are_refused_before_any_part_is_applied(host, part, options, message):
    with pytest.raises(FleetnetError, match=message.replace(".", r"\.")):
        host.apply(**{**PRESENT, part: options})
    assert not host.applied


def test_a_failure_names_the_part_and_tells_what_was_done_before(host: Host) -> None:
    host.failing = "host_routes"
    with pytest.raises(FleetnetError, match=r"^host_routes: the engine does not answer$") as failure:
        host.apply(**PRESENT)
    result = failure.value.result
    assert result["changed"]
    assert list(result["parts"]) == ["default_bridge", "bridge_routing", "networks"]
    assert change_lines({**result, "failed": True, "msg": str(failure.value)}) == [
        "do networks",
        "would fail: host_routes: the engine does not answer",
    ]


def test_drift_is_what_would_change_and_changes_nothing(host: Host) -> None:
    found = host.drift(**PRESENT)
    assert [name for name, _params in host.applied] == ["default_bridge", "bridge_routing", "networks", "host_routes"]
    assert host.checked == [True] * 4
    assert [(each["what"], each["name"], each["observed"]) for each in found] == [(name, name, name) for name in NAMES]


def test_drift_does_not_ask_for_consent_to_an_interruption(host: Host) -> None:
    host.drift(**{**PRESENT, "networks": {"networks": [], "on_drift": "fail"}})
    params = dict(host.applied)
    assert params["default_bridge"]["allow_restart"]
    assert (params["networks"]["allow_disconnect"], params["networks"]["on_drift"]) == (True, "recreate")


def test_a_part_that_nobody_wants_has_not_drifted(host: Host) -> None:
    host.drift(networks=PRESENT["networks"])
    assert [name for name, _params in host.applied] == ["networks"]


def test_a_plan_that_cannot_be_carried_out_is_drift_too(host: Host) -> None:
    host.failing = "networks"
    *before, refused = host.drift(**PRESENT)
    assert [each["name"] for each in before] == ["default_bridge", "bridge_routing"]
    assert (refused["key"], refused["observed"]) == ("refused", "networks: the engine does not answer")
    assert host.warned == []


def test_all_parts_share_a_connection_until_one_connects_anew() -> None:
    made: list[t.Any] = []

    def connect(_params: dict[str, t.Any]) -> t.Any:
        made.append(object())
        return made[-1]

    whole_task = Task({}, check_mode=False, commands=t.cast(t.Any, None), warn=print, connection=Connection(connect))
    part_task = dataclasses.replace(whole_task, params={"mtu": 1450})
    assert whole_task.engine() is part_task.engine() is made[0]
    assert part_task.connection.anew({}) is whole_task.engine() is made[1]


def test_network_info_takes_all_parts_that_there_are() -> None:
    assert [part.name for part in whole.PARTS] == list(network_info.SLICE_PARTS)
