#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Tell the truth about a Docker host's networks
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Returns, in one task, what a host's networking is made of. This is the engine, its networks and its running
    containers with their links and published ports, the kernel's links and routes, forwarding switches, what filters
    packets, name servers, and the path that Ansible came in by.
  - Tells how the host differs from its part of the fleet's plan, if it is given that.
  - Nothing is changed on the host.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
options:
  gather:
    description:
      - The parts to return. Fewer parts cost less.
      - V(engine), V(networks), V(containers), V(container_details), V(interfaces) and V(ports) ask the engine, the
        others do not, and work on a host without Docker.
      - V(container_details) includes V(containers), and asks the engine about each running container, which gives its
        process id and its aliases.
      - V(interfaces) includes V(container_details), and looks into the network namespace of each container. This needs
        root.
      - V(ports) includes V(containers), and finds what carries their published ports. This needs root, and so does
        V(firewall).
    type: list
    elements: str
    choices:
      - engine
      - networks
      - containers
      - container_details
      - interfaces
      - ports
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
      - links
      - routes
      - forwarding
      - firewall
      - resolver
      - control_path
  slice:
    description:
      - The host's part of the plan, as M(fleetnet.docker.host_slice) takes it.
      - With it, RV(network_info.drift) lists the differences between the host and this part, as that module finds them
        in check mode.
    type: dict
    suboptions:
      default_bridge:
        description: The options of M(fleetnet.docker.default_bridge).
        type: dict
      bridge_routing:
        description: The options of M(fleetnet.docker.bridge_routing).
        type: dict
      networks:
        description: The options of M(fleetnet.docker.networks).
        type: dict
      host_routes:
        description: The options of M(fleetnet.docker.host_routes).
        type: dict
notes:
  - The engine must run on the host that the module runs on, or links, routes and process ids do not belong to it.
seealso:
  - module: fleetnet.docker.reachability_info
"""

EXAMPLES = r"""
- name: Look at everything
  fleetnet.docker.network_info:
  register: looked

- name: Refuse to go on where forwarding is off
  ansible.builtin.assert:
    that: looked.network_info.forwarding.ipv4

- name: Look only at what an address plan must not collide with
  fleetnet.docker.network_info:
    gather: [networks, links, routes, resolver, control_path]
  register: looked

- name: Tell where the ports of containers are published, and by what rules
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.ports }}"
  loop: "{{ looked.network_info.containers | selectattr('ports') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Fail where a network is not what was declared
  fleetnet.docker.network_info:
    gather: []
    slice:
      networks:
        networks:
          - name: web
            ipam_config: [{subnet: 10.64.1.0/24}]
  register: compared
  failed_when: compared.network_info.drift | length > 0

- name: Tell the networks that this collection owns
  ansible.builtin.debug:
    msg: "{{ looked.network_info.networks | selectattr('managed') | map(attribute='name') }}"
