# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module with the identity of this run, and keep the documented part of the host's answer.

See plugins/modules/host_slice.py.
"""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import HostAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity, run_start


class ActionModule(HostAction):
    """The action."""

    MODULE = "host_slice"

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        result: Result = super().run_module({**run_identity(), "started": run_start(), **arguments}, task_vars)
        return result
