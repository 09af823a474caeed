#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_import
short_description: Write a declaration of what the hosts have
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Writes a file with a declaration of the Docker networks that hosts have already, and the lock file with its leases.
    The next run of the playbook C(site.yml) with it changes no network, no container, not docker0 and no key of
    C(daemon.json).
  - Networks are declared with their subnets, gateways, ranges, reserved addresses, options, labels and drivers, with
    C(adopt) and, if they are routed, C(local). Lines of the policy keep published ports open to the containers of other
    hosts, if each host of the network publishes the port. docker0 and the engines' address pools stay as they are.
  - Comments contain what the declaration does not. These are networks that cannot be part of it, with the reason;
    networks with the same addresses on several hosts, with a proposed renumbering and the containers that each step
    interrupts; containers with fixed addresses; other programs that write firewall rules.
  - Without C(docker_fleet_supernet), it proposes a private block of which no host reports an address.
  - Everything is planned and compared with the hosts by the code that plans and applies any declaration. What would not
    stay as it is becomes a comment.
  - Everything in the file is what hosts report. Review it before you apply it. Texts that Ansible could take for a
    template are left out.
  - Runs on the controller and contacts no host. Use it with C(run_once). The playbook C(import.yml) does.
extends_documentation_fragment:
  - fleetnet.docker.attributes
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  lock_file:
    description: The path of the lock file. It keeps the leases that it has.
    type: path
    required: true
  observed:
    description: >-
      The name of the variable under which the results of M(fleetnet.docker.network_info) are registered, with the parts
      C(engine), C(networks), C(ports), C(stopped), C(links), C(routes), C(resolver), C(control_path) and C(firewall).
    type: str
    required: true
  dest:
    description:
      - The path of the file.
      - It is an inventory file, with the variables of O(group). In a folder C(group_vars) it is a file of variables.
      - A file that exists with another content is an error, and stays.
    type: path
    required: true
seealso:
  - module: fleetnet.docker.network_info
  - module: fleetnet.docker.fleet_plan
"""

EXAMPLES = r"""
- name: Gather facts about the hosts
  fleetnet.docker.network_info:
    gather: [engine, networks, ports, stopped, links, routes, resolver, control_path, firewall]
  register: gathered

- name: Write a declaration of what they have
  fleetnet.docker.fleet_import:
    observed: gathered
    dest: "{{ inventory_dir }}/docker_fleet.import.yml"
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
  run_once: true
"""

RETURN = r"""
dest:
  description: The absolute path of the file.
  returned: success
  type: str
lock_file:
  description: The absolute path of the lock file.
  returned: success
  type: str
summary:
  description: The lines that were printed, one per network.
  returned: success
  type: list
  elements: str
hosts:
  description: The plan of each host by the new declaration, as M(fleetnet.docker.fleet_plan) returns it.
  returned: success
  type: dict
peers:
  description: All hosts as their peers see them, as M(fleetnet.docker.fleet_plan) returns it.
  returned: success
  type: list
  elements: dict
policy:
  description: The policy, as M(fleetnet.docker.fleet_plan) returns it.
  returned: success
  type: dict
"""
