# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module that changes a host with the identity of this run, which the checkpoint of a play covers."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import HostAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity


class IdentifiedAction(HostAction):
    """Runs the module with the option ``run``."""

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        return super().run_module({"run": run_identity()["run"], **arguments}, task_vars)
