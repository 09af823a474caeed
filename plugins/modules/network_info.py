#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Gather facts about a Docker host's networks
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Returns facts about a host's networking in one task. These are the engine, its networks, its running containers with
    their interfaces and published ports, the kernel's interfaces, routes and forwarding settings, the packet filters,
    the name servers, and the addresses of the connection that Ansible uses.
  - The module changes nothing on the host.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
options:
  gather:
    description:
      - The parts to return. Fewer parts take less time.
      - V(engine), V(networks), V(containers), V(container_details), V(interfaces), V(ports) and V(stopped) query the
        engine. The other parts also work on a host without Docker.
      - V(container_details) includes V(containers), and inspects each running container for its process ID and its
        aliases.
      - V(interfaces) includes V(container_details), and enters the network namespace of each container. This requires
        root.
      - V(ports) includes V(containers), and finds the NAT rules and proxies of their published ports. This requires
        root, and so do V(masquerade), V(forwarded) and V(firewall).
    type: list
    elements: str
    choices:
      - engine
      - networks
      - containers
      - container_details
      - interfaces
      - ports
      - stopped
      - masquerade
      - forwarded
      - links
      - routes
      - forwarding
      - firewall
      - resolver
      - control_path
    default:
      - engine
      - networks
      - containers
      - container_details
      - interfaces
      - ports
      - stopped
      - masquerade
      - forwarded
      - links
      - routes
      - forwarding
      - firewall
      - resolver
      - control_path
notes:
  - The engine must run on the host on which the module runs. Otherwise interfaces, routes and process IDs are those of
    another host.
seealso:
  - module: fleetnet.docker.reachability_info
"""

EXAMPLES = r"""
- name: Gather all facts
  fleetnet.docker.network_info:
  register: gathered

- name: Fail if IPv4 forwarding is disabled
  ansible.builtin.assert:
    that: gathered.network_info.forwarding.ipv4

- name: Gather only what an address plan must not overlap
  fleetnet.docker.network_info:
    gather: [networks, links, routes, resolver, control_path]
  register: gathered

- name: Show the published ports of containers with their NAT rules
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.ports }}"
  loop: "{{ gathered.network_info.containers | selectattr('ports') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Show the networks that this collection manages
  ansible.builtin.debug:
    msg: "{{ gathered.network_info.networks | selectattr('managed') | map(attribute='name') }}"
"""

RETURN = r"""
changed:
  description: Always V(false). The module changes nothing on the host.
  returned: success
  type: bool
  choices: [false]
