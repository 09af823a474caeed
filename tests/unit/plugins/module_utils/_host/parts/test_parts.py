# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All parts of a host in one task: their order, their options, and the result if one of them fails."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.preview import change_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import whole
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Connection, Task

NAMES = [part.name for part in whole.PARTS]
PRESENT = {
    "default_bridge": {"mtu": "1450"},
    "bridge_routing": {"policy": {}, "subnets": [], "bridges": {}},
    "networks": {"networks": [{"name": "web"}]},
    "host_routes": {"host": "h1", "peers": []},
}


def difference_of(part: str) -> dict[str, t.Any]:
    return Difference("file", f"/etc/{part}", "state", "present", None).to_data()


def _changed_file(after: str, before: str) -> dict[str, t.Any]:
    """What a result has of a file that gets another text."""
    header = "/etc/rules"
    return {
        "diff": {"before_header": header, "after_header": header, "before": before, "after": after},
        "differences": [Difference("file", after, "content", "as planned", "different").to_data()],
    }


class Host:
    """Replaces what the parts do; ``failing`` is the part that fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.applied: list[tuple[str, dict[str, t.Any]]] = []
        self.planned: list[str] = []
        self.failing = ""  # fails when it is applied
        self.refused = ""  # is refused, with ``refusal``, when it is planned
        self.refusal = FleetnetError("refused")
        self.changes = True
        self.changing = ["networks"]
        self.differing: dict[str, str] = {}  # name of a difference by part
        self.of_network = ""  # an option of network web that differs
        self.moves: dict[str, bool] = {}
        self.daemon: t.Mapping[str, t.Any] = {}
        self.warned: list[str] = []
        self.begun: list[int] = []  # how many parts were applied when the first change began
        parts = [part._replace(apply=lambda task, part=part: self._apply(part.name, task)) for part in whole.PARTS]
        monkeypatch.setattr(whole, "PARTS", parts)

    def _apply(self, name: str, task: Task) -> dict[str, t.Any]:
        if task.check_mode:
            self.planned.append(name)
            self.moves[name] = task.docker0_moves
            self.daemon = task.daemon
            task.warn(f"{name} warns")
            if name == self.refused:
                raise self.refusal
        else:
            if name == self.failing:
                raise FleetnetError("the engine does not answer")
            self.applied.append((name, task.params))
        if task.replaced:
            before = "old" if task.check_mode else "new"
            return {**self._result(name), **_changed_file(f"without {', '.join(task.replaced)}", before)}
        if name == "bridge_routing" and self.of_network:
            return {**self._result(name), "diff": [_changed_file("new", "old")["diff"]]}
        return self._result(name)

    def _result(self, name: str) -> dict[str, t.Any]:
        return {
            "changed": self.changes and name in self.changing,
            "diff": {"before": name, "after": ""},
            "operations": [f"do {name}"],
            "differences": [difference_of(name), *self._differing(name)],
        }

    def _differing(self, name: str) -> list[dict[str, t.Any]]:
        if name == "networks" and self.of_network:
            return [Difference("network", "web", self.of_network, 1, 2).to_data()]
        return [
            Difference("daemon", option, "value", 1, 2).to_data()
            for part, option in self.differing.items()
            if part == name
        ]

    def apply(self, state: str = "present", check_mode: bool = False, **given: dict[str, t.Any]) -> dict[str, t.Any]:
        params = {"state": state, **dict.fromkeys(NAMES), **given}
        task = dataclasses.replace(self._task(params), check_mode=check_mode)
        return whole.apply(task, {"docker_host": "unix:///there"}, self._begin)

    def _begin(self) -> None:
        self.begun.append(len(self.applied))

    def _task(self, params: dict[str, t.Any]) -> Task:
        return Task(params, check_mode=False, commands=t.cast(t.Any, None), warn=self.warned.append)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_the_policy_is_applied_before_the_networks(host: Host) -> None:
    result = host.apply(**PRESENT)
    assert [name for name, _params in host.applied] == ["default_bridge", "bridge_routing", "networks", "host_routes"]
    assert result["changed"]
    assert result["operations"] == [f"do {name}" for name in NAMES]
    assert [entry["before"] for entry in result["diff"]] == NAMES
    assert result["differences"] == [difference_of(name) for name in NAMES]
    assert set(result["parts"]) == set(NAMES)


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_policy_follows_the_bridges_of_adopted_networks(host: Host, check_mode: bool) -> None:
    """A network that is recreated has another bridge, and the next run must change nothing. Check mode shows it."""
    adopting = {**PRESENT, "bridge_routing": {**PRESENT["bridge_routing"], "adopted": ["web"]}}
    host.changing.append("bridge_routing")
    host.of_network = "driver"
    result = host.apply(check_mode=check_mode, **adopting)
    names = host.planned if check_mode else [name for name, _params in host.applied]
    assert names == ["default_bridge", "bridge_routing", "networks", "bridge_routing", "host_routes"]
    policy = result["parts"]["bridge_routing"]
    assert [each["name"] for each in policy["differences"]] == ["/etc/bridge_routing", "without web"]
    assert [(each["before"], each["after"]) for each in policy["diff"]] == [("old", "new"), ("new", "without web")]
    assert result["operations"] == [f"do {name}" for name in NAMES]


def test_a_removal_applies_the_policy_once(host: Host) -> None:
    host.of_network = "state"
    host.apply(state="absent", bridge_routing={"adopted": ["web"]})
    assert [name for name, _params in host.applied] == ["networks", "host_routes", "bridge_routing"]


@pytest.mark.parametrize("option", ["", "managed", "connected", "connected.app"])
def test_the_policy_is_applied_once_if_no_adopted_network_gets_another_bridge(host: Host, option: str) -> None:
    host.changing.append("bridge_routing")
    host.of_network = option
    host.apply(**{**PRESENT, "bridge_routing": {**PRESENT["bridge_routing"], "adopted": ["web"]}})
    assert [name for name, _params in host.applied] == NAMES
    host.applied.clear()
    host.of_network = "driver"
    host.apply(**{**PRESENT, "bridge_routing": {**PRESENT["bridge_routing"], "adopted": ["other"]}})
    assert [name for name, _params in host.applied] == NAMES


def test_options_are_converted_and_get_their_defaults_and_the_connection(host: Host) -> None:
    host.apply(**PRESENT)
    params = dict(host.applied)
    assert params["default_bridge"]["mtu"] == 1450
    assert params["networks"]["on_drift"] == "recreate"
    assert {each["docker_host"] for each in params.values()} == {"unix:///there"}


def test_a_refusal_of_any_part_comes_before_the_first_change(host: Host) -> None:
    host.refusal = FleetnetError("network 'theirs' differs")
    for host.refused in NAMES:
        with pytest.raises(FleetnetError, match=f"^{host.refused}: network 'theirs' differs$") as failure:
            host.apply(**PRESENT)
        assert not failure.value.result["changed"]
        assert not failure.value.result["parts"]
    assert (host.applied, host.begun) == ([], [])


def test_parts_that_change_nothing_are_planned_once_and_not_applied(host: Host) -> None:
    host.changes = False
    result = host.apply(**PRESENT)
    assert (host.planned, host.applied, host.begun) == (NAMES, [], [])
    assert set(result["parts"]) == set(NAMES)
    assert host.warned == [f"{name} warns" for name in NAMES]


def test_a_change_is_planned_with_all_parts_and_warns_once(host: Host) -> None:
    host.apply(**PRESENT)
    assert host.planned == NAMES
    assert host.begun == [0]
    assert host.warned == []  # the applied parts warn, which the fake does not


def test_the_undo_is_armed_before_the_change_begins_and_counts_from_its_end(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str, int, int]] = []

    @contextlib.contextmanager
    def guarded(*_args: object) -> t.Iterator[tuple[None, dict[str, t.Any]]]:
        order.append(("armed", len(host.begun), len(host.applied)))
        yield None, {"checkpoint": {"id": "7"}}
        order.append(("applied", len(host.begun), len(host.applied)))

    monkeypatch.setattr(whole, "guarded", guarded)
    result = host.apply(**PRESENT)
    assert order == [("armed", 0, 0), ("applied", 1, len(NAMES))]
    assert result["checkpoint"] == {"id": "7"}


def test_a_daemon_that_does_not_respond_is_not_a_refusal(host: Host) -> None:
    """It does not run until the first part starts it."""
    host.refusal, host.refused = EngineError("does not answer"), "bridge_routing"
    host.apply(**PRESENT)
    assert [name for name, _params in host.applied] == NAMES


def test_a_part_that_the_new_firewall_backend_prevents_is_refused_before_the_first_change(host: Host) -> None:
    host.refusal, host.refused = FleetnetError("FORWARD has policy DROP"), "bridge_routing"
    host.differing = {"default_bridge": "firewall_backend"}
    with pytest.raises(FleetnetError, match=r"^bridge_routing: FORWARD has policy DROP$"):
        host.apply(**PRESENT)
    assert not host.applied


def test_parts_are_planned_with_the_declared_options_of_the_daemon(host: Host) -> None:
    options = {"firewall_backend": "nftables", "unset": ["iptables"]}
    host.apply(**{**PRESENT, "default_bridge": options})
    assert host.daemon == {"iptables": None, "firewall_backend": "nftables"}
    task = Task({}, check_mode=True, commands=t.cast(t.Any, None), warn=print, daemon=host.daemon)
    assert task.daemon_option("firewall_backend", "iptables", default="iptables") == "nftables"
    assert task.daemon_option("iptables", False, default=True) is True
    assert task.daemon_option("allow_direct_routing", True, default=False) is True


def test_networks_are_planned_with_the_knowledge_that_docker0_moves(host: Host) -> None:
    host.apply(**PRESENT)
    assert host.moves == dict.fromkeys(NAMES, False)
    host.differing = {"default_bridge": "bip"}
    host.apply(**PRESENT)
    assert host.moves == {name: name != "default_bridge" for name in NAMES}


def test_a_part_without_options_is_unchanged(host: Host) -> None:
    assert host.apply(default_bridge={"mtu": 1450}) == {
        "changed": False,
        "diff": [{"before": "default_bridge", "after": ""}],
        "differences": [difference_of("default_bridge")],
        "operations": ["do default_bridge"],
        "interrupted": [],
        "parts": {
            "default_bridge": {
                "changed": False,
                "diff": {"before": "default_bridge", "after": ""},
                "operations": ["do default_bridge"],
                "differences": [difference_of("default_bridge")],
            },
        },
    }


def test_rules_are_removed_last_and_docker0_is_unchanged(host: Host) -> None:
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
def test_invalid_options_are_rejected_before_any_part_is_applied(host, part, options, message):
    with pytest.raises(FleetnetError, match=message.replace(".", r"\.")):
        host.apply(**{**PRESENT, part: options})
    assert not host.applied


def test_a_failure_names_the_part_and_returns_what_was_done_before(host: Host) -> None:
    host.failing = "host_routes"
    with pytest.raises(FleetnetError, match=r"^host_routes: the engine does not answer$") as failure:
        host.apply(**PRESENT)
    result = failure.value.result
    assert result["changed"]
    assert list(result["parts"]) == ["default_bridge", "bridge_routing", "networks"]
    # Ansible prints the result of a failed task as a whole.
    assert not [name for name, part in result["parts"].items() if "diff" in part]
    assert "diff" not in result
    assert change_lines({**result, "failed": True, "msg": str(failure.value)}, "h1") == [
        "do networks",
        "would fail: host_routes: the engine does not answer",
    ]


def test_all_parts_share_a_connection_until_one_reconnects() -> None:
    made: list[t.Any] = []

    def connect(_params: dict[str, t.Any]) -> t.Any:
        made.append(object())
        return made[-1]

    whole_task = Task({}, check_mode=False, commands=t.cast(t.Any, None), warn=print, connection=Connection(connect))
    part_task = dataclasses.replace(whole_task, params={"mtu": 1450})
    assert whole_task.engine() is part_task.engine() is made[0]
    assert part_task.connection.reconnect({}) is whole_task.engine() is made[1]
