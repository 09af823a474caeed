# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change is confirmed over a new connection. If that is not possible, the task fails with what the host undid."""

from __future__ import annotations

import importlib
import types
import typing as t

import pytest

UNDONE = {
    "id": "7",
    "reason": "unconfirmed",
    "seconds": 60.0,
    "risks": [{"kind": "routes", "names": ["a"]}],
    "operations": ["restore /etc/fleetnet/routes"],
    "problems": [],
}
CHANGED = {"changed": True, "checkpoint": {"id": "7", "timeout": 60.0, "risks": []}, "parts": {}}
CONFIRMED = {"changed": True, "confirmed": True}
WHY = "are undone, because the controller did not confirm them over a new connection within 60 s"
Result = dict[str, t.Any]


class Host:
    """Answers to modules in order; an exception is raised. ``events`` are the modules that ran, and new connections."""

    def __init__(self, answers: list[Result | Exception], check_mode: bool = False) -> None:
        self.answers = answers
        self.events: list[str] = []
        self.arguments: list[Result] = []
        self.now = 0.0
        self._task = types.SimpleNamespace(timeout=None, delegate_to=None, check_mode=check_mode)
        self._connection = types.SimpleNamespace(reset=lambda: self.events.append("reset"), close=lambda: None)

    def execute(self, module: str, arguments: Result, **_options: t.Any) -> Result:
        self.events.append(module.rpartition(".")[2])
        self.arguments.append(arguments)
        answer = self.answers.pop(0)
        self.now += 5
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Result]:
    """Run the action of a module on a host with answers."""
    # Not at the top: with the controller's code, warnings of modules in this process, which other tests run, differ.
    confirmation = importlib.import_module("ansible_collections.fleetnet.docker.plugins.plugin_utils.confirmation")

    def run(host: Host, arguments: Result | None = None, action: str = "host_slice") -> Result:
        module = importlib.import_module(f"ansible_collections.fleetnet.docker.plugins.action.{action}")
        plugin = module.ActionModule.__new__(module.ActionModule)
        plugin._task, plugin._connection = host._task, host._connection
        plugin._execute_module = host.execute
        plugin.answer_of = lambda name, given, _variables: host.execute(name, given)
        monkeypatch.setattr(
            confirmation, "time", types.SimpleNamespace(monotonic=lambda: host.now, sleep=lambda _s: None)
        )
        return t.cast("Result", plugin.run_module(arguments or {}, {"inventory_hostname": "h1"}))

    return run


def unreachable(text: str) -> Exception:
    errors = importlib.import_module("ansible.errors")
    return t.cast("Exception", errors.AnsibleConnectionFailure(text))


def test_a_change_is_confirmed_over_a_new_connection(run: t.Callable[..., Result]) -> None:
    host = Host([CHANGED, CONFIRMED])
    assert run(host) == CHANGED
    assert host.events == ["host_slice", "reset", "network_checkpoint"]
    confirmed = host.arguments[1]
    assert confirmed == {"state": "confirmed", "id": host.arguments[0]["checkpoint"], "run": host.arguments[0]["run"]}


@pytest.mark.parametrize(
    ("answer", "arguments", "check_mode"),
    [
        ({"changed": False, "parts": {}}, {}, False),
        ({"changed": True, "parts": {}}, {}, False),  # nothing that can cut the path
        ({"changed": True, "parts": {}}, {"confirm": False}, False),
        ({"changed": True, "parts": {}}, {"confirm": "no"}, False),
        ({"changed": True, "parts": {}}, {}, True),
        ({"failed": True, "msg": "refused", "operations": [], "exception": "Traceback"}, {}, False),
    ],
)
def test_without_a_checkpoint_there_is_no_further_connection(
    run: t.Callable[..., Result], answer: Result, arguments: Result, check_mode: bool
) -> None:
    host = Host([answer], check_mode)
    assert run(host, arguments) == answer
    assert host.events == ["host_slice"]
    armed = not check_mode and not arguments
    assert ("checkpoint" in host.arguments[0]) == armed


def test_the_confirmation_is_tried_again_and_fails_with_what_was_undone(run: t.Callable[..., Result]) -> None:
    refused = {"failed": True, "msg": "an undo runs"}
    host = Host([CHANGED, unreachable("timed out"), refused, {"changed": False, "confirmed": False, "undone": UNDONE}])
    result = run(host)
    assert (result["failed"], result["changed"], result["undone"]) == (True, False, UNDONE)
    assert WHY in result["msg"]
    assert "restore /etc/fleetnet/routes" in result["msg"]
    assert "parts" not in result
    assert host.events.count("reset") == 3


