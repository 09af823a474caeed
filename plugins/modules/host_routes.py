#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_routes
short_description: Route to the container networks of the fleet's other hosts
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Keeps one route for each block of addresses behind another host of the fleet, by way of that host's underlay address
    (backend C(host_gw)), and removes those of hosts that have left.
  - The routes are written to C(/etc/fleetnet/routes) and applied from there, by this module, at boot, whenever Docker
    restarts, and by a timer that puts back what got lost.
  - Only routes of routing protocol 213 are ever changed or removed. That is the mark of this collection.
extends_documentation_fragment:
  - fleetnet.docker.attributes
options:
  state:
    description:
      - With V(absent) everything of it is taken away, from the kernel, from C(/etc/fleetnet), and its units; other
        options are not looked at then.
    type: str
    choices: [present, absent]
    default: present
  backend:
    description:
      - How the other hosts are reached. V(host_gw) is a kernel route to each, and needs all hosts on one link; a peer
        on another link is refused. With V(none) somebody else does it, and there is no route of ours.
    type: str
    choices: [host_gw, none]
    default: host_gw
  host:
    description:
      - This host's name in O(peers); its own entry is left out. Required with O(state=present).
    type: str
  peers:
    description:
      - The hosts of the fleet, as M(fleetnet.docker.fleet_plan) returns them in
        RV(fleetnet.docker.fleet_plan#module:peers). An empty list removes all our routes. Required with
        O(state=present).
    type: list
    elements: dict
    suboptions:
      host:
        description: The host's name.
        type: str
        required: true
      underlay_address:
        description:
          - The IPv4 address at which the fleet's hosts reach it. It has to lie in a subnet of one of this host's links.
            Required with O(peers[].blocks).
        type: str
      link:
        description: The L2 segment that the host lies on. With backend V(host_gw) it has to be the same for all.
        type: str
        default: default
      blocks:
        description: The IPv4 blocks of container addresses behind it.
        type: list
        elements: str
        default: []
      underlay_address_v6:
        description: The IPv6 address at which the fleet's hosts reach it. Required with O(peers[].blocks_v6).
        type: str
      blocks_v6:
        description: The IPv6 blocks of container addresses behind it.
        type: list
        elements: str
        default: []
requirements:
  - iproute2 and systemd on the host
seealso:
  - module: fleetnet.docker.fleet_plan
  - module: fleetnet.docker.bridge_routing
"""

EXAMPLES = r"""
- name: Route to the other hosts of the fleet
  fleetnet.docker.host_routes:
    host: "{{ inventory_hostname }}"
    peers: "{{ docker_fleet_plan.peers }}"

- name: Take all our routes away
  fleetnet.docker.host_routes:
    state: absent

- name: Route to one other host, without a plan
  fleetnet.docker.host_routes:
    host: h1
    peers:
      - host: h2
        underlay_address: 192.0.2.2
        blocks: [10.64.16.0/20]
"""

RETURN = r"""
routes:
  description: The routes that the host has now, or would have.
  returned: success
  type: list
  elements: str
  sample: [10.64.16.0/20 via 192.0.2.2]
drift:
  description: What had got lost or was too much in the kernel, although the files were right.
  returned: success
  type: list
  elements: str
  sample: ["routes: missing 10.64.16.0/20 via 192.0.2.2"]
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import host_routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: host_routes.apply(Task.of(module)),
        argument_spec=host_routes.OPTIONS,
        required_if=host_routes.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
