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
  - Draws hosts, networks, containers and the routes between hosts, declared and observed, with the results of the last
    verification. Writes an HTML page that works offline, Mermaid, Graphviz and JSON.
  - The page and the JSON document also contain the policy. They state which network may open connections to which, to
    the hosts and to the outside, and what the last verification proved of it.
  - Runs on the controller and contacts no host. Use it with C(run_once).
requirements:
  - The Python package C(dash-cytoscape) on the controller, for O(formats=html).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
attributes:
  check_mode:
    details:
      - The files are also written in check mode.
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  hosts:
    description: The plan's parts by host that M(fleetnet.docker.fleet_plan) returns.
    type: dict
    required: true
  peers:
    description: The list of peers that M(fleetnet.docker.fleet_plan) returns.
    type: list
    elements: dict
    required: true
  policy:
    description:
      - The policy that M(fleetnet.docker.fleet_plan) returns. Without it, the page and the JSON document do not contain
        the policy.
    type: dict
  observed:
    description:
      - The names of the variables under which each host's results of M(fleetnet.docker.host_slice) in check mode, or of
        M(fleetnet.docker.network_info), are registered. For the former, O(fleetnet.docker.host_slice#module:gather)
        must name the parts to draw.
      - The first result of a host with a report is used. A result of M(fleetnet.docker.host_slice) includes all
        differences from the plan; without one only networks, their addresses and routes are compared.
      - A host without a report is drawn as planned, in state V(unknown).
    type: list
    elements: str
    required: true
  reachability_file:
    description:
      - The C(reachability.json) that M(fleetnet.docker.fleet_report) wrote. If the file does not exist, the drawing is
        marked as not verified.
    type: path
  coverage_file:
    description:
      - The C(coverage.json) that M(fleetnet.docker.fleet_report) wrote. If it exists, the drawing states what was
        verified, and what is not proven, and O(policy) is shown with what is proven of each line.
    type: path
  dest:
    description:
      - A folder on the controller for C(topology.html), C(topology.mmd), C(topology.dot) and C(topology.json). It is
        created if it does not exist.
    type: path
    required: true
  show_undeclared:
    description:
      - Whether the page shows undeclared networks when it opens. A control on the page shows and hides them. Undeclared
        networks in which a probe failed are always shown. The other formats contain all networks.
    type: bool
    default: false
  formats:
    description:
      - The formats to write. The default is all formats.
      - V(html) requires the Python package C(dash-cytoscape) on the controller. Without the package, the task fails
        before it writes a file if V(html) is named here; otherwise it warns and writes the other formats.
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
- name: Gather facts about the hosts
  fleetnet.docker.network_info:
  register: gathered
  ignore_errors: true
  ignore_unreachable: true

- name: Draw the fleet
  fleetnet.docker.fleet_topology:
    hosts: "{{ docker_fleet_plan.hosts }}"
    peers: "{{ docker_fleet_plan.peers }}"
    policy: "{{ docker_fleet_plan.policy }}"
    observed: [gathered]
    dest: "{{ inventory_dir }}/report"
  run_once: true
"""

RETURN = r"""
files:
  description: The paths of the written files, by format.
  returned: success
  type: dict
  sample: {"html": "/srv/inventory/report/topology.html"}
summary:
  description: Lines of text about what was found, what of it is not as declared, and what was verified.
  returned: success
  type: list
  elements: str
"""
