# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of modules that enter containers' network namespaces."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  containers:
    description:
      - The host's running containers, as M(fleetnet.docker.network_info) returns them with V(container_details). This
        saves one query of the engine per container, and with it a large part of the task's time.
      - The module queries the engine about a container whose process differs from the one given here.
      - If not set, the module queries the engine.
    type: list
    elements: dict
"""
