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
  - Reads the declaration (the inventory variables C(docker_fleet_*)) of all hosts of the fleet at once, leases each host a
    block of the supernet and each network a place in every host's block, and returns what the other modules take.
  - Runs on the controller and contacts no host. Use it with C(run_once). It always plans the whole fleet, with
    C(--limit) too.
  - Leases are kept in a lock file beside the inventory. Nothing that is leased ever moves. Keep the file under version
    control.
  - A declaration that cannot be is refused before any host is contacted, with host, variable and value.
  - With O(observed) the plan is proven against what the hosts report; any overlap with their links, routes, other Docker
    networks, name servers or the address that Ansible comes in from is refused before any host is changed.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would change without changing it.
    support: full
    details:
      - The plan is made as in a real run, so that later tasks show what they would do; the lock file is not written.
  diff_mode:
    description: Returns details on what has changed in diff mode.
    support: full
    details:
      - The difference of the lock file.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
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
  write_lock:
    description:
      - Whether new leases are written to the lock file. With V(false) the plan is a question, and the result is not
        changed.
    type: bool
    default: true
notes:
  - "The declaration is these inventory variables, alike for the whole group:"
  - "C(docker_fleet_supernet): the IPv4 block that all container addresses of the fleet come from. Required."
  - "C(docker_fleet_host_prefix_length): the prefix length of a host's block. Default 20."
  - "C(docker_fleet_network_prefix_length): the prefix length of docker0 and of networks that set none. Default 24."
  - "C(docker_fleet_networks): a list of networks. An item is a name, or a mapping with C(name) and any of C(prefix_length),
    C(subnet) (pinned, outside of the supernet, on one host), C(gateway) (its number in the subnet, default 1, or with
    C(subnet) its address), C(hosts) (hosts or groups that carry it, default all), C(internal), C(attachable), C(mtu),
    C(bridge_name) (default C(fn-NAME)), C(labels), C(driver_options)."
  - "C(docker_fleet_policy): a list of permissions with C(from), C(to) (names of networks, C(docker0), or C(any)),
    C(protocol) (C(tcp), C(udp), C(icmp), C(any)) and C(ports) (numbers or ranges). Without a line, networks do not reach
    each other. Replies always pass."
  - "C(docker_fleet_backend): C(host_gw) (the default; kernel routes, all hosts on one link) or C(none)."
  - "C(docker_fleet_default_bridge): options of M(fleetnet.docker.default_bridge) for every host."
  - "C(docker_fleet_reservations): a mapping of host to the block that it shall get."
  - "And these of a host:"
  - "C(docker_fleet_underlay_address): its address for the other hosts. Default: C(ansible_host), if that is an address."
  - "C(docker_fleet_link): the L2 segment it lies on. Default C(default)."
  - "C(docker_fleet_host_networks): networks of this host alone, each with a C(subnet)."
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

- name: Show the address plan
  ansible.builtin.debug:
    msg: "{{ docker_fleet_plan.summary }}"
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
  description: All hosts with their underlay addresses and blocks, as M(fleetnet.docker.host_routes) takes it.
  returned: success
  type: list
  elements: dict
  sample:
    - host: h1
      underlay_address: 192.0.2.1
      link: default
      blocks: [10.64.0.0/20]
hosts:
  description:
    - For each host its C(block), C(underlay_address), C(link), C(default_bridge) (options of
      M(fleetnet.docker.default_bridge)), C(networks) (items of M(fleetnet.docker.networks)) and C(routed_subnets) (for
      M(fleetnet.docker.bridge_routing)).
  returned: success
  type: dict
"""
