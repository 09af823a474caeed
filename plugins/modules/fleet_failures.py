#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_failures
short_description: Choose the failed probes to explain
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Of the probes that are not as declared, chooses some for each two hosts, two networks and kind of failure, to be
    sent again while M(fleetnet.docker.packet_trace) traces them.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  policy:
    description: The policy that M(fleetnet.docker.fleet_plan) returns.
    type: dict
    required: true
  endpoints:
    description: The endpoints that M(fleetnet.docker.fleet_probes) returned.
    type: list
    elements: dict
    required: true
  container_subnets:
    description:
      - The subnets of containers that M(fleetnet.docker.fleet_probes) returned. What arrives from an address in them
        that is not the prober's is not the probe.
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
  outside_results:
    description:
      - The name of the variable under which the results of M(fleetnet.docker.reachability_info) on machines outside of
        the fleet are registered, by a task with C(run_once) that loops over their names.
    type: str
  token_seed:
    description: The value that M(fleetnet.docker.fleet_probes) returned.
    type: int
    default: 0
  pairs_at_most:
    description: The value of this option of M(fleetnet.docker.fleet_probes).
    type: int
    default: 20000
  most:
    description: The maximum number of probes.
    type: int
    default: 48
seealso:
  - module: fleetnet.docker.fleet_probes
  - module: fleetnet.docker.fleet_report
  - module: fleetnet.docker.packet_trace
"""

EXAMPLES = r"""
- name: Choose failures to explain
  fleetnet.docker.fleet_failures:
    policy: "{{ docker_fleet_plan.policy }}"
    endpoints: "{{ chosen.endpoints }}"
    container_subnets: "{{ chosen.container_subnets }}"
    results: probed
    arrivals: observed
  register: failed
  run_once: true
"""

RETURN = r"""
failures:
  description:
    - The number of chosen probes, and of failures of names and published ports, which are explained without a trace.
  returned: success
  type: int
hosts:
  description: The probes of each host, for M(fleetnet.docker.reachability_info).
  returned: success
  type: dict
names_of:
  description: The containers of each host that do not resolve names, for M(fleetnet.docker.packet_trace).
  returned: success
  type: dict
flows:
  description: Their flows, for M(fleetnet.docker.packet_trace).
  returned: success
  type: list
  elements: dict
"""
