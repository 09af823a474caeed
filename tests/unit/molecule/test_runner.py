# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of cases reports each failure and runs the other cases."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import runner
from case import Case, Group

GOOD = {"changed": False, "operations": []}


class FakeModules:
    """Records runs, as (mode, options), and returns one answer to all of them."""

    def __init__(self, answer: dict[str, t.Any], ended: dict[str, t.Any]) -> None:
        self.answer = answer
        self.ended = ended
        self.runs: list[tuple[str, dict[str, t.Any]]] = []

    def run(self, _module: str, options: dict[str, t.Any], check_mode: bool = False) -> dict[str, t.Any]:
        self.runs.append(("check" if check_mode else "real", options))
        if options.get("raises"):
            raise ValueError("a bug")
        return self.answer

    def start(self, _module: str, options: dict[str, t.Any]) -> FakeModules:
        self.runs.append(("start", options))
        return self

    def result(self) -> dict[str, t.Any]:
        return self.ended


def run(*cases: Case, first: str = "", **ended: t.Any) -> tuple[bool, list[str], list[tuple[str, dict[str, t.Any]]]]:
    modules, lines = FakeModules(GOOD, ended), []
    passed = runner.run(t.cast("t.Any", modules), [Group("m", list(cases))], first, lines.append)
    return passed, lines, modules.runs


def test_a_case_runs_in_check_mode_for_real_and_again(tmp_path: Path) -> None:
    file = tmp_path / "f"
    case = Case("c", {"a": 1}, before=f"echo x >{file}", seen={f"cat {file}; false": "^x$"}, after=f"rm {file}")
    passed, lines, runs = run(case)
    assert passed
    assert runs == [("check", {"a": 1}), ("real", {"a": 1}), ("real", {"a": 1})]
    assert lines[0].startswith("passed ")
    assert lines[-1].startswith("1 cases: 1 passed, 0 failed in ")
    assert not file.exists()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (Case("c", {}, before="echo why; false; true"), "before: exit status 1: why"),
        (Case("c", {}, after="unset x; echo $x"), "after: exit status 2: "),
        (Case("c", {}, seen={"echo one >&2": "two"}), "seen: echo one >&2: expected 'two', got 'one'"),
        (Case("c", {}, operations="x"), "operations: expected 'x', got ''"),
        (Case("c", {"raises": True}), "ValueError: a bug"),
        (Case("c", {}, interrupted={"options": {}, "during": "true"}), "the run was not killed: {'rc': 0}"),
        (Case("c", {}, interrupted={"options": {}, "during": "exit 3"}), "during: exit status 3"),
    ],
)
def test_each_failure_is_reported_and_the_others_run(case: Case, problem: str) -> None:
    passed, lines, _runs = run(case, Case("next", {}), rc=0)
    assert not passed
    assert lines[0].startswith("FAILED ")
    assert problem in lines[1]
    assert '"name": "c"' in lines[2]
    assert lines[3].startswith("passed ")
    assert lines[-1].startswith("2 cases: 1 passed, 1 failed in ")


def test_a_killed_run_is_followed_by_the_case() -> None:
    passed, _lines, runs = run(
        Case("c", {"a": 1}, interrupted={"options": {"a": 2}, "during": "true"}), signal="SIGKILL"
    )
    assert passed
    assert [mode for mode, _options in runs] == ["start", "check", "real", "real"]
    assert runs[0][1] == {"a": 2}


def test_no_case_is_a_failure() -> None:
    assert not run()[0]
    assert not run(Case("c", {}), first="other")[0]


def test_the_first_case_is_selected_by_its_name() -> None:
    passed, lines, _runs = run(Case("one", {}), Case("two", {}), Case("three", {}), first="^tw")
    assert passed
    assert lines[-1].startswith("2 cases: 2 passed")


def test_scripts_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT", 0.1)
    assert runner.shell("echo begun; sleep 5") == (-1, "begun")
