#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Compare the results of probes with the declaration
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Compares the results of the fleet's probes with the policy. Allowed probes must pass with an unchanged source
    address, all others must be denied. Prints the reachability matrix, and fails if a probe is not as declared.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
attributes:
  check_mode:
    details:
      - The report's files are also written in check mode.
options:
  group:
    description: The inventory group of the fleet.
    type: str
    default: docker_fleet
  policy:
    description: The policy that M(fleetnet.docker.fleet_plan) returns.
    type: dict
    required: true
  endpoints:
    description: The endpoints that M(fleetnet.docker.fleet_probes) returned.
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
        there are failures to explain.
    type: str
  unprobed:
    description: The containers without probes that M(fleetnet.docker.fleet_probes) returned. The report names them.
    type: list
    elements: dict
    default: []
  host_ports:
    description:
      - The policy lines with a host's port that M(fleetnet.docker.fleet_probes) returned. The report names them.
    type: list
    elements: dict
    default: []
  first_token:
    description: The value that M(fleetnet.docker.fleet_probes) returned.
    type: int
    default: 0
  pairs_at_most:
    description: The value of this option of M(fleetnet.docker.fleet_probes).
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
      - An entry of C(reachability.json) has the probe's C(kind) of verdict, for example V(as_declared), V(blocked),
        V(leak) or V(source_rewritten), and its C(causes) as values, and C(problem) and C(explanation) as text.
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
    endpoints: "{{ chosen.endpoints }}"
    results: probed
    arrivals: observed
  run_once: true
"""

RETURN = r"""
probes:
  description: The number of probes.
  returned: success
  type: int
report:
  description: The report as lines of text.
  returned: success
  type: list
  elements: str
"""
