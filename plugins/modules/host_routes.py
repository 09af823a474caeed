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
  - Manages one route per address block of each other host of the fleet, through that host's underlay address
    (backend C(host_gw)), and removes the routes of hosts that have left.
  - The routes are written to C(/etc/fleetnet/routes). They are applied from there by this module, at boot, when Docker
    restarts, and by C(fleetnet-reconciler.service), which restores missing routes and removes unexpected ones when
    another program changes them.
  - Only routes of routing protocol 213, the mark of this collection, are changed or removed.
  - Restores the IPv6 addresses of bridges. The kernel removes them when a bridge is set down, for example by C(ip link
    set), and the engine sets them again only when it restarts. The addresses are written to
    C(/etc/fleetnet/bridge-addresses) and applied in the same cases as the routes. A bridge that does not exist or is
    down is not changed.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.run
options:
  state:
    description:
      - With V(absent) the routes, their file in C(/etc/fleetnet) and their units are removed. Other options are
        ignored.
    type: str
    choices: [present, absent]
    default: present
  backend:
    description:
      - How the other hosts are reached. V(host_gw) sets a kernel route per peer, and requires all hosts on one L2
        segment. With V(none) this module sets no routes.
    type: str
    choices: [host_gw, none]
    default: host_gw
  host:
    description:
      - This host's name in O(peers). Its own entry is skipped. Required with O(state=present).
    type: str
  peers:
    description:
      - The hosts of the fleet, as M(fleetnet.docker.fleet_plan) returns them in
        RV(fleetnet.docker.fleet_plan#module:peers). An empty list removes all routes of
        this collection. Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      host:
        description: The host's name.
        type: str
        required: true
      underlay_address:
        description:
          - The IPv4 address by which the fleet's hosts reach it. It must be in a subnet of one of this host's
            interfaces. Required with O(peers[].blocks).
        type: str
      link:
        description: The L2 segment of the host. With backend V(host_gw) it must be the same for all hosts.
        type: str
        default: default
      blocks:
        description: The IPv4 blocks of container addresses behind it.
        type: list
        elements: str
        default: []
      underlay_address_v6:
        description: The IPv6 address by which the fleet's hosts reach it. Required with O(peers[].blocks_v6).
        type: str
      blocks_v6:
        description: The IPv6 blocks of container addresses behind it.
        type: list
        elements: str
        default: []
  bridges:
    description:
      - The bridges of this host's networks with IPv6, and of docker0, as M(fleetnet.docker.fleet_plan) returns them in
        RV(fleetnet.docker.fleet_plan#module:hosts) under C(bridges).
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description:
          - The bridge's IPv4 address with its prefix length, which identifies the bridge. The kernel preserves it.
            Required without O(bridges[].bridge_name).
        type: str
      bridge_name:
        description:
          - The bridge's name, for a bridge without an IPv4 address. Mutually exclusive with O(bridges[].address).
        type: str
      address_v6:
        description: The IPv6 address with its prefix length that the bridge must have.
        type: str
        required: true
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
    bridges: "{{ query('fleetnet.docker.fleet_slice', 'bridges', default=[]) | first }}"

- name: Remove all routes of this collection
  fleetnet.docker.host_routes:
    state: absent

- name: Route to one other host, without a plan
  fleetnet.docker.host_routes:
    host: h1
    peers:
      - host: h2
        underlay_address: 192.0.2.2
        blocks: [10.64.16.0/20]

- name: Restore the gateway of a network with IPv6 if its bridge is set down and up
  fleetnet.docker.host_routes:
    host: h1
    peers: []
    bridges:
      - address: 10.64.1.1/24
        address_v6: fd00:64:0:1::1/64
"""

RETURN = r"""
routes:
  description: The planned routes.
  returned: success
  type: list
  elements: str
  sample: [10.64.16.0/20 via 192.0.2.2]
drift:
  description:
    - Missing and unexpected routes in the kernel, and missing addresses of bridges, if the files were as planned.
  returned: success
  type: list
  elements: str
  sample: ["route 10.64.16.0/20 via 192.0.2.2 is missing"]
differences:
  description: How the host differed from the plan, in files, routes, addresses and units. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the thing that differs, for example V(file), V(route), V(address) or V(unit).
      returned: success
      type: str
    name:
      description: The thing that differs.
      returned: success
      type: str
    key:
      description: What of it differs.
      returned: success
      type: str
    declared:
      description: The declared value; V(none) for a thing that must be absent.
      returned: success
      type: raw
    observed:
      description: The observed value; V(none) for a thing that is absent.
      returned: success
      type: raw
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import host_routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.alone import apply_alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: apply_alone(host_routes.apply, Task.of(module)),
        needs_root=True,
        argument_spec={**host_routes.OPTIONS, **RUN_OPTION},
        required_if=host_routes.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
