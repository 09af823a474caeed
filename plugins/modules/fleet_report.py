#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Compare what was probed with what was declared
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Judges the results of the fleet's probes. What is declared has to pass with its source address kept, and what is not
    declared has to be denied. Prints the reachability matrix, and fails where reality differs from the declaration.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
attributes:
  check_mode:
    details:
      - The report's files are written in check mode too.
options:
  group:
    description: The inventory's group that is the fleet.
    type: str
    default: docker_fleet
  policy:
    description: The policy that M(fleetnet.docker.fleet_plan) returns.
    type: dict
    required: true
  nodes:
    description: The containers that took part, as M(fleetnet.docker.fleet_probes) returns them.
    type: list
    elements: dict
    required: true
  results:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.reachability_info) is registered.
    type: str
    required: true
  arrivals:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.probe_observer) is registered.
    type: str
    required: true
  traces:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.packet_trace) is registered, if
        there was anything to explain.
    type: str
  first_token:
    description: What M(fleetnet.docker.fleet_probes) returned.
    type: int
    default: 0
  pairs_at_most:
    description: What M(fleetnet.docker.fleet_probes) was given, so that the same pairs are compared.
    type: int
    default: 20000
  summary:
    description: Lines of text to show above the matrix.
    type: list
    elements: str
    default: []
  report_dir:
    description:
      - A folder on the controller for C(report.txt), C(reachability.json) and C(reachability.xml), which is JUnit XML
        for CI servers. Without it no file is written.
    type: path
seealso:
  - module: fleetnet.docker.fleet_probes
  - module: fleetnet.docker.reachability_info
  - module: fleetnet.docker.probe_observer
"""

EXAMPLES = r"""
- name: Compare with the declaration
  fleetnet.docker.fleet_report:
    policy: "{{ docker_fleet_plan.policy }}"
    nodes: "{{ chosen.nodes }}"
    results: probed
    arrivals: observed
  run_once: true
"""

RETURN = r"""
probes:
  description: How many probes were judged.
  returned: success
  type: int
report:
  description: The report as lines of text.
  returned: success
  type: list
  elements: str
"""
