# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that does not answer ends its own task, and no other."""

from __future__ import annotations

import contextlib
import os
import signal
import types
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils import host_action
from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import HostAction


class Alarm(Exception):
    """That of the task itself."""


class Silent(HostAction):
    """On a host that never answers. Connection plugins catch exceptions, and try again."""

    MODULE = "network_info"

    def __init__(self, timeout: int) -> None:
        self._task = types.SimpleNamespace(timeout=timeout)

    def _execute_module(self, *_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        reader, _writer = os.pipe()
        while True:
            with contextlib.suppress(OSError):
                os.read(reader, 1)


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    def ring(_signal: int, _frame: t.Any) -> None:
        raise Alarm

    monkeypatch.setattr(host_action, "_LONGEST", 0.01)
    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_a_host_that_never_answers_fails() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    result = Silent(0).run_module({}, {})
    assert result["failed"]
    assert "answer of module network_info: the host did not answer within" in result["msg"]
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (handler, (0, 0))


@pytest.mark.usefixtures("alarm")
def test_the_time_limit_of_a_task_applies_instead() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Alarm):
        Silent(1).run_module({}, {})
