#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_probes
short_description: Decide which probes prove a fleet's reachability
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - From the policy and the containers that the hosts report, decides which container probes which other, by what
    protocol and on what port. Every container on a declared network tries every other one with a ping, with each
    service that the policy opens at the other end, and on a port that no line opens, so that what must not pass is
    tried too.
  - For each two hosts and networks between which a ping may pass, one more ping is as large as the smaller MTU of the
    two networks, and may not be fragmented. So the path is proven to carry what the networks promise.
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
  observed:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.network_info) is registered, with
        C(containers) gathered, and C(networks) for their MTU.
    type: str
    required: true
  containers_per_network:
    description: How many containers of each network are taken on each host, by the order of their names.
    type: int
    default: 3
  pairs_at_most:
    description:
      - How many pairs of containers to try, about. Of more, a sample is taken, which is the same for the same fleet.
      - In the sample are every two hosts, by a pair between which something may pass where there is one, and every two
        networks, between hosts and on one host. Where these are more, they are all tried all the same.
    type: int
    default: 20000
seealso:
  - module: fleetnet.docker.reachability_info
  - module: fleetnet.docker.fleet_report
"""

EXAMPLES = r"""
- name: Look for containers
  fleetnet.docker.network_info:
    gather: [containers, networks]
  register: looked

- name: Decide what to probe
  fleetnet.docker.fleet_probes:
    policy: "{{ docker_fleet_plan.policy }}"
    observed: looked
  register: chosen
  run_once: true

- name: Probe
  fleetnet.docker.reachability_info:
    probes: "{{ chosen.hosts[inventory_hostname] }}"
"""

RETURN = r"""
hosts:
  description: For each host its probes, as M(fleetnet.docker.reachability_info) takes them.
  returned: success
  type: dict
probes:
  description: How many probes all hosts have together.
  returned: success
  type: int
listen:
  description: For each host where somebody has to listen, as M(fleetnet.docker.probe_observer) takes it.
  returned: success
  type: dict
first_token:
  description:
    - The token that the probes of each container and service count from. It is another one in each run, so that no
      probe belongs to a connection that the kernel tracks since the run before.
  returned: success
  type: int
nodes:
  description: The containers that take part.
  returned: success
  type: list
  elements: dict
  sample:
    - host: h1
      container: web1
      network: web
      address: 10.64.1.2
      mtu: 1500
"""
