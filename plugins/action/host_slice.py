# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module with the identity of this run, and confirm its changes over a new connection.

See plugins/modules/host_slice.py.
"""

from __future__ import annotations

import uuid

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import TIMEOUT_DEFAULT
from ansible_collections.fleetnet.docker.plugins.plugin_utils.confirmation import ConfirmingAction, summary
from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity, run_start


class ActionModule(ConfirmingAction):
    """The action."""

    MODULE = "host_slice"

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        given = {**run_identity(), "started": run_start(), **arguments}
        if self._task.check_mode or not boolean(arguments.get("confirm", True), strict=False):
            return self.answer_of(self.MODULE, given, task_vars)
        checkpoint = uuid.uuid4().hex
        seconds = _seconds(arguments.get("confirm_timeout"))
        try:
            result = self.answer_of(self.MODULE, {**given, "checkpoint": checkpoint}, task_vars)
        except AnsibleConnectionFailure as error:
            answer = self.confirmed(checkpoint, seconds, task_vars, error, sure=True)
            return summary(answer, f"{str(error).rstrip('.')}.")
        taken = result.get("checkpoint")
        if not isinstance(taken, dict) and not _may_have_changed(result):
            return result
        answer = self.confirmed(checkpoint, seconds, task_vars, sure=isinstance(taken, dict))
        added = summary(answer, None)
        if not added or not (isinstance(taken, dict) or "undone" in added):
            return result
        if result.get("failed"):
            added["msg"] = f"{str(result.get('msg')).rstrip('.')}. Then {added['msg']}"
        # The results of the parts are about what no longer is.
        return {"changed": False, **({"checkpoint": taken} if taken else {}), **added}


def _may_have_changed(result: Result) -> bool:
    """Whether the module ended without an answer of its own, which always has operations.

    It was killed, or it has an error of its code, or it has refused its options.
    """
    return bool(result.get("failed")) and "operations" not in result


def _seconds(value: object) -> float:
    """The host validates the number."""
    try:
        return float(str(value if value is not None else TIMEOUT_DEFAULT))
    except ValueError:
        return float(TIMEOUT_DEFAULT)
