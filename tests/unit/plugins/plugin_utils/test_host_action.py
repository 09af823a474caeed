# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that does not answer ends its own task, and no other. Of an answer, only the documented part is parsed."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import types
import typing as t

import pytest


class Alarm(Exception):
    """That of the task itself."""


def answer(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
    """As a connection plugin to a host that never answers: it catches exceptions, and tries again."""
    reader, _writer = os.pipe()
    while True:
        with contextlib.suppress(OSError):
            os.read(reader, 1)


@pytest.fixture
def host_action() -> t.Any:
    """The file under test."""
    # Not at the top: with the controller's code, warnings of modules in this process, which other tests run, differ.
    return importlib.import_module("ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action")


def run_module(host_action: t.Any, execute: t.Callable[..., t.Any], **task: t.Any) -> dict[str, t.Any]:
    action = host_action.HostAction.__new__(host_action.HostAction)
    action.MODULE, action._execute_module = "network_info", types.MethodType(execute, action)
    action._task = types.SimpleNamespace(**{"timeout": None, "delegate_to": None, **task})
    return t.cast("dict[str, t.Any]", action.run_module({}, {"inventory_hostname": "h1"}))


@pytest.fixture
def run(host_action: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[[int], dict[str, t.Any]]]:
    """Run a module on a host that never answers, in a task with a time limit (0: none), which rings the alarm."""
    monkeypatch.setattr(host_action, "_LONGEST", 0.01)

    def run(limit: int) -> dict[str, t.Any]:
        return run_module(host_action, answer, timeout=limit)

    def ring(_signal: int, _frame: t.Any) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield run
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_host_that_never_answers_fails(run: t.Callable[[int], dict[str, t.Any]]) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    result = run(0)
    assert result["failed"]
    assert "host h1: answer of module network_info: the host did not answer within" in result["msg"]
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (handler, (0, 0))


def test_what_an_unreachable_host_sent_names_it_and_begins_no_line(host_action: t.Any) -> None:
    """Its banner is in ssh's error, which Ansible prints."""
    errors = importlib.import_module("ansible.errors")

    def connect(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise errors.AnsibleConnectionFailure("no connection: banner\nok: [h2]\n\x1b[2Jfatal: [h2]")

    with pytest.raises(errors.AnsibleConnectionFailure) as raised:
        run_module(host_action, connect)
    assert str(raised.value) == "host h1: no connection: banner\n  ok: [h2]\n  \\x1b[2Jfatal: [h2]"


def test_the_time_limit_of_a_task_applies_instead(run: t.Callable[[int], dict[str, t.Any]]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Alarm):
        run(1)


HONEST = {"changed": False, "network_info": {"links": []}}


@pytest.fixture
def parse(host_action: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    """What ansible-core parses of the text that a module printed. If it is not JSON, ansible-core's failure."""

    def parse_returned_data(_self: t.Any, result: dict[str, t.Any]) -> dict[str, t.Any]:
        assert "AFTER" not in result["stdout"]
        try:
            parsed: dict[str, t.Any] = json.loads(result["stdout"])
        except ValueError:
            return {"failed": True, "msg": "not JSON", "module_stdout": result["stdout"], "_ansible_parsed": False}
        return parsed

    monkeypatch.setattr(host_action.ActionBase, "_parse_returned_data", parse_returned_data)

    def execute(self: t.Any, _name: str, text: str, **_options: t.Any) -> t.Any:
        return self._parse_returned_data({"stdout": text, "stderr": "", "rc": 0})

    def parse(text: str, **task: t.Any) -> dict[str, t.Any]:
        return run_module(host_action, lambda self, name, _arguments, **_options: execute(self, name, text), **task)

    return parse


PLACE = "host h1: answer of module network_info: "
REPLACED = " The module or Python on this host may have been replaced."


@pytest.mark.parametrize(
    ("added", "warnings"),
    [
        ({}, None),
        ({"warnings": []}, None),
        ({"warnings": ["a\n", {"__ansible_type": "WarningSummary", "event": {"msg": "b"}}, 5]},
         [r"host h1: a\n", "host h1: b", "host h1: 5"]),
        ({"deprecations": [{"msg": "a", "version": "1"}, {"msg": None}]}, ["host h1: a", "host h1: None"]),
        ({"_ansible_no_log": True, "ansible_facts": {"a": 1}, "skipped": True},
         [f"{PLACE}keys of the answer are not documented and are ignored: "
          f"'_ansible_no_log', 'ansible_facts', 'skipped'.{REPLACED}"]),
        ({"network_info": {"resolver": ["x"]}},
         [f"host h1: its report has resolver[0]: 'x', which must be an IP address.{REPLACED} Examine the host, and "
          "leave it out until then: --limit '!h1'."]),
    ],
)  # fmt: skip
def test_warnings_name_the_host(parse, added, warnings):
    found = parse(json.dumps({**HONEST, **added}))
    assert found.pop("warnings", None) == warnings
    assert found == {**HONEST, **{key: value for key, value in added.items() if key == "network_info"}}


def test_the_host_that_answers_is_named(parse):
    assert parse(json.dumps({**HONEST, "warnings": ["a"]}), delegate_to="h2")["warnings"] == ["host h2: a"]


def test_text_around_the_answer_is_ignored(parse):
    assert parse(f"Welcome!\n{json.dumps(HONEST)}\n\n") == HONEST
    warning = f"{PLACE}'}} \\x1b[2J': text after the answer is ignored."
    assert parse(f"{json.dumps(HONEST, indent=1)}\n}} \x1b[2J\n") == {**HONEST, "warnings": [warning]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"changed": false, "changed": false}', f"'changed': the key is repeated. The answer is ignored.{REPLACED}"),
        ('{"changed": false}', f"network_info: missing, but documented. The answer is ignored.{REPLACED}"),
        ('{"network_info": []}',
         f"network_info: []: must be of type dict, as documented. The answer is ignored.{REPLACED}"),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_a_failure(parse, text, reason):
    assert parse(text) == {"failed": True, "msg": PLACE + reason}


@pytest.mark.parametrize("named", [{}, {"delegate_to": "h2"}])
def test_the_lines_of_a_failure_begin_with_the_host(parse, named):
    lines = {"msg": "no\nok: [h1]", "exception": "Traceback\n  a"}
    host = named.get("delegate_to", "h1")
    assert parse(json.dumps({"failed": True, **lines}), **named) == {
        "failed": True, "msg": f"host {host}: no\n  ok: [h1]", "exception": f"host {host}: Traceback\n    a",
    }  # fmt: skip


def test_text_after_what_is_not_json_does_not_reach_ansible(parse):
    assert parse('{"a\r": 1}\nAFTER')["msg"] == f"{PLACE}not JSON"


@pytest.mark.parametrize("text", ["", '{"a\r": {"ansible_facts": {"b": 1}}}', "{\x1b}"])
def test_text_that_is_not_json_is_escaped(parse, text):
    shown = text.replace("\r", r"\r").replace("\x1b", r"\x1b")
    assert parse(text) == {
        "failed": True, "msg": f"{PLACE}not JSON", "module_stdout": shown, "_ansible_parsed": False,
    }  # fmt: skip
