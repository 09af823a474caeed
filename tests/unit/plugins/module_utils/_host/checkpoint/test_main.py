# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the undo: it goes on until everything is restored."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import UndoReport
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import main as program

REPORT = UndoReport("7", "unconfirmed", 60.0, (), ("restore /etc/fleetnet/routes",))


@pytest.mark.parametrize("failures", [0, 1, 6])
def test_an_undo_that_fails_is_tried_again_and_less_often_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failures: int
) -> None:
    attempts: list[int] = []
    slept: list[int] = []

    class Undo:
        def __init__(self, *_arguments: object) -> None:
            pass

        def run(self, attempt: int) -> UndoReport:
            attempts.append(attempt)
            return REPORT._replace(problems=("networks: no",)) if attempt <= failures else REPORT

    monkeypatch.setattr(program, "Undo", Undo)
    monkeypatch.setattr(program.time, "sleep", slept.append)
    assert program.main() == 0
    assert attempts == list(range(1, failures + 2))
    assert slept == [5, 5, 5, 5, 60, 60][:failures]
    assert capsys.readouterr().out.count("networks: no\n") == failures


def test_nothing_to_undo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program.Undo, "run", lambda _undo, _attempt: None)
    assert (program.main(), capsys.readouterr().out) == (0, "")
