# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's slice of the fleet's plan, in constant time."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_slice
author: The fleetnet maintainers (@fleetnet)
version_added: 0.1.0
short_description: A host's part of the fleet's plan
description:
  - Returns values from a host's part of the result of M(fleetnet.docker.fleet_plan), which must be registered as
    C(docker_fleet_plan).
  - A template such as C(docker_fleet_plan.hosts[inventory_hostname]) returns the same, but for it Ansible processes the
    parts of all hosts, each time, on each host.
options:
  _terms:
    description:
      - Keys of a host's part, such as V(networks) or V(routed_subnets).
    type: list
    elements: str
    required: true
  host:
    description:
      - The host. By default the host that the task runs for.
    type: str
  default:
    description:
      - The value for a key that the host's part does not have. By default such a key is an error.
    type: raw
seealso:
  - plugin: fleetnet.docker.fleet_plan
    plugin_type: module
"""

EXAMPLES = r"""
- name: Provision the host's networks
  fleetnet.docker.networks:
    networks: "{{ query('fleetnet.docker.fleet_slice', 'networks') | first }}"
"""

RETURN = r"""
_raw:
  description: The values, in the order of the keys.
  type: list
  elements: raw
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, object] | None = None, **options: object) -> list[object]:
        self.set_options(var_options=variables, direct=options)
        known = variables or {}
        host = self.get_option("host") or known.get("inventory_hostname")
        plan = known.get("docker_fleet_plan")
        if not isinstance(plan, dict) or "hosts" not in plan:
            raise AnsibleLookupError(
                "variable docker_fleet_plan not found. Run the role fleetnet.docker.docker_fleet_plan first, in the "
                "same run"
            )
        if host not in plan["hosts"]:
            raise AnsibleLookupError(f"host {host} is not in the fleet's plan. Add it to the fleet's group")
        part = plan["hosts"][host]
        values = []
        for term in terms:
            if term not in part and "default" not in options:
                raise AnsibleLookupError(
                    f"host {host} has no {term!r} in the plan. Valid keys: {', '.join(sorted(part))}"
                )
            values.append(part.get(term, options.get("default")))
        return values
