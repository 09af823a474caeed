# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module with the identity of this run. See plugins/modules/run_lock.py."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import HostAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity


class ActionModule(HostAction):
    """The action."""

    MODULE = "run_lock"

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        result: Result = super().run_module({**run_identity(), **arguments}, task_vars)
        return result
