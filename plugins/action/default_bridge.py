# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module, and keep the documented part of the host's answer. See plugins/modules/default_bridge.py."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.plugin_utils.identified_action import IdentifiedAction


class ActionModule(IdentifiedAction):
    """The action."""

    MODULE = "default_bridge"
