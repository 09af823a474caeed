# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a part of the host is applied with: its options, and what it may do."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._host.commands import Commands, ModuleCommands

Result = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """``params`` are checked against the part's options; in ``check_mode`` the plan is told and not executed."""

    params: dict[str, t.Any]
    check_mode: bool
    commands: Commands
    warn: t.Callable[[str], None]

    @classmethod
    def of(cls, module: AnsibleModule) -> Task:
        """The task that a module runs for."""
        return cls(module.params, module.check_mode, ModuleCommands(module), module.warn)
