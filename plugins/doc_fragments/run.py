# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of modules that change a host, which the saved state of a play covers (network_checkpoint)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description:
      - What identifies this run of ansible-playbook. The action plugin sets it.
      - If the host has changes of another run that are neither confirmed nor undone
        (M(fleetnet.docker.network_checkpoint)), the module waits until it has undone them.
    type: str
"""
