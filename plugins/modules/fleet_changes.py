#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_changes
short_description: Show what would change on each host of the fleet
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Prints what tasks in check mode would change, one line per change. Hosts with the same changes share one entry. A
    task that would fail is printed with its reason.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  results:
    description:
      - The names of the variables under which the tasks' results are registered on each host, in the order in which to
        print them.
    type: list
    elements: str
    required: true
seealso:
  - module: fleetnet.docker.fleet_plan
"""

EXAMPLES = r"""
- name: Check the networks
  fleetnet.docker.networks:
    networks: "{{ docker_fleet_plan.hosts[inventory_hostname].networks }}"
  check_mode: true
  register: checked

- name: Show what would change
  fleetnet.docker.fleet_changes:
    results: [checked]
  run_once: true
"""

RETURN = r"""
hosts:
  description: The changes of each host, as text. A host without changes has an empty list.
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
