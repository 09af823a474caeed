# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play, checked: a play without hosts does nothing and succeeds."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_hosts
author: The fleetnet maintainers (@fleetnet)
version_added: 0.1.0
short_description: The inventory group of the fleet, if it has hosts
description:
  - Returns the name of the group, for C(hosts) of a play. Fails if the group is missing or empty, or if C(--limit)
    excludes all of its hosts. Ansible itself skips such a play and reports success.
  - With C(--syntax-check) and C(--list-hosts) the group may be missing.
options:
  _terms:
    description:
      - The name of the group.
    type: list
    elements: str
    required: true
seealso:
  - plugin: fleetnet.docker.fleet_plan
    plugin_type: module
"""

EXAMPLES = r"""
- name: Provision the fleet's Docker networks
  hosts: "{{ lookup('fleetnet.docker.fleet_hosts', 'docker_fleet') }}"
  gather_facts: false
  roles:
    - role: fleetnet.docker.docker_fleet_plan
    - role: fleetnet.docker.docker_host_slice
"""

RETURN = r"""
_raw:
  description: The name of the group.
  type: list
  elements: str
"""

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, object] | None = None, **options: object) -> list[str]:
        self.set_options(var_options=variables, direct=options)
        known = variables or {}
        if any(context.CLIARGS.get(name) for name in ("syntax", "listhosts", "listtasks", "listtags")):
            return list(terms)
        groups: object = known.get("groups")
        for group in terms:
            if not isinstance(groups, dict) or group not in groups:
                raise AnsibleLookupError(
                    f"docker_fleet_group: {group!r}: is not a group of the inventory. Create it with the fleet's "
                    "hosts, or name your group with -e docker_fleet_group=GROUP. In the inventory, this variable does "
                    "not select the hosts of the playbooks"
                )
            if not groups[group]:
                raise AnsibleLookupError(f"docker_fleet_group: {group!r}: the group is empty. Add the fleet's hosts")
            # The hosts that --limit leaves. Only with --limit, since a play narrows them further.
            chosen = known.get("ansible_play_hosts_all")
            if context.CLIARGS.get("subset") and isinstance(chosen, list) and not set(chosen) & set(groups[group]):
                raise AnsibleLookupError(
                    f"--limit: {context.CLIARGS['subset']!r}: excludes all hosts of group {group!r}. Name one of them"
                )
        return list(terms)
