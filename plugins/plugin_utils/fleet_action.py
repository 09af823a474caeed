# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet_* actions share: reading the plan that is registered, and turning expected errors into failures."""

from __future__ import annotations

import gc
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

Result = t.Dict[str, t.Any]


class FleetAction(ActionBase):  # type: ignore[misc]
    """An action that looks at all hosts of the fleet from the controller; subclasses say what in ``work``."""

    _requires_connection = False
    _supports_check_mode = True
    ARGUMENT_SPEC: t.ClassVar[Result]

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        # Python's garbage collector would walk again and again over what grows here and over the whole inventory, which
        # makes the time of a large fleet grow faster than the fleet. The process ends with the task, so it stays off
        # for Ansible's own work on the result.
        gc.disable()
        _result, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)
        try:
            inventory = Inventory(task_vars or {}, arguments["group"])
            result.update(self.work(inventory, arguments))
        except (FleetnetError, OSError) as error:
            # "from None": ansible-core would print the same text once more, as its cause
            raise AnsibleActionFail(str(error)) from None
        return result

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        """What the action returns; FleetnetError and OSError become its failure."""
        raise NotImplementedError
