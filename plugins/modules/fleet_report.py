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
    address, all others must be denied. Prints the reachability matrix, and fails if a probe is not as declared, if a
    declared network is missing or has other subnets, or if a container on it has an address that is not in the plan.
  - Prints the coverage, which is how many of the running containers, of the lines of the policy and of the kinds of
    denied traffic were probed with a result. What is not proven is listed with its reason.
  - Runs on the controller and contacts no host. Use it with C(run_once).
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
attributes:
  check_mode:
    details:
      - The report's files are also written in check mode.
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
  traces:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.packet_trace) is registered, if
        there are failures to explain.
    type: str
  unprobed:
    description:
      - The containers without probes that M(fleetnet.docker.fleet_probes) returned. The report names them with the
        reason.
    type: list
    elements: dict
    default: []
  unprobed_addresses:
    description:
      - The addresses at which published ports are not probed that M(fleetnet.docker.fleet_probes) returned. The report
        names them.
    type: list
    elements: dict
    default: []
  compared:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.host_slice) in check mode is
        registered. The report names the hosts that it would change, or cannot compare, and the action fails.
    type: str
  host_findings:
    description:
      - The missing rules of engines and addresses of bridges that M(fleetnet.docker.fleet_probes) returned. The report
        names them, and the action fails.
    type: list
    elements: dict
    default: []
  wrong_networks:
    description:
      - The networks that are not as declared that M(fleetnet.docker.fleet_probes) returned. The report names them, and
        the action fails.
    type: list
    elements: dict
    default: []
  host_ports:
    description:
      - The policy lines with a host's port that M(fleetnet.docker.fleet_probes) returned. The report names them.
    type: list
    elements: dict
    default: []
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
  summary:
    description: Lines of text to show above the matrix.
    type: list
    elements: str
    default: []
  report_dir:
    description:
      - A folder on the controller for C(report.txt), C(reachability.json), C(coverage.json), C(hosts.json) and
        C(reachability.xml), which is JUnit XML for CI servers. Without it no file is written.
      - The report begins with the verdict in one line. Then follow causes, hosts and networks that are not as declared,
        failed probes, the coverage, and the matrix.
      - An entry of C(reachability.json) has the probe's C(kind) of verdict, for example V(as_declared), V(blocked),
        V(leak) or V(source_rewritten), and its C(causes) as values, and C(problem), C(explanation) and C(remedies)
        as text. Without causes, C(last_seen) is where the packet was last seen, if that is known.
      - C(hosts.json) lists what differs on hosts, as values and as text.
      - C(coverage.json) is RV(coverage), with its C(text) as in the report. In C(reachability.xml), lines of the policy
        and kinds of denied traffic that are not proven are skipped tests.
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
    container_subnets: "{{ chosen.container_subnets }}"
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
coverage:
  description: What was verified, and what was not.
  returned: success
  type: dict
  contains:
    format:
      description: The version of this structure.
      type: int
    containers:
      description: The numbers of C(running) and C(probed) containers, and the others (C(not_probed)) as in O(unprobed).
      type: dict
    addresses:
      description: The addresses at which published ports are not probed, as in O(unprobed_addresses).
      type: list
      elements: dict
    lines:
      description:
        - The lines of the policy with C(path), C(line) as text, and C(state), which is V(proven), V(failed) if a probe
          is not as declared, or V(not_proven).
        - C(parts) are the pairs of ends of a line in each IP version, each with its own state. A line is proven if
          one part is.
      type: list
      elements: dict
    denied:
      description:
        - The kinds of traffic that the policy denies, in each IP version. Each has C(kind), C(source), C(target),
          C(version), C(state), the number of C(probes), C(reason) if it is not proven, and C(network) if the reason is
          about a network.
        - C(kind) is V(direct) for flows to an address, V(published) to a port that another host publishes,
          V(undeclared) from or to undeclared networks (C(source) or C(target) is V(none)), V(remote_api) and
          V(metadata).
        - C(reason) is V(no_container) if no container is on the network, V(no_undeclared) if none is on an undeclared
          network, V(no_published_port) if no container on the network has a published port that fits, V(no_pair) if the
          ends are not on different hosts or containers, V(not_chosen) if the sample does not include them,
          V(no_result) if no probe returned a result that counts, V(datagrams) because hosts need not answer UDP,
          V(not_observable) if the fleet has no end there that it can observe.
      type: list
      elements: dict
"""
