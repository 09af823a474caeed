# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The task that applies a part of the host: its options, check mode, commands and engine connection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import Engine, connect
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands, ModuleCommands

Result = t.Dict[str, t.Any]


class Connection:
    """The connection to the engine that all parts of a task share, made on first use."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def engine(self, params: Result) -> Engine:
        return self._engine or self.anew(params)

    def anew(self, params: Result) -> Engine:
        self._engine = connect(params)
        return self._engine


@dataclasses.dataclass(frozen=True)
class Task:
    """``params`` are validated against the part's options; in ``check_mode`` the plan is returned, not executed."""

    params: dict[str, t.Any]
    check_mode: bool
    commands: Commands
    warn: t.Callable[[str], None]
    connection: Connection = dataclasses.field(default_factory=Connection)

    @classmethod
    def of(cls, module: AnsibleModule) -> Task:
        """The task of a module."""
        return cls(module.params, module.check_mode, ModuleCommands(module), module.warn)

    def engine(self) -> Engine:
        return self.connection.engine(self.params)
