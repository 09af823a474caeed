#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_changes
short_description: Show what would change on the fleet, host by host
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Prints what tasks that ran in check mode would have changed, a line a change. Hosts to which the same would happen
    are told together, and a task that would fail is told with its reason.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
options:
  group:
    description: The inventory's group that is the fleet.
    type: str
    default: docker_fleet
  results:
    description:
      - The names of the variables under which the tasks' results are registered on each host, in the order in which
        they are to be told.
    type: list
    elements: str
    required: true
seealso:
  - module: fleetnet.docker.fleet_plan
"""

EXAMPLES = r"""
- name: Try the networks
  fleetnet.docker.networks:
    networks: "{{ docker_fleet_plan.hosts[inventory_hostname].networks }}"
  check_mode: true
  register: tried

- name: Show what would change
  fleetnet.docker.fleet_changes:
    results: [tried]
  run_once: true
"""

RETURN = r"""
hosts:
  description: For each host what would change, in words. A host without changes has an empty list.
  returned: success
  type: dict
  sample:
    h1: ["create network web (bridge, 10.64.1.0/24)"]
    h2: []
report:
  description: The lines that were printed.
  returned: success
  type: list
  elements: str
"""