def test_a_failure_says_what_failed_as_well(run: t.Callable[..., Result]) -> None:
    failure = {**CHANGED, "failed": True, "msg": "networks: no."}
    assert run(Host([failure, CONFIRMED])) == failure
    result = run(Host([failure, {"changed": False, "confirmed": False, "undone": UNDONE}]))
    assert result["msg"].startswith("networks: no. Then the changes of this run are undone, because ")


@pytest.mark.parametrize("undone", [None, 7, {}, {**UNDONE, "risks": 7}, {**UNDONE, "operations": None}])
def test_a_host_that_reports_nonsense_fails(run: t.Callable[..., Result], undone: t.Any) -> None:
    answer = {"changed": False, "confirmed": False, **({} if undone is None else {"undone": undone})}
    result = run(Host([CHANGED, answer]))
    assert result["failed"]
    assert "the changes are not confirmed, because the host no longer has its saved state" in result["msg"]


def test_a_connection_that_is_lost_is_followed_by_a_new_one(run: t.Callable[..., Result]) -> None:
    lost = "Connection to h1 closed by remote host."
    result = run(Host([unreachable(lost), CONFIRMED]))
    assert result["failed"]
    assert "The changes are complete, and confirmed over a new connection. Run again." in result["msg"]
    result = run(Host([unreachable(lost), {"changed": False, "confirmed": False, "undone": UNDONE}]))
    assert WHY in result["msg"]
    result = run(Host([unreachable(lost), {"changed": False, "confirmed": False}]))
    assert (result["unreachable"], result["msg"]) == (True, f"{lost} The host has nothing to confirm.")


def test_a_host_that_was_unreachable_from_the_start_ends_at_once(run: t.Callable[..., Result]) -> None:
    host = Host([unreachable("ssh: connect to host h1 port 22: No route to host")])
    with pytest.raises(Exception, match="No route to host"):
        run(host)
    assert host.events == ["host_slice"]


def test_a_host_that_stays_unreachable_ends_the_task(run: t.Callable[..., Result]) -> None:
    host = Host([CHANGED, *(unreachable("timed out") for _count in range(200))])
    with pytest.raises(Exception, match="timed out"):
        run(host)
    assert 360 < host.now < 380
    host = Host([unreachable("Broken pipe") for _count in range(200)])
    with pytest.raises(Exception, match="Broken pipe"):
        run(host, {"confirm_timeout": 15})
    assert 105 < host.now < 120


def test_a_module_that_was_killed(run: t.Callable[..., Result]) -> None:
    killed = {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "rc": -9}
    answer = {"changed": False, "confirmed": False, "undone": {**UNDONE, "reason": "killed"}}
    result = run(Host([killed, answer]))
    assert "MODULE FAILURE. Then the changes of this run are undone, because the module that applied" in result["msg"]
    crashed = {"failed": True, "msg": "no", "exception": "Traceback"}
    result = run(Host([crashed, answer]))
    assert "no. Then the changes of this run are undone, because the module that applied" in result["msg"]
    # It had not armed the undo, or cannot be asked: what failed first counts.
    assert run(Host([crashed, {"changed": False, "confirmed": False}])) == crashed
    assert run(Host([crashed, {"failed": True, "msg": "requires root"}])) == crashed


def test_a_play_confirms_by_word(run: t.Callable[..., Result]) -> None:
    host = Host([CONFIRMED])
    assert run(host, {"state": "confirmed"}, "network_checkpoint") == CONFIRMED
    assert host.events == ["reset", "network_checkpoint"]
    undone = {"changed": False, "confirmed": False, "undone": UNDONE}
    assert WHY in run(Host([undone]), {"state": "confirmed"}, "network_checkpoint")["msg"]
    none = {"changed": False, "confirmed": False}
    result = run(Host([none]), {"state": "confirmed"}, "network_checkpoint")
    assert result["failed"]
    assert result["msg"].startswith("the host has no changes of this run to confirm. Save its state with state: armed")
    assert run(Host([none], check_mode=True), {"state": "confirmed"}, "network_checkpoint") == none
    for state in ("armed", "undone"):
        host = Host([{"changed": True}])
        run(host, {"state": state}, "network_checkpoint")
        assert host.events == ["network_checkpoint"]
