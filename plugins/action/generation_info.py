# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module, and keep the documented part of the host's answer. See plugins/modules/generation_info.py."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import HostAction


class ActionModule(HostAction):
    """The action."""

    MODULE = "generation_info"
