#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_probes
short_description: Choose the probes that prove a fleet's reachability
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - From the policy and the containers that the hosts report, chooses which container probes which other, by which
    protocol and port. Every container on a declared network probes every other one with a ping, with each service that
    the policy opens at the target, and on a port that no line opens, so that denied traffic is probed too.
  - For each two hosts and networks between which a ping is allowed, one more ping is as large as the smaller MTU of the
    two networks, and must not be fragmented. It proves that the path carries packets of this size.
  - Published ports are probed from each other host, at the declared addresses of their host. A container of each other
    network there probes them, and the host itself if a policy line limits what the world may reach. If no NAT rule
    forwards a port, docker-proxy does, and only denied traffic is probed. If there are more published ports and hosts
    than O(pairs_at_most), each port is probed from one host, in rotation.
  - A container of each network and host probes hosts, and hosts probe it, as far as lines of the policy limit this
    traffic. The remote API of the engines, and the addresses of containers from outside, are always closed to it.
  - Containers on bridge networks that are not declared, docker0 among them, probe containers of declared networks, and
    these probe them on their own host. If the network is in the supernet, those of other hosts do so, too. At most 64
    such networks per host take part.
  - A container on several networks is probed on each of them. It sends only the probes about the address that its
    kernel chooses for the target.
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
  observed:
    description:
      - The name of the variable under which each host's result of M(fleetnet.docker.network_info) is registered, with
        C(containers) gathered, C(networks) for their MTU, C(ports) for published ports and RV(host_ports),
        and C(links) for RV(unprobed_addresses).
    type: str
    required: true
  plan:
    description:
      - The name of the variable under which the result of M(fleetnet.docker.fleet_plan) is registered, for
        RV(wrong_networks).
    type: str
  outside:
    description:
      - Hosts of the inventory outside of the fleet that probe its published ports, as the world. The IP version of
        their C(ansible_host) is probed, IPv4 if it is a name. Ports that lines open to addresses, and not to the world,
        are not probed.
    type: list
    elements: str
    default: []
  containers_per_network:
    description: The maximum number of containers per network and host, in the order of their names.
    type: int
    default: 3
  pairs_at_most:
    description:
      - The approximate maximum number of pairs of containers on declared networks. Of more pairs, a sample is probed,
        which is the same for the same fleet.
      - The sample covers every two hosts, by a pair with an allowed service if one exists, and every two networks,
        between hosts and on one host. If coverage requires more pairs, the maximum is exceeded.
    type: int
    default: 20000
seealso:
  - module: fleetnet.docker.reachability_info
  - module: fleetnet.docker.fleet_report
"""

EXAMPLES = r"""
- name: Gather facts about containers
  fleetnet.docker.network_info:
    gather: [containers, networks]
  register: gathered

- name: Choose the probes
  fleetnet.docker.fleet_probes:
    policy: "{{ docker_fleet_plan.policy }}"
    observed: gathered
  register: chosen
  run_once: true

- name: Send the probes
  fleetnet.docker.reachability_info:
    probes: "{{ chosen.hosts[inventory_hostname] }}"
"""

RETURN = r"""
hosts:
  description: The probes of each host, for M(fleetnet.docker.reachability_info).
  returned: success
  type: dict
outside:
  description: The probes of the hosts in O(outside), for M(fleetnet.docker.reachability_info).
  returned: success
  type: dict
probes:
  description: The number of probes of all hosts.
  returned: success
  type: int
listen:
  description: The addresses and ports to listen on at each host, for M(fleetnet.docker.probe_observer).
  returned: success
  type: dict
token_seed:
  description:
    - What decides the numbers of the probes, different ones for each container and service. It differs between runs, so
      that no probe belongs to a connection that the kernel still tracks from an earlier run.
  returned: success
  type: int
endpoints:
  description:
    - The addresses of the containers that take part, with the addresses and C(ports) at which their hosts publish them,
      and of the hosts themselves (C(kind) is V(host), and V(gateway) for their addresses on networks).
      Those of containers on undeclared networks have the kind V(undeclared).
  returned: success
  type: list
  elements: dict
  sample:
    - host: h1
      container: web1
      network: web
      address: 10.64.1.2
      mtu: 1500
container_subnets:
  description:
    - The subnets whose addresses are those of containers. What arrives from another container than the prober is not
      the probe.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host that reports an undeclared subnet, V(none) for a declared one.
      type: str
    subnet:
      description: The subnet.
      type: str
    gateways:
      description: The addresses in it that are the host's.
      type: list
      elements: str
  sample:
    - host: null
      subnet: 10.64.0.0/20
      gateways: [10.64.0.1, 10.64.1.1]
host_ports:
  description:
    - Policy lines that name the host's port of a published port instead of the container's. Empty without C(ports) in
      the reports.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: The line with its path.
      type: str
    host_port:
      description: The host's port, which the line names.
      type: int
    port:
      description: The container's port.
      type: int
    containers:
      description: The containers that publish it, with their hosts.
      type: list
      elements: str
  sample:
    - line: "docker_fleet_policy[0]: world -> web: tcp/9000"
      host_port: 9000
      port: 80
      containers: [shop on h1]
host_findings:
  description:
    - Rules of the engine, and IPv4 addresses of bridges, that are missing on hosts, for
      M(fleetnet.docker.fleet_report). Without C(engine), C(masquerade), C(forwarded), C(networks) and C(links) in the
      reports, they are not checked.
  returned: success
  type: list
  elements: dict
wrong_networks:
  description:
    - Declared networks that a host does not have, or has with other subnets. Empty without O(plan), and without
      C(networks) in the reports.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
    network:
      description: The network.
      type: str
    declared:
      description: Its subnets in the plan.
      type: list
      elements: str
    observed:
      description: The subnets that the host reports, V(none) without the network.
      type: list
      elements: str
  sample:
    - host: h2
      network: web
      declared: [10.64.17.0/24]
      observed: [172.18.0.0/16]
unprobed_addresses:
  description:
    - Addresses of the hosts' underlay interfaces that are not declared, at which containers publish ports. They are not
      probed. Empty without C(links) in the reports.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
    address:
      description: The address.
      type: str
    containers:
      description: The containers that publish ports there.
      type: list
      elements: str
  sample:
    - host: h2
      address: fd5a:1::12
      containers: [shop]
unprobed:
  description: Containers that get no probes, by host and network.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
    network:
      description: The network, or the networks of a container on several. Without any, the container's network mode.
      type: str
    containers:
      description: The names of the containers.
      type: list
      elements: str
    reason:
      description:
        - V(undeclared) if the network is not declared and is internal or not a bridge, V(host_network) if it belongs to
          this host alone, V(internal) if the engine isolates it, V(not_routed) if hosts do not forward its packets
          (macvlan, ipvlan, overlay).
        - V(several_networks) if none of the container's networks is probed, V(no_address) if the engine reports none,
          V(no_network) if it is on no network, V(host_mode) and V(shared) if it uses the network
          namespace of the host or of another container, V(stopped) if it does not run, V(not_chosen) if
          O(containers_per_network) excludes it, or more than 64 undeclared networks on the host have containers.
        - V(not_planned) if the network is declared and the container's address is not in the plan, because of which
          M(fleetnet.docker.fleet_report) fails.
      type: str
  sample:
    - host: h2
      network: mail
      containers: [m1, m2]
      reason: host_network
"""
