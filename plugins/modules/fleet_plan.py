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
  - Reads the declaration (the inventory variables C(docker_fleet_*)) of all hosts of the fleet, leases a block of the
    supernet to each host and an offset in the hosts' blocks to each network, and returns the options of the other
    modules.
  - The declaration is documented with the role P(fleetnet.docker.docker_fleet_plan#role). This module validates it.
  - Runs on the controller and contacts no host. Use it with C(run_once). It always plans the whole fleet, also with
    C(--limit).
  - Leases are stored in a lock file next to the inventory. Leases never move. Keep the file under version control.
  - Fails for an invalid declaration before any host is contacted. The error names host, variable and value.
  - With O(observed) the plan is compared with the hosts' reports. New leases avoid their interfaces, routes, other
    Docker networks, name servers and the controller's address. If leases of hosts that do not report it move, a warning
    names the hosts that do. An overlap of other leases is an error before any host is changed.
  - A route or interface that is wider than the blocks in use is no overlap, since more specific routes win over it. For
    blocks that nothing uses yet it is one, unless C(docker_fleet_default_bridge.allow_overlap) contains it.
  - With O(observed), networks and docker0 also get the MTU of the interface with the host's underlay address, unless
    they set one or it is Docker's default of 1500 bytes.
extends_documentation_fragment:
  - fleetnet.docker.attributes
attributes:
  check_mode:
    details:
      - The plan is the same as in a real run, so that later tasks show their changes. The lock file is not written.
  diff_mode:
    details:
      - The difference of the lock file.
options:
  group:
    description: The inventory group of the fleet. Defaults to C(docker_fleet_group) of the host, else C(docker_fleet).
    type: str
  lock_file:
    description:
      - The lock file on the controller. Its folder must exist.
    type: path
    required: true
  observed:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.network_info) is registered.
      - Without it, the plan is not compared with the hosts.
    type: str
  reclaim:
    description:
      - Names of departed hosts and networks whose leases are released. Other leases are kept, so that a host or network
        that returns gets the same addresses.
      - The module warns about a name that is not departed.
      - A host that may still use its block is an error, unless O(reclaim_unreachable=true). It is one that left the
        group and was in no later run in O(removed).
    type: list
    elements: str
    default: []
  reclaim_unreachable:
    description:
      - Consent to O(reclaim) the blocks of hosts that may still use them, because these hosts no longer exist.
        Otherwise two hosts can have the same addresses.
    type: bool
    default: false
  removed:
    description:
      - Names of hosts of O(without) from which everything of this collection has been removed. The lock file holds them
        under C(removed_hosts), and O(reclaim) releases their blocks without further consent.
    type: list
    elements: str
    default: []
  renumber:
    description:
      - Consent to move leases that contradict the declaration or a reservation. The networks of the hosts that move are
        recreated.
      - Also the consent to leases in which a host's block is one that another host uses, according to O(observed).
        Without it, such leases are an error, since the lock file is lost, or not the newest one.
    type: bool
    default: false
  without:
    description:
      - Names of hosts that are planned as if they were no longer in the group. Their leases are kept as departed.
      - C(playbooks/remove_host.yml) uses it. A name that is neither in the group nor departed is an error.
    type: list
    elements: str
    default: []
  write_lock:
    description:
      - Whether new leases are written to the lock file. V(false) is a dry run, and the result is not changed.
    type: bool
    default: true
  slices:
    description:
      - Whether RV(hosts) is returned. In a fleet of thousands of hosts, it takes most of this task's time.
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
  - On one machine only one controller uses a lock file at a time. If controllers on two machines lease the same block,
    version control reports a merge conflict, and the module rejects a file that contains both leases.
seealso:
  - module: fleetnet.docker.network_info
  - module: fleetnet.docker.default_bridge
  - module: fleetnet.docker.networks
  - module: fleetnet.docker.bridge_routing
  - module: fleetnet.docker.host_routes
"""

EXAMPLES = r"""
- name: Validate the declaration
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    write_lock: false
  run_once: true

- name: Gather facts about the hosts
  fleetnet.docker.network_info:
    gather: [networks, links, routes, resolver, control_path]
  register: gathered

- name: Check the plan for address conflicts, and lease the addresses
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    observed: gathered
  register: docker_fleet_plan
  run_once: true

- name: Release the addresses of departed hosts
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    reclaim: [h7, h8]
  run_once: true

- name: Print the address plan, and write it to a file for review
  fleetnet.docker.fleet_plan:
    lock_file: "{{ inventory_dir }}/docker_fleet.lock.yml"
    write_lock: false
    show: true
    markdown_file: "{{ playbook_dir }}/address_plan.md"
  run_once: true
"""

RETURN = r"""
group:
  description: The inventory group of the fleet.
  returned: success
  type: str
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
    - All hosts with their underlay addresses and blocks, as M(fleetnet.docker.host_routes) takes them.
    - The keys that end in C(_v6) are present only with an IPv6 supernet.
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
unobserved:
  description: Hosts without a report in O(observed). The plan was not compared with them.
  returned: success
  type: list
  elements: str
hosts:
  description:
    - For each host its C(block), C(underlay_address), C(link), C(default_bridge) (options of
      M(fleetnet.docker.default_bridge)), C(networks) (items of M(fleetnet.docker.networks)) and C(routed_subnets) (for
      M(fleetnet.docker.bridge_routing)).
    - Also C(egress_sources) (for O(fleetnet.docker.bridge_routing#module:egress_sources)), if the host has a network
      whose packets to the outside are not masqueraded.
    - Also C(controller) (for O(fleetnet.docker.bridge_routing#module:controller)), if O(observed) has the controller's
      address and it may connect to the remote API of the engines.
    - Also C(bridges) (for O(fleetnet.docker.host_routes#module:bridges)), if the host has a bridge with IPv6.
    - With an IPv6 supernet also C(block_v6) and C(routed_subnets_v6).
  returned: if O(slices=true)
  type: dict
"""
