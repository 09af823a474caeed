#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge_routing
short_description: Forward between Docker networks as a policy allows, and not otherwise
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Compiles the fleet's policy to firewall rules for this host's engine and keeps them in force. Networks may not talk
    to each other unless a line of the policy says so; within a declared network all containers of all hosts reach each
    other.
  - Traffic inside the fleet keeps its source address; traffic to the outside is masqueraded.
  - From outside of the fleet, containers on declared networks are reached through published ports only, on every
    engine. What a network sends to and receives from the outside, and from and to the host itself, is as Docker has it
    unless a line of the policy limits it. See role C(docker_fleet_plan) for what a line can say.
  - A change of the policy ends the flows that it no longer allows.
  - The rules are one nftables table of our own, C(ip fleetnet), replaced in one transaction, and an accept rule for
    what that table allows in C(DOCKER-USER), which is the place that Docker leaves to its users.
  - Where firewalld is installed it gets a policy C(fleetnet) and a zone C(fleetnet-own), which let through what that
    table judges; it is reloaded where one of them is new or has changed.
  - With ufw nothing is needed. An engine that writes no iptables rules is refused where iptables drops what is
    forwarded, as ufw has it unless C(DEFAULT_FORWARD_POLICY) says otherwise.
  - Everything is written to C(/etc/fleetnet) and applied from there, by this module, at boot, whenever Docker restarts,
    and by a timer that puts back what got lost. IPv4 forwarding is switched on in C(/etc/sysctl.d/60-fleetnet.conf).
  - Nobody else's rules, tables and chains are changed.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
options:
  state:
    description:
      - With V(absent) everything of it is taken away, from the kernel, from C(/etc/fleetnet), and its units; other
        options are not looked at then. IPv4 forwarding stays as it is until the next boot.
    type: str
    choices: [present, absent]
    default: present
  policy:
    description:
      - The fleet's policy, as M(fleetnet.docker.fleet_plan) returns it in
        RV(fleetnet.docker.fleet_plan#module:policy). Required with O(state=present).
    type: dict
  subnets:
    description:
      - The subnets of this host's declared networks that are not internal, as M(fleetnet.docker.fleet_plan) returns
        them in RV(fleetnet.docker.fleet_plan#module:hosts) under C(routed_subnets). Required with
        O(state=present).
    type: list
    elements: str
requirements:
  - nftables, iptables (where the engine uses it), procps and systemd on the host
  - firewalld 0.9 or newer, where it is used
  - Linux 5.6 or newer on the host
seealso:
  - module: fleetnet.docker.fleet_plan
  - module: fleetnet.docker.host_routes
"""

EXAMPLES = r"""
- name: Forward as declared
  fleetnet.docker.bridge_routing:
    policy: "{{ docker_fleet_plan.policy }}"
    subnets: "{{ query('fleetnet.docker.fleet_slice', 'routed_subnets') | first }}"
"""

RETURN = r"""
rules:
  description: The table that the host has now, or would have, as C(nft -f) takes it.
  returned: success
  type: str
drift:
  description: What had got lost or was altered in the kernel, although the files were right.
  returned: success
  type: list
  elements: str
  sample: ["nftables: table ip fleetnet differs"]
kernel:
  description:
    - The kernel's switches that decide whether the host forwards, as they were found. What has to be set is set, and
      kept so in C(/etc/sysctl.d/60-fleetnet.conf); the others are told since people wonder about them.
  returned: O(state=present)
  type: list
  elements: dict
  contains:
    name:
      description: The switch. For C(FORWARD policy) it is that of iptables' chain.
      type: str
    value:
      description: Its value when the module came; V(null) where the kernel has no such switch.
      type: str
    needed:
      description: What it has to be; V(null) where any value will do.
      type: str
    why:
      description: Why.
      type: str
  sample:
    - name: net.ipv4.ip_forward
      value: "0"
      needed: "1"
      why: containers reach other networks and hosts only where the host forwards; kept so in /etc/sysctl.d
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import bridge_routing
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: bridge_routing.apply(Task.of(module, connect)),
        argument_spec={**engine_argument_spec(), **bridge_routing.OPTIONS},
        required_if=bridge_routing.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
