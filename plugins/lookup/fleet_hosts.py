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
  - Without a name, it is the group that C(docker_fleet_group) names, else C(docker_fleet). A value of the command line
    or of the play applies first. In the inventory, set the variable for the hosts of the group. If the inventory has
    several fleets, C(--limit) must select hosts of one of them.
  - Ansible has the inventory's variables only after a first play. So begin a playbook with C(import_playbook) of
    C(fleetnet.docker.fleet_group). Without it, only the command line and the play can name a group.
  - With C(--syntax-check), C(--list-hosts), C(--list-tasks) and C(--list-tags), the group may be missing, and the
    variables of the inventory are not read.
options:
  _terms:
    description:
      - The name of the group.
    type: list
    elements: str
seealso:
  - plugin: fleetnet.docker.fleet_plan
    plugin_type: module
"""

EXAMPLES = r"""
- name: Find the group of the fleet
  ansible.builtin.import_playbook: fleetnet.docker.fleet_group

- name: Provision the fleet's Docker networks
  hosts: "{{ lookup('fleetnet.docker.fleet_hosts') }}"
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

import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import (
    DEFAULT_GROUP,
    VARIABLE,
    Limit,
    check_group,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_group import run_group


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **options: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)
        known = variables or {}
        if any(context.CLIARGS.get(name) for name in ("syntax", "listhosts", "listtasks", "listtags")):
            return list(terms) or [self._templar.template(known.get(VARIABLE, DEFAULT_GROUP))]
        # The hosts that --limit leaves. Only with --limit, since a play narrows them further.
        pattern = context.CLIARGS.get("subset")
        limit = Limit(pattern, frozenset(known.get("ansible_play_hosts_all") or ())) if pattern else None
        try:
            if terms:
                return [check_group(group, known.get("groups") or {}, limit) for group in terms]
            return [run_group(known, self._templar.template, limit)]
        except FleetnetError as error:
            raise AnsibleLookupError(str(error)) from None
