# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of modules that work inside containers' network namespaces."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  containers:
    description:
      - The host's running containers, as M(fleetnet.docker.network_info) returns them with V(container_details). This
        spares looking for them once more, and with it much of the task's time.
      - The engine is asked all the same where a container's process is not the one that is told here.
      - If not set, the engine is asked.
    type: list
    elements: dict
"""
