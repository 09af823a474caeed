#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_plan
short_description: Plan every container address, route and permission of a fleet
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Reads the declaration (the inventory variables C(docker_fleet_*)) of all hosts of the fleet at once, leases each
    host a block of the supernet and each network a place in every host's block, and returns what the others take.
  - The declaration is documented with the role P(fleetnet.docker.docker_fleet_plan#role). This module validates it.
  - Runs on the controller and contacts no host. Use it with C(run_once). It always plans the whole fleet, with
    C(--limit) too.
  - Leases are kept in a lock file beside the inventory. Nothing that is leased ever moves. Keep the file under version
    control.
  - A declaration that cannot be is refused before any host is contacted, with host, variable and value.
  - With O(observed) the plan is proven against what the hosts report; any overlap with their links, routes, other
    Docker networks, name servers or the address that Ansible comes in from is refused before any host is changed.
  - With O(observed), networks and docker0 also get the MTU of the link that holds the host's underlay address, unless
    they name one, or it is Docker's default of 1500 bytes.
extends_documentation_fragment:
  - fleetnet.docker.attributes
attributes:
  check_mode:
    details:
      - The plan is made as in a real run, so that later tasks show what they would do; the lock file is not written.
  diff_mode:
    details:
      - The difference of the lock file.
options:
  group:
    description:
      - The inventory's group that is the fleet.
    type: str
    default: docker_fleet
  lock_file:
    description:
      - The lock file on the controller. Its folder has to exist.
    type: path
    required: true
  observed:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.network_info) is registered.
      - Without it, the plan is not compared with what is on the hosts.
    type: str
  reclaim:
    description:
      - Names of hosts and networks that have left the declaration, and whose leases are given free. Until then they are
        kept, so that whoever returns gets the same addresses.
      - A name under which nothing has departed gives a warning.
    type: list
    elements: str
    default: []
  without:
    description:
      - Names of hosts that are planned as if they were not in the group any more. Their leases are kept as departed.
      - C(playbooks/remove_host.yml) uses it. A name that is neither in the group nor has departed is refused.
    type: list
    elements: str
    default: []
  write_lock:
    description:
      - Whether new leases are written to the lock file. With V(false) the plan is a question, and the result is not
        changed.
    type: bool
    default: true
  slices:
    description:
      - Whether RV(hosts) is returned. It is most of what this task costs on a fleet of thousands of hosts.
    type: bool
    default: true
  show:
    description:
      - Whether RV(summary) is printed.
    type: bool
    default: false
  json_file:
    description:
      - A file on the controller for RV(hosts), RV(peers) and RV(policy) as JSON. It is written in check mode too.
    type: path
  markdown_file:
    description:
      - A file on the controller for the address plan and the policy as Markdown. It is written in check mode too.
    type: path
notes:
  - Two controllers on one machine take turns with a lock file. Elsewhere it is version control that shows that two of
    them have leased the same block, as a conflict in a line, and the file is refused as long as both are in it.
seealso:
  - module: fleetnet.docker.network_info
  - module: fleetnet.docker.default_bridge
  - module: fleetnet.docker.networks
  - module: fleetnet.docker.bridge_routing
  - module: fleetnet.docker.host_routes
"""

EXAMPLES = r"""
- name: Plan, and refuse what cannot be
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    write_lock: false
  run_once: true

- name: Look at the hosts
  fleetnet.docker.network_info:
    gather: [networks, links, routes, resolver, control_path]
  register: looked

- name: Prove that the plan's addresses are free everywhere, and lease them
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    observed: looked
  register: docker_fleet_plan
  run_once: true

- name: Give the addresses of hosts free that will not come back
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    reclaim: [h7, h8]
  run_once: true

- name: Show the address plan, and write it down for review
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    write_lock: false
    show: true
    markdown_file: "{{ playbook_dir }}/address_plan.md"
  run_once: true
"""

RETURN = r"""
lock_file:
  description: Path of the lock file.
  returned: success
  type: str
summary:
  description: The address plan and the policy as lines of text.
  returned: success
  type: list
  elements: str
policy:
  description: The fleet's policy, as M(fleetnet.docker.bridge_routing) takes it.
  returned: success
  type: dict
peers:
  description:
    - All hosts with their underlay addresses and blocks, as M(fleetnet.docker.host_routes) takes it.
    - The keys that end in C(_v6) are there only with an IPv6 supernet.
  returned: success
  type: list
  elements: dict
  sample:
    - host: h1
      underlay_address: 192.0.2.1
      link: default
      blocks: [10.64.0.0/20]
      underlay_address_v6: 2001:db8::1
      blocks_v6: ["fd00:64::/56"]
unproven:
  description: The hosts that have no report under O(observed), and with which the plan was not compared.
  returned: success
  type: list
  elements: str
hosts:
  description:
    - For each host its C(block), C(underlay_address), C(link), C(default_bridge) (options of
      M(fleetnet.docker.default_bridge)), C(networks) (items of M(fleetnet.docker.networks)) and C(routed_subnets) (for
      M(fleetnet.docker.bridge_routing)).
    - With an IPv6 supernet also C(block_v6) and C(routed_subnets_v6).
  returned: if O(slices=true)
  type: dict
"""
