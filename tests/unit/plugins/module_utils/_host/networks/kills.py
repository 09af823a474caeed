# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that is killed at any of its actions, with an engine and journals that outlive it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    Journal,
    journal_text,
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Recoverer

from .fake_docker import FakeDocker
from .networks_runs import Json, plan_on
from .test_executor import populated

HOST = "unix:///run/docker.sock"


class Killed(BaseException):
    """The process is killed at this point: it changes nothing any more."""


class Life:
    """Ends at action number ``end``, before or after its effect. Actions are requests and changes of journals."""

    def __init__(self, end: int | None = None, after_effect: bool = False, stop: str | None = None) -> None:
        self.actions = 0
        self._end = end
        self._stop = stop  # the beginning of the first action that does not happen
        self._after_effect = after_effect
        self._over = False

    def act(self, label: str, action: t.Callable[[], t.Any]) -> t.Any:
        if self._over:
            raise Killed
        number = self.actions
        self.actions += 1
        self._over = number == self._end or (self._stop is not None and label.startswith(self._stop))
        if self._over and not self._after_effect:
            raise Killed
        answer = action()
        if self._over:
            raise Killed
        return answer


class Process:
    """A process with an engine and journals, which outlive it."""

    def __init__(self, docker: FakeDocker, files: dict[str, str], life: Life | None = None) -> None:
        self._docker = docker
        self._files = files
        self._life = life or Life()
        self.kept = True

    # -- the engine
    @property
    def version(self) -> t.Any:
        return self._docker.version

    def get(self, path: str, **query: str) -> t.Any:
        return self._life.act(f"GET {path}", lambda: self._docker.get(path, **query))

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any:
        return self._life.act(f"POST {path}", lambda: self._docker.post(path, body, **query))

    def delete(self, path: str) -> None:
        self._life.act(f"DELETE {path}", lambda: self._docker.delete(path))

    # -- the journals
    def locked(self) -> t.Any:
        raise NotImplementedError

    def interrupted(self) -> bool:
        return bool(self._files)

    def unfinished(self) -> list[Journal]:
        return [parse_journal(text) for text in self._files.values()]

    def path(self, journal: Journal) -> str:
        return f"/journals/{journal.key}"

    def write(self, journal: Journal) -> None:
        text = journal_text(journal)
        assert parse_journal(text) == journal
        self._life.act("write", lambda: self._files.update({journal.key: text}))

    def end(self, journal: Journal) -> None:
        self._life.act("end", lambda: self._files.pop(journal.key))

    # -- what it does
    def execute(self, *items: Json, **options: t.Any) -> None:
        plan = plan_on(self._docker, *items, allow_disconnect=True, **options)
        executor = NetworkExecutor(self, True, sleep=lambda _s: None, journals=self, docker_host=HOST)
        executor.execute(plan)

    def recover(self) -> list[str]:
        return [line for left in Recoverer(self, UnknownBridges(), self).recover() for line in left.operations]

    def preview(self) -> list[str]:
        return [line for left in Recoverer(self, UnknownBridges(), self).preview().left for line in left.operations]


def killed(action: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> bool:
    try:
        action(*arguments, **options)
    except Killed:
        return True
    return False


def prepared(version: str) -> t.Any:
    docker = populated(version)
    docker.add_container("stranger")
    return docker
