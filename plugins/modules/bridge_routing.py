#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge_routing
short_description: Forward between Docker networks as a policy allows
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Compiles the fleet's policy to firewall rules for this host's engine, and enforces them. Flows between networks are
    denied unless a policy line allows them. Within a declared network, containers on all hosts reach each other.
  - Traffic inside the fleet keeps its source address. Traffic to the outside is masqueraded, unless
    O(egress_sources) sets another source. The other hosts of the fleet see the first address of a container's network
    on its host as the source. So connections to their published ports are filtered as those between two networks.
  - From outside of the fleet, containers on declared networks are reached through published ports only, with every
    engine. Flows between a network and the outside, or the host itself, follow Docker's rules unless a policy
    line limits them. The lines are documented with the role C(docker_fleet_plan).
  - The source of each packet is checked before anything else. A packet from the bridge of a network must have a source
    that the host routes to this bridge. A packet from another interface with a source in the fleet must arrive on the
    interface of the host's route to that source. A container on several networks can use its addresses on each of
    them. An ICMP error from a container must be about a flow of its own
    network. The role C(docker_routing) documents what this does not cover.
  - Connections to the remote API of the host's engine are limited to the sources that the policy names. Containers of
    the fleet are never among them.
  - A change of the policy ends the flows that it no longer allows.
  - The rules are an nftables table, C(ip fleetnet), which is replaced in one transaction, and a rule in C(DOCKER-USER)
    that accepts what the table allows.
  - If firewalld is installed, the module adds a policy C(fleetnet) and a zone C(fleetnet-own), which accept what the
    table filters, and reloads firewalld if one of them is new or has changed.
  - ufw needs no configuration with an engine that writes iptables rules. With other engines the module fails if the
    iptables chain C(FORWARD) has policy C(DROP), as ufw sets it unless C(DEFAULT_FORWARD_POLICY) is C(ACCEPT).
  - Everything is written to C(/etc/fleetnet). It is applied from there by this module, at boot, when Docker restarts,
    and by C(fleetnet-reconciler.service) when another program changes it. This process owns the tables, so that no
    other program can flush or delete them. The role C(docker_routing) documents it.
  - Forwarding is enabled if it is off, but not before dockerd starts. dockerd sets the policy of the iptables chain
    C(FORWARD) to C(DROP) when it enables forwarding itself, and leaves it as it is otherwise. If the module enables
    forwarding (option C(ip-forward=false) of dockerd), it sets the policy as dockerd does. So networks that are not
    declared stay as closed as Docker alone leaves them. With an engine that writes no iptables rules, the module fails
    if forwarding is off.
  - Other rules, tables and chains are not changed.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
  - fleetnet.docker.run
options:
  state:
    description:
      - With V(absent) the rules, their files in C(/etc/fleetnet) and their units are removed. Other options are
        ignored. Forwarding stays enabled, and the policy of the iptables chain C(FORWARD) stays as it is, until the
        next boot.
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
  bridges:
    description:
      - The bridges of this host's declared networks by network, internal networks included. docker0 is always included,
        with another name if the key C(docker0) has one.
        From each of them, only packets with a source that the host routes to it are accepted.
      - M(fleetnet.docker.fleet_plan) returns them in RV(fleetnet.docker.fleet_plan#module:hosts) under C(networks).
        Required with O(state=present).
    type: dict
  internal:
    description:
      - The networks of O(bridges) that are internal. Nothing is forwarded from or to their bridges, which Docker does
        not ensure in IPv6 with engines before 27.
    type: list
    elements: str
    default: []
  adopted:
    description:
      - The networks of O(bridges) that this collection may adopt. If one exists without the label
        C(io.fleetnet.managed=true), the rules also apply to the bridge that it has. If another program creates one
        later, the reconciler adds its bridge.
    type: list
    elements: str
    default: []
  egress_sources:
    description:
      - The source addresses of packets to the outside, for subnets whose packets are not masqueraded, by subnet. An
        address of the host, or V(container) for the container's own address.
      - M(fleetnet.docker.fleet_plan) returns them in RV(fleetnet.docker.fleet_plan#module:hosts) under
        C(egress_sources).
    type: dict
    default: {}
  controller:
    description:
      - The address of the Ansible controller as this host sees it. It may connect to the engine's remote API, if the
        policy allows C(controller) to.
      - M(fleetnet.docker.fleet_plan) returns it in RV(fleetnet.docker.fleet_plan#module:hosts) under C(controller).
    type: str
requirements:
  - nftables, iptables (if the engine uses it), procps and systemd on the host
  - firewalld 0.9 or newer, if it is used
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
    bridges: >-
      {{ query('fleetnet.docker.fleet_slice', 'networks') | first | selectattr('driver', 'eq', 'bridge')
         | items2dict(key_name='name', value_name='bridge_name') }}
"""

RETURN = r"""
rules:
  description: The planned nftables table, as input for C(nft -f).
  returned: success
  type: str
drift:
  description: Missing, unexpected and different settings and rules in the kernel, if the files were as planned.
  returned: success
  type: list
  elements: str
  sample: ["table ip fleetnet differs from the plan"]
kept:
  description:
    - Files of this collection that O(state=absent) keeps. C(/etc/sysctl.d/60-fleetnet.conf) enables forwarding at
      boot, which an engine with the nftables firewall backend requires to start.
  returned: success
  type: list
  elements: str
  sample: []
differences:
  description: How the host differed from the plan, in files, kernel and units. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the thing that differs, for example V(file), V(table) or V(unit).
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
kernel:
  description:
    - Kernel settings that affect forwarding, as observed before the change. Required settings are set, and kept in
      C(/etc/fleetnet/sysctl.conf). The others are reported for information.
  returned: O(state=present)
  type: list
  elements: dict
  contains:
    name:
      description: The setting, or the policy of iptables' chain C(FORWARD).
      type: str
    value:
      description: The value before the change; V(null) if the kernel has no such setting.
      type: str
    needed:
      description: The required value; V(null) for any value.
      type: str
    why:
      description: The reason.
      type: str
  sample:
    - name: net.ipv4.ip_forward
      value: "0"
      needed: "1"
      why: required for containers to reach other networks and hosts; kept in /etc/fleetnet/sysctl.conf
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import bridge_routing
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.alone import apply_alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: apply_alone(bridge_routing.apply, Task.of(module, connect)),
        needs_root=True,
        argument_spec={**engine_argument_spec(), **bridge_routing.OPTIONS, **RUN_OPTION},
        required_if=bridge_routing.REQUIRED_IF,
    )


if __name__ == "__main__":
    main()
