#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_rollback
short_description: Show the generations of the fleet, and choose one for each host
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Prints a table of the runs of which the hosts have generations, the newest first.
  - With O(to), it chooses the generation that each host returns to, and restores the leases of these generations in the
    lock file, if the lock file no longer has them. M(fleetnet.docker.host_slice) applies the generations.
  - Runs on the controller and contacts no host. Use it with C(run_once). The playbook C(rollback.yml) does.
extends_documentation_fragment:
  - fleetnet.docker.attributes
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  lock_file:
    description: The path of the lock file.
    type: path
    required: true
  generations:
    description: The name of the variable under which the results of M(fleetnet.docker.generation_info) are registered.
    type: str
    required: true
  to:
    description:
      - The run to return to, as in the table, or V(previous) for the state before the last run. A host that the run did
        not change returns to the newest generation that it had then.
      - Without it, no generation is chosen.
    type: str
seealso:
  - module: fleetnet.docker.generation_info
  - module: fleetnet.docker.host_slice
"""

EXAMPLES = r"""
- name: List the generations
  fleetnet.docker.generation_info:
  register: listed

- name: Choose the state before the last run
  fleetnet.docker.fleet_rollback:
    generations: listed
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    to: previous
  register: rollback
  run_once: true

- name: Return to it
  fleetnet.docker.host_slice:
    generation: "{{ rollback.hosts[inventory_hostname] }}"
  when: rollback.hosts[inventory_hostname] is not none
"""

RETURN = r"""
hosts:
  description:
    - The number of the generation that each host returns to. V(none) for a host that keeps its newest one, and for all
      hosts without O(to).
  returned: success
  type: dict
  sample: {h1: 3, h2: null}
report:
  description: The lines that were printed.
  returned: success
  type: list
  elements: str
"""
