#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_failures
short_description: Pick the probes whose failure is to be explained
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Of the probes that went otherwise than declared, picks some for each two hosts, two networks and way to fail, to be
    sent once more while M(fleetnet.docker.packet_trace) traces them.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
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
    description: The containers that take part, as M(fleetnet.docker.fleet_probes) returns them.
    type: list
    elements: dict
    required: true
  results:
    description: The name of the variable under which each host's results of the probes are registered.
    type: str
    required: true
  arrivals:
    description: The name of the variable under which is registered what each host saw arrive.
    type: str
    required: true
  first_token:
    description: What M(fleetnet.docker.fleet_probes) returned.
    type: int
    default: 0
  pairs_at_most:
    description: What M(fleetnet.docker.fleet_probes) was given.
    type: int
    default: 20000
  most:
    description: How many probes to pick at most.
    type: int
    default: 48
seealso:
  - module: fleetnet.docker.fleet_probes
  - module: fleetnet.docker.fleet_report
  - module: fleetnet.docker.packet_trace
"""

EXAMPLES = r"""
- name: Pick what is not as declared
  fleetnet.docker.fleet_failures:
    policy: "{{ docker_fleet_plan.policy }}"
    nodes: "{{ chosen.nodes }}"
    results: probed
    arrivals: observed
  register: failed
  run_once: true
"""

RETURN = r"""
failures:
  description: How many probes were picked.
  returned: success
  type: int
hosts:
  description: For each host its probes, as M(fleetnet.docker.reachability_info) takes them.
  returned: success
  type: dict
flows:
  description: Their flows, as M(fleetnet.docker.packet_trace) takes them.
  returned: success
  type: list
  elements: dict
"""
