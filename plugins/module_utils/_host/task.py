# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The context in which a part of the host is applied: its options, and its access to the host and the engine."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import Part
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands, ModuleCommands

Result = t.Dict[str, t.Any]
Connect = t.Callable[[Result], Engine]


def _no_engine(_params: Result) -> Engine:
    raise TypeError("this task has no connection to an engine")


class Connection:
    """The connection to the engine that all parts of a task share. It is opened on first use by ``connect``."""

    def __init__(self, connect: Connect = _no_engine) -> None:
        self._connect = connect
        self._engine: Engine | None = None

    def engine(self, params: Result) -> Engine:
        return self._engine or self.reconnect(params)

    def reconnect(self, params: Result) -> Engine:
        self._engine = self._connect(params)
        return self._engine


class Records(t.Protocol):
    """The port to the checkpoint of a change: what it must restore, added before it changes."""

    def record_daemon(self, plan: t.Any, invocation: str) -> None:
        """Before a DaemonPlan is executed; ``invocation`` identifies the process that runs."""

    def record_networks(self, steps: t.Sequence[t.Any]) -> None:
        """Before NetworkSteps are executed."""


class NoRecords:
    """Without a checkpoint."""

    def record_daemon(self, plan: t.Any, invocation: str) -> None:
        """Record nothing."""

    def record_networks(self, steps: t.Sequence[t.Any]) -> None:
        """Record nothing."""


@dataclasses.dataclass(frozen=True)
class Task:
    """``params`` are validated against the part's options. In ``check_mode`` the plan is returned and not executed.

    ``docker0_moves``: a part before this one, which is planned and not applied yet, changes the subnet of docker0.
    ``replaced`` are the networks that it removes or recreates.
    ``handled``: the parts of files and units that were handled before this one, for the same state.
    ``daemon`` are the options of ``default_bridge`` that are in effect when this part is applied; None for an option
    that is unset. ``records`` is the checkpoint of the change.
    """

    params: dict[str, t.Any]
    check_mode: bool
    commands: Commands
    warn: t.Callable[[str], None]
    connection: Connection = dataclasses.field(default_factory=Connection)
    docker0_moves: bool = False
    replaced: t.Collection[str] = ()
    handled: tuple[Part, ...] = ()
    daemon: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    records: Records = dataclasses.field(default_factory=NoRecords)

    @classmethod
    def of(cls, module: AnsibleModule, connect: Connect = _no_engine) -> Task:
        """The task of a module. Modules that use the engine pass ``connect``; others do not ship that code."""
        return cls(module.params, module.check_mode, ModuleCommands(module), module.warn, Connection(connect))

    def daemon_option(self, name: str, observed: t.Any, default: t.Any) -> t.Any:
        """The value of an option of ``default_bridge`` when this part is applied."""
        if name not in self.daemon:
            return observed
        return default if self.daemon[name] is None else self.daemon[name]

    def engine(self) -> Engine:
        return self.connection.engine(self.params)
