# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths of the fleet's files and folders on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_path
author: The fleetnet maintainers (@fleetnet)
version_added: 0.1.0
short_description: The path of a file or folder of the fleet on the controller
description:
  - Returns the path that a variable sets, else the default path, next to the inventory. Its name starts with the
    inventory group of the host's fleet, C(docker_fleet_group), so that two fleets of an inventory do not share files.
options:
  _terms:
    description:
      - V(lock) is the lock file, C(docker_fleet_lock_file), by default C(GROUP.lock.yml).
      - V(import) is the file that the playbook C(import) writes, C(docker_fleet_import_file), by default
        C(GROUP.import.yml).
      - V(report) is the folder for reports and drawings, C(docker_fleet_report_dir), by default C(GROUP_report).
      - V(remote_api) is the default folder with the certificates of remote APIs, C(GROUP_remote_api), and
        C(docker_remote_api) for the group C(docker_fleet).
      - Folders are next to an inventory folder, not in it, because Ansible reads all files in it.
    type: list
    elements: str
    choices: [lock, import, report, remote_api]
    required: true
seealso:
  - plugin: fleetnet.docker.fleet_plan
    plugin_type: module
"""

EXAMPLES = r"""
- name: Plan the fleet
  fleetnet.docker.fleet_plan:
    lock_file: "{{ lookup('fleetnet.docker.fleet_path', 'lock') }}"
  register: docker_fleet_plan
  run_once: true
"""

RETURN = r"""
_raw:
  description: The paths.
  type: list
  elements: path
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_group import PATHS, fleet_path


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **options: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)
        for kind in terms:
            if kind not in PATHS:
                raise AnsibleLookupError(f"{kind!r}: is not a file of a fleet. Use one of {', '.join(PATHS)}")
        try:
            return [fleet_path(kind, variables or {}, self._templar.template) for kind in terms]
        except FleetnetError as error:
            raise AnsibleLookupError(str(error)) from None
