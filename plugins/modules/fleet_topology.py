#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_topology
short_description: Draw the fleet's Docker networks
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Draws hosts, networks, containers and the routes between hosts, what is declared beside what is there, and the
    results of the last verification. Writes an HTML page that needs no network, Mermaid, Graphviz and JSON.
  - Runs on the controller and contacts no host. Use it with C(run_once).
requirements:
  - The Python package C(dash-cytoscape) on the controller, for O(formats=html).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
attributes:
  check_mode:
    details:
      - The files are written in check mode too.
options:
  group:
    description: The inventory's group that is the fleet.
    type: str
    default: docker_fleet
  hosts:
    description: The plan's part for each host, as M(fleetnet.docker.fleet_plan) returns them.
    type: dict
    required: true
  peers:
    description: The hosts as the others see them, as M(fleetnet.docker.fleet_plan) returns them.
    type: list
    elements: dict
    required: true
  observed:
    description:
      - The names of variables under which each host's results of M(fleetnet.docker.host_slice) in check mode, with all
        that the drawing is to show in its O(fleetnet.docker.host_slice#module:gather), or of
        M(fleetnet.docker.network_info) are registered.
      - The first result of a host that has a report counts. One of M(fleetnet.docker.host_slice) also tells what
        differs from the plan; without one only networks, their addresses and routes are compared.
      - A host without a report is drawn as planned, and as not looked at.
    type: list
    elements: str
    required: true
  reachability_file:
    description:
      - The C(reachability.json) that M(fleetnet.docker.fleet_report) wrote. Where there is no such file, the drawing
        says that nothing was verified.
    type: path
  dest:
    description:
      - A folder on the controller for C(topology.html), C(topology.mmd), C(topology.dot) and C(topology.json). It is
        made where it is not there.
    type: path
    required: true
  formats:
    description:
      - The formats to write. Without it all of them.
      - V(html) needs the Python package C(dash-cytoscape) on the controller. Without the package the task fails where
        V(html) is named here, before it writes anything; else it warns, and writes the other formats.
    type: list
    elements: str
    choices: [html, mermaid, dot, json]
seealso:
  - module: fleetnet.docker.fleet_plan
  - module: fleetnet.docker.host_slice
  - module: fleetnet.docker.network_info
  - module: fleetnet.docker.fleet_report
"""

EXAMPLES = r"""
- name: Look at the hosts
  fleetnet.docker.network_info:
  register: looked
  ignore_errors: true
  ignore_unreachable: true

- name: Draw the fleet
  fleetnet.docker.fleet_topology:
    hosts: "{{ docker_fleet_plan.hosts }}"
    peers: "{{ docker_fleet_plan.peers }}"
    observed: [looked]
    dest: "{{ inventory_dir }}/report"
  run_once: true
"""

RETURN = r"""
files:
  description: The files that were written, by format.
  returned: success
  type: dict
  sample: {"html": "/srv/inventory/report/topology.html"}
summary:
  description: Lines of text that say what there is, what of it is not as declared, and what was verified.
  returned: success
  type: list
  elements: str
"""
