# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module, for a confirmation over a new connection. See plugins/modules/network_checkpoint.py."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import TIMEOUT_DEFAULT
from ansible_collections.fleetnet.docker.plugins.plugin_utils.confirmation import ConfirmingAction, undone_failure
from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import Result

_NOTHING = (
    "the host has no changes of this run to confirm. Save its state with state: armed before the changes, in the "
    "same run of ansible-playbook; to confirm those of another run, set id."
)


class ActionModule(ConfirmingAction):
    """The action."""

    MODULE = "network_checkpoint"

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        if arguments.get("state") != "confirmed" or self._task.check_mode:
            return super().run_module(arguments, task_vars)
        answer = self.confirmed(arguments.get("id"), float(TIMEOUT_DEFAULT), task_vars, sure=True)
        if answer.get("failed") or answer.get("confirmed"):
            return answer
        return {**answer, "failed": True, "msg": undone_failure(answer) or _NOTHING}
