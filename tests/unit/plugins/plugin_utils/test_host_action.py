# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that does not answer ends its own task, and no other."""

from __future__ import annotations

import contextlib
import importlib
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
def run(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[[int], dict[str, t.Any]]]:
    """Run a module on a host that never answers, in a task with a time limit (0: none), which rings the alarm."""
    # Not at the top: with the controller's code, warnings of modules in this process, which other tests run, differ.
    host_action = importlib.import_module("ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action")
    monkeypatch.setattr(host_action, "_LONGEST", 0.01)

    def run(limit: int) -> dict[str, t.Any]:
        action = host_action.HostAction.__new__(host_action.HostAction)
        action.MODULE, action._execute_module = "network_info", answer
        action._task = types.SimpleNamespace(timeout=limit)
        return t.cast("dict[str, t.Any]", action.run_module({}, {}))

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
    assert "answer of module network_info: the host did not answer within" in result["msg"]
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (handler, (0, 0))


def test_the_time_limit_of_a_task_applies_instead(run: t.Callable[[int], dict[str, t.Any]]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Alarm):
        run(1)