"""

RETURN = r"""
network_info:
  description: What was found. A part that O(gather) does not name is not there.
  returned: success
  type: dict
  contains:
    engine:
      description: The engine.
      returned: if O(gather) has V(engine)
      type: dict
      contains:
        version:
          description: The engine's release.
          returned: success
          type: str
          sample: 28.5.2
        api_version:
          description: The newest API version that the engine speaks.
          returned: success
          type: str
          sample: "1.51"
        live_restore:
          description: Whether containers outlive a stop of the daemon.
          returned: success
          type: bool
        iptables:
          description:
            - Whether the daemon writes firewall rules, by its command line and C(daemon.json).
            - V(none) where neither can be read.
          returned: success
          type: bool
        firewall_backend:
          description:
            - What the engine says it writes firewall rules with. V(iptables), V(iptables+firewalld) or V(nftables).
            - Engines before 28.1 do not tell, and know only V(iptables).
          returned: success
          type: str
        containers_running:
          description: How many containers run.
          returned: success
          type: int
    networks:
      description: The engine's networks, by name.
      returned: if O(gather) has V(networks)
      type: list
      elements: dict
      contains:
        name:
          description: The network's name.
          returned: success
          type: str
        id:
          description: The network's id.
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
          description: Whether the network has no way out.
          returned: success
          type: bool
        attachable:
          description: Whether containers may join a network of a swarm by hand.
          returned: success
          type: bool
        managed:
          description: Whether this collection owns the network, that is, its label C(io.fleetnet.managed) is V(true).
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
          description: The network's address ranges, IPv4 and IPv6.
          returned: success
          type: list
          elements: dict
          contains:
            subnet:
              description: The range, in CIDR notation.
              returned: success
              type: str
            gateway:
              description: The gateway's address. V(none) where there is none.
              returned: success
              type: str
            ip_range:
              description: The part of the range that containers get their addresses from. V(none) for all of it.
              returned: success
              type: str
            aux_addresses:
              description: Addresses that the engine keeps free, by name.
              returned: success
              type: dict
        bridge:
          description: The name of the bridge's link. V(none) for a driver other than V(bridge).
          returned: success
          type: str
          sample: docker0
        ipv6:
          description: Whether IPv6 is enabled on the network.
          returned: success
          type: bool
    containers:
      description: The running containers, by name.
      returned: if O(gather) has V(containers), V(container_details), V(interfaces) or V(ports)
      type: list
      elements: dict
      contains:
        name:
          description: The container's name.
          returned: success
          type: str
        id:
          description: The container's id.
          returned: success
          type: str
        pid:
          description:
            - Process id of the container's first process. V(none) without V(container_details) and V(interfaces).
          returned: success
          type: int
        mode:
          description:
            - Where the container's network comes from. V(bridge) for the default bridge, V(user-defined), V(none),
              V(host), or C(container:NAME) where it shares the network of another container.
          returned: success
          type: str
        networks:
          description: The networks that the container is attached to, by name.
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
              description: Names that the container is found by on this network. V(none) without V(container_details).
              returned: success
              type: list
              elements: str
        namespace:
          description: The inode of the container's network namespace. Those that share one have the same.
          returned: if O(gather) has V(interfaces)
          type: int
        shares_namespace_with:
          description: The names of other containers in the same network namespace.
          returned: if O(gather) has V(interfaces)
          type: list
          elements: str
        interfaces:
          description:
            - The links inside of the container's network namespace, by index, as the kernel has them there.
            - Empty for mode V(host), whose links are those of the host.
          returned: if O(gather) has V(interfaces)
          type: list
          elements: dict
          contains:
            name:
              description: The link's name.
              returned: success
              type: str
            index:
              description: The link's index.
              returned: success
              type: int
            mac:
              description: The MAC address. V(none) for C(lo).
              returned: success
              type: str
            mtu:
              description: The link's MTU, in bytes.
              returned: success
              type: int
            state:
              description: V(up), V(unknown), V(down) where the link is set down, V(lowerlayerdown) where its peer is.
              returned: success
              type: str
            addresses:
              description: Addresses with their prefix lengths.
              returned: success
              type: list
              elements: str
            network:
              description: The Docker network by which the link came. V(none) for one that Docker did not make.
              returned: success
              type: str
            gateway:
              description: The gateway of the IPv4 default route by this link. V(none) without one.
              returned: success
              type: str
            gateway_v6:
              description: The gateway of the IPv6 default route by this link. V(none) without one.
              returned: success
              type: str
            peer:
              description: The name of the other end of the veth pair, on the host. V(none) for another kind of link.
              returned: success
              type: str
            bridge:
              description: The bridge that the other end is a port of.
              returned: success
              type: str
        ports:
          description: The published ports, one entry for each address and port of the host.
          returned: if O(gather) has V(ports)
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
              description: The host's address. V(0.0.0.0) and V(::) are all of them.
              returned: success
              type: str
            host_port:
              description: The host's port.
              returned: success
              type: int
            nat_rules:
              description: The rules that send what comes for it to the container, as C(iptables -S) has them.
              returned: success
              type: list
              elements: str
            proxy_pid:
              description: The process id of the userland proxy. V(none) without one.
              returned: success
              type: int
    links:
      description: The links of the host's own network namespace, by index.
      returned: if O(gather) has V(links)
      type: list
      elements: dict
      contains:
        name:
          description: The link's name.
          returned: success
          type: str
        index:
          description: The link's index.
          returned: success
          type: int
        kind:
          description: V(bridge), V(veth), V(vxlan) and so on. V(none) for a physical link.
          returned: success
          type: str
        mtu:
          description: The link's MTU, in bytes.
          returned: success
          type: int
        state:
          description: The operational state, in lower case.
          returned: success
          type: str
          sample: up
        master:
          description: The bridge, or other link, that this one is a port of.
          returned: success
          type: str
        mac:
          description: The link layer's address.
          returned: success
          type: str
        addresses:
          description: Addresses with their prefix lengths.
          returned: success
          type: list
          elements: str
    routes:
      description: The routes of all tables but the local one. One with several next hops gives one entry for each.
      returned: if O(gather) has V(routes)
      type: list
      elements: dict
      contains:
        destination:
          description: The range that the route leads to. The default routes are V(0.0.0.0/0) and V(::/0).
          returned: success
          type: str
        gateway:
          description: The next hop's address. V(none) for a range that is on the link.
          returned: success
          type: str
        device:
          description: The link that the route goes out by.
          returned: success
          type: str
        protocol:
          description: Number of the program that made the route. Those of this collection have 213, the kernel's own 2.
          returned: success
          type: int
        table:
          description: Number of the routing table. The main one is 254.
          returned: success
          type: int
        type:
          description: V(unicast), V(blackhole), V(unreachable), V(prohibit) and so on.
          returned: success
          type: str
        metric:
          description: The route's metric. Lower goes first.
          returned: success
          type: int
    forwarding:
      description: Switches of the kernel. V(none) where the kernel does not have one.
      returned: if O(gather) has V(forwarding)
      type: dict
      contains:
        ipv4:
          description: Whether IPv4 is forwarded.
          returned: success
          type: bool
        ipv6:
          description: Whether IPv6 is forwarded on all links.
          returned: success
          type: bool
        bridge_nf_call_iptables:
          description: Whether bridged IPv4 frames go through the firewall. V(none) without br_netfilter.
          returned: success
          type: bool
        bridge_nf_call_ip6tables:
          description: Whether bridged IPv6 frames go through the firewall. V(none) without br_netfilter.
          returned: success
          type: bool
        rp_filter:
          description:
            - Reverse path filter by link, and of V(all) and V(default).
            - What holds on a link is the larger of its own and that of V(all).
          returned: success
          type: dict
    firewall:
      description: What filters packets on the host.
      returned: if O(gather) has V(firewall)
      type: dict
      contains:
        forward_policy:
          description: The policy of iptables' chain FORWARD, by V(ipv4) and V(ipv6). V(none) without iptables.
          returned: success
          type: dict
        tables:
          description: The tables of nftables, those of iptables-nft included.
          returned: success
          type: list
          elements: str
        owned:
          description: Whether a table of this collection is loaded.
          returned: success
          type: bool
        rules:
          description: The rules of iptables that are this collection's or jump to them, with C(family) and C(table).
          returned: success
          type: list
          elements: dict
        services:
          description: Whether other writers of rules are active, by name.
          returned: success
          type: dict
        units:
          description: The units of this collection, with C(name), C(active) and C(enabled).
          returned: success
          type: list
          elements: dict
    drift:
      description: The differences between the host and O(slice). Empty if there are none.
      returned: if O(slice) is given
      type: list
      elements: dict
      contains:
        kind:
          description:
            - V(network) for a Docker network, V(daemon) for an option of the daemon, V(file) or V(firewalld) for a
              file, V(unit) for a systemd unit, V(table), V(chain) or V(jump) for rules, V(route) for a route, V(sysctl)
              for a kernel parameter, V(host) for a plan that cannot be applied.
          returned: success
          type: str
        name:
          description: The name of the network, option, file, unit, table, chain, route or kernel parameter.
          returned: success
          type: str
        key:
          description:
            - The option that differs. V(state) for whether it exists, V(content) for a file's content, V(position) for
              a rule's position, V(refused) for a plan that cannot be applied.
          returned: success
          type: str
        declared:
          description: The declared value. V(none) if it must not exist.
          returned: success
          type: raw
        observed:
          description: The observed value. V(none) if it does not exist.
          returned: success
          type: raw
    resolver:
      description: Addresses of the host's name servers, with those behind the stub of systemd-resolved.
      returned: if O(gather) has V(resolver)
      type: list
      elements: str
    control_path:
      description: The two ends of the SSH connection that Ansible came in by. V(none) for another kind of connection.
      returned: if O(gather) has V(control_path)
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

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import engine_argument_spec
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import require_root
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import ENGINE_PARTS, PARTS, survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task

# Those of _host/parts/whole.py.
SLICE_PARTS = ("default_bridge", "bridge_routing", "networks", "host_routes")
PRIVILEGED_PARTS = frozenset(("interfaces", "ports", "firewall"))


def look(module: AnsibleModule) -> dict[str, t.Any]:
    task = Task.of(module)
    parts = task.params["gather"]
    if PRIVILEGED_PARTS.intersection(parts):
        # Without, namespaces and rules would look like none at all.
        require_root()
    engine = task.engine() if ENGINE_PARTS.intersection(parts) else None
    found = survey(parts, task.commands, engine)
    if task.params["slice"] is not None:
        # The code of all parts is more than what a look at a host needs, and Python compiles it on each run.
        from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import whole

        connection = {name: task.params[name] for name in engine_argument_spec()}
        found["drift"] = whole.drift(task, connection, task.params["slice"])
    return {"changed": False, "network_info": found}


def main() -> None:
    gather = {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)}
    part = {"type": "dict", "options": {name: {"type": "dict"} for name in SLICE_PARTS}}
    run_module(look, argument_spec=dict(engine_argument_spec(), gather=gather, slice=part))


if __name__ == "__main__":
    main()