network_info:
  description: The facts. Only the parts in O(gather) are set.
  returned: success
  type: dict
  contains:
    engine:
      description: The engine.
      returned: if O(gather) contains V(engine)
      type: dict
      contains:
        version:
          description: The engine's release.
          returned: success
          type: str
          sample: 28.5.2
        api_version:
          description: The newest API version that the engine supports.
          returned: success
          type: str
          sample: "1.51"
        live_restore:
          description: Whether containers keep running while the daemon is stopped.
          returned: success
          type: bool
        iptables:
          description:
            - Whether the daemon writes firewall rules, according to its command line and C(daemon.json).
            - V(none) if these cannot be read.
          returned: success
          type: bool
        firewall_backend:
          description:
            - The engine's firewall backend. V(iptables), V(iptables+firewalld) or V(nftables).
            - Engines before 28.1 do not report it, and support only V(iptables).
          returned: success
          type: str
        containers_running:
          description: The number of running containers.
          returned: success
          type: int
    networks:
      description: The engine's networks, sorted by name.
      returned: if O(gather) contains V(networks)
      type: list
      elements: dict
      contains:
        name:
          description: The network's name.
          returned: success
          type: str
        id:
          description: The network's ID.
          returned: success
          type: str
        driver:
          description: The network's driver.
          returned: success
          type: str
        scope:
          description: V(local), V(swarm) or V(global).
          returned: success
          type: str
        internal:
          description: Whether the network is isolated from external networks.
          returned: success
          type: bool
        attachable:
          description: Whether standalone containers can join a swarm network.
          returned: success
          type: bool
        managed:
          description: >-
            Whether this collection manages the network. Its label C(io.fleetnet.managed) is then V(true), or the host's
            record has it as adopted.
          returned: success
          type: bool
        labels:
          description: The network's labels.
          returned: success
          type: dict
        options:
          description: The driver's options.
          returned: success
          type: dict
        subnets:
          description: The network's IPv4 and IPv6 subnets.
          returned: success
          type: list
          elements: dict
          contains:
            subnet:
              description: The subnet in CIDR notation.
              returned: success
              type: str
            gateway:
              description: The gateway's address. V(none) without a gateway.
              returned: success
              type: str
            ip_range:
              description: The part of the subnet from which containers get addresses. V(none) for the whole subnet.
              returned: success
              type: str
            aux_addresses:
              description: Addresses that the engine does not assign to containers, by name.
              returned: success
              type: dict
        bridge:
          description: The name of the bridge interface. V(none) for a driver other than V(bridge).
          returned: success
          type: str
          sample: docker0
        ipv6:
          description: Whether IPv6 is enabled on the network.
          returned: success
          type: bool
    containers:
      description: The running containers, sorted by name.
      returned: if O(gather) contains V(containers), V(container_details), V(interfaces) or V(ports)
      type: list
      elements: dict
      contains:
        name:
          description: The container's name.
          returned: success
          type: str
        id:
          description: The container's ID.
          returned: success
          type: str
        pid:
          description:
            - Process ID of the container's first process. V(none) without V(container_details) and V(interfaces).
          returned: success
          type: int
        mode:
          description:
            - The container's network mode. V(bridge) for the default bridge, V(user-defined), V(none), V(host), or
              C(container:NAME) if it shares the network namespace of another container.
          returned: success
          type: str
        networks:
          description: The networks to which the container is attached, sorted by name.
          returned: success
          type: list
          elements: dict
          contains:
            network:
              description: The network's name.
              returned: success
              type: str
            ipv4:
              description: The container's IPv4 address with its prefix length.
              returned: success
              type: str
            ipv6:
              description: The container's IPv6 address with its prefix length.
              returned: success
              type: str
            mac:
              description: The MAC address.
              returned: success
              type: str
            gateway:
              description: The IPv4 gateway on this network.
              returned: success
              type: str
            ipv6_gateway:
              description: The IPv6 gateway on this network.
              returned: success
              type: str
            aliases:
              description: DNS names of the container on this network. V(none) without V(container_details).
              returned: success
              type: list
              elements: str
            fixed:
              description: The addresses that the configuration of the container sets, as C(docker run --ip) does.
              returned: if the configuration of the container sets an address
              type: list
              elements: str
        namespace:
          description: The inode of the container's network namespace. Containers that share a namespace have the same.
          returned: if O(gather) contains V(interfaces)
          type: int
        shares_namespace_with:
          description: The names of other containers in the same network namespace.
          returned: if O(gather) contains V(interfaces)
          type: list
          elements: str
        interfaces:
          description:
            - The interfaces in the container's network namespace, sorted by index, as the kernel reports them.
            - Empty for mode V(host), because these containers use the host's interfaces.
          returned: if O(gather) contains V(interfaces)
          type: list
          elements: dict
          contains:
            name:
              description: The interface's name.
              returned: success
              type: str
            index:
              description: The interface's index.
              returned: success
              type: int
            mac:
              description: The MAC address. V(none) for C(lo).
              returned: success
              type: str
            mtu:
              description: The interface's MTU, in bytes.
              returned: success
              type: int
            state:
              description: V(up), V(unknown), V(down) if the interface is down, V(lowerlayerdown) if its peer is down.
              returned: success
              type: str
            addresses:
              description: Addresses with their prefix lengths.
              returned: success
              type: list
              elements: str
            network:
              description: The interface's Docker network. V(none) for an interface that Docker did not create.
              returned: success
              type: str
            gateway:
              description: The gateway of the IPv4 default route through this interface. V(none) without one.
              returned: success
              type: str
            gateway_v6:
              description: The gateway of the IPv6 default route through this interface. V(none) without one.
              returned: success
              type: str
            peer:
              description: The host's end of the veth pair. V(none) for another kind of interface.
              returned: success
              type: str
            bridge:
              description: The bridge to which the host's end is attached.
              returned: success
              type: str
        ports:
          description: The published ports, one entry per address and port of the host.
          returned: if O(gather) contains V(ports)
          type: list
          elements: dict
          contains:
            port:
              description: The container's port.
              returned: success
              type: int
            protocol:
              description: V(tcp), V(udp) or V(sctp).
              returned: success
              type: str
            host_address:
              description: The host's address. V(0.0.0.0) and V(::) stand for all addresses.
              returned: success
              type: str
            host_port:
              description: The host's port.
              returned: success
              type: int
            nat_rules:
              description: The rules that forward this port to the container, as C(iptables -S) prints them.
              returned: success
              type: list
              elements: str
            proxy_pid:
              description: The process ID of the userland proxy. V(none) without one.
              returned: success
              type: int
    links:
      description: The interfaces of the host's own network namespace, sorted by index.
      returned: if O(gather) contains V(links)
      type: list
      elements: dict
      contains:
        name:
          description: The interface's name.
          returned: success
          type: str
        index:
          description: The interface's index.
          returned: success
          type: int
        kind:
          description: V(bridge), V(veth), V(vxlan) and so on. V(none) for a physical interface.
          returned: success
          type: str
        mtu:
          description: The interface's MTU, in bytes.
          returned: success
          type: int
        state:
          description: The operational state, in lower case.
          returned: success
          type: str
          sample: up
        master:
          description: The bridge or other interface to which this one is attached.
          returned: success
          type: str
        mac:
          description: The link-layer address.
          returned: success
          type: str
        addresses:
          description: Addresses with their prefix lengths.
          returned: success
          type: list
          elements: str
    routes:
      description: The routes of all tables except the local one, with one entry per next hop.
      returned: if O(gather) contains V(routes)
      type: list
      elements: dict
      contains:
        destination:
          description: The destination subnet. Default routes have V(0.0.0.0/0) and V(::/0).
          returned: success
          type: str
        gateway:
          description: The next hop's address. V(none) for a directly connected subnet.
          returned: success
          type: str
        device:
          description: The outgoing interface.
          returned: success
          type: str
        protocol:
          description:
            - Number of the routing protocol, or its name if iproute2 reports only that. Routes of this collection have
              213, the kernel's own 2.
          returned: success
          type: raw
        table:
          description: Number of the routing table. The main table is 254.
          returned: success
          type: int
        type:
          description: V(unicast), V(blackhole), V(unreachable), V(prohibit) and so on.
          returned: success
          type: str
        metric:
          description: The route's metric. The lowest metric wins.
          returned: success
          type: int
    forwarding:
      description: Forwarding settings of the kernel. V(none) if the kernel does not have a setting.
      returned: if O(gather) contains V(forwarding)
      type: dict
      contains:
        ipv4:
          description: Whether IPv4 is forwarded.
          returned: success
          type: bool
        ipv6:
          description: Whether IPv6 is forwarded on all interfaces.
          returned: success
          type: bool
        bridge_nf_call_iptables:
          description: Whether bridged IPv4 packets pass through iptables. V(none) without br_netfilter.
          returned: success
          type: bool
        bridge_nf_call_ip6tables:
          description: Whether bridged IPv6 packets pass through ip6tables. V(none) without br_netfilter.
          returned: success
          type: bool
        rp_filter:
          description:
            - The reverse path filter by interface, and of V(all) and V(default).
            - The larger value of the interface and of V(all) is in effect.
          returned: success
          type: dict
    firewall:
      description: The packet filters of the host.
      returned: if O(gather) contains V(firewall)
      type: dict
      contains:
        forward_policy:
          description: The policy of iptables' chain FORWARD, by V(ipv4) and V(ipv6). V(none) without iptables.
          returned: success
          type: dict
        tables:
          description: The tables of nftables, including those of iptables-nft.
          returned: success
          type: list
          elements: str
        owned:
          description: Whether a table of this collection is loaded.
          returned: success
          type: bool
        rules:
          description: The iptables rules of this collection and the jumps to them, with C(family) and C(table).
          returned: success
          type: list
          elements: dict
        services:
          description: Whether other services that write rules are active, by name.
          returned: success
          type: dict
        units:
          description: The systemd units of this collection, with C(name), C(active) and C(enabled).
          returned: success
          type: list
          elements: dict
    stopped:
      description: The containers that do not run, sorted by name.
      returned: if O(gather) contains V(stopped)
      type: list
      elements: dict
      contains:
        name:
          description: The container's name.
          returned: success
          type: str
        networks:
          description: The networks that the container joins when it starts.
          returned: success
          type: list
          elements: str
        fixed:
          description: The addresses that the configuration of the container sets on these networks.
          returned: if the configuration of the container sets an address
          type: list
          elements: str
    masquerade:
      description: The subnets whose packets a NAT rule gives the host's address, in the order of the rules.
      returned: if O(gather) contains V(masquerade)
      type: list
      elements: str
    forwarded:
      description:
        - The interfaces from which the chain FORWARD of iptables accepts IPv4 packets to other interfaces, sorted. Only
          rules without other conditions count.
        - V(none) if the policy of the chain is not DROP, or if a rule accepts all packets.
      returned: if O(gather) contains V(forwarded)
      type: list
      elements: str
    resolver:
      description: Addresses of the host's name servers, including those behind the stub of systemd-resolved.
      returned: if O(gather) contains V(resolver)
      type: list
      elements: str
    control_path:
      description: The two ends of Ansible's SSH connection. V(none) for another kind of connection.
      returned: if O(gather) contains V(control_path)
      type: dict
      contains:
        client:
          description: The controller's address, as the host sees it.
          returned: success
          type: str
        server:
          description: The host's own address.
          returned: success
          type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import ENGINE_PARTS, PARTS, survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.privilege import require_root
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

PRIVILEGED_PARTS = frozenset(("interfaces", "ports", "masquerade", "forwarded", "firewall"))


def gather_facts(module: AnsibleModule) -> dict[str, t.Any]:
    task = Task.of(module, connect)
    parts = task.params["gather"]
    if PRIVILEGED_PARTS.intersection(parts):
        # Without root, namespaces and rules would be reported as empty.
        require_root()
    engine = task.engine() if ENGINE_PARTS.intersection(parts) else None
    found = survey(parts, task.commands, engine)
    return {"changed": False, "network_info": found}


def main() -> None:
    gather = {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)}
    run_module(gather_facts, argument_spec=dict(engine_argument_spec(), gather=gather))


if __name__ == "__main__":
    main()
