#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: networks
short_description: Manage the whole set of a host's user-defined Docker networks in one task
version_added: 0.1.0
description:
  - Creates the declared networks, recreates those that differ from their declaration, and on request removes those that
    are no longer declared.
  - Docker cannot change a network. What differs is removed and made again, and every container that was on it comes
    back with its addresses, aliases, MAC address, links, driver options and gateway priority, without a restart. If a
    step fails, the old network and all its endpoints are put back.
  - Everything is checked before anything is changed. A network with containers is not touched unless
    O(allow_disconnect=true); the refusal names every container that would be disconnected.
  - Every network that this module creates carries the label C(io.fleetnet.managed=true).
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
options:
  networks:
    description:
      - The networks of this host.
      - Their options have the names and meanings of those of M(community.docker.docker_network), and some of our
        own. An option that is left out is not compared, and keeps its value when the network has to be recreated; see
        O(strict) for what is compared all the same.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The name of the network. Networks are found by their full name only, never by an id or a part of it.
          - The engine's own networks V(bridge), V(host) and V(none) are refused.
        type: str
        required: true
        aliases: [network_name]
      driver:
        description:
          - The driver, V(bridge), V(macvlan), V(ipvlan), V(overlay) or the name of a plugin.
          - A new network is a V(bridge) unless this says otherwise.
        type: str
      driver_options:
        description:
          - Options for the driver. Values become strings, V(true) becomes V("true").
        type: dict
      ipam_driver:
        description:
          - The driver that manages addresses.
        type: str
      ipam_driver_options:
        description:
          - Options for the driver that manages addresses.
        type: dict
      ipam_config:
        description:
          - The address blocks. The engine chooses one from its address pools where none is given.
        type: list
        elements: dict
        suboptions:
          subnet:
            description:
              - The subnet in CIDR notation. It must not overlap that of another network.
            type: str
            required: true
          ip_range:
            description:
              - The part of the subnet that the engine takes containers' addresses from.
            type: str
            aliases: [iprange]
          gateway:
            description:
              - The gateway's address, by default the first of the subnet.
            type: str
          aux_addresses:
            description:
              - Addresses that no container is to get, by host name.
            type: dict
      enable_ipv4:
        description:
          - Whether the network has IPv4. V(false) needs engine 28.0 or newer.
        type: bool
      enable_ipv6:
        description:
          - Whether the network has IPv6. An IPv6 subnet in O(networks[].ipam_config) switches it on.
        type: bool
      internal:
        description:
          - Whether the network is cut off from the outside.
        type: bool
      attachable:
        description:
          - Whether containers that belong to no service can join a network of a swarm.
        type: bool
      ingress:
        description:
          - Whether the network is the routing mesh of a swarm.
        type: bool
      scope:
        description:
          - The scope of the network. It follows from the driver unless this says otherwise.
        type: str
        choices: [local, global, swarm]
      labels:
        description:
          - Labels of the network. Values become strings.
        type: dict
      config_only:
        description:
          - Whether this is a configuration that other networks are made from, and no network of its own.
        type: bool
      config_from:
        description:
          - The name of the configuration network (O(networks[].config_only=true)) that this network is made from.
            Address blocks, labels and driver options are then declared there.
        type: str
      connected:
        description:
          - Names or ids of the containers that are to be on the network. Others are disconnected unless
            O(networks[].appends=true); an empty list disconnects all. Without the option nobody is connected or
            disconnected.
          - Only whether a container is on the network is managed here, not its address or aliases.
        type: list
        elements: str
        aliases: [containers]
      appends:
        description:
          - Leave containers connected that O(networks[].connected) does not list.
        type: bool
        default: false
        aliases: [incremental]
      mtu:
        description:
          - The MTU of the network's devices (driver option C(com.docker.network.driver.mtu)).
        type: int
      bridge_name:
        description:
          - The name of the Linux bridge, at most 15 characters (driver option C(com.docker.network.bridge.name)).
          - A device of that name that is there already is refused. To have the engine take over a bridge of yours, give
            the driver option itself.
        type: str
      masquerade:
        description:
          - Whether the engine hides containers behind the host's address when they leave the host (driver option
            C(com.docker.network.bridge.enable_ip_masquerade)).
        type: bool
      gateway_mode_ipv4:
        description:
          - How packets from outside reach containers (driver option C(com.docker.network.bridge.gateway_mode_ipv4)).
          - V(routed) needs engine 27.0 or newer, V(isolated) 28.0. Engines before 28 treat every network that is not
            V(routed) as V(nat-unprotected), so there this value is accepted and nothing is set; likewise V(nat) before
            27.
        type: str
        choices: [nat, nat-unprotected, routed, isolated]
      gateway_mode_ipv6:
        description:
          - As O(networks[].gateway_mode_ipv4), for IPv6.
        type: str
        choices: [nat, nat-unprotected, routed, isolated]
  state:
    description:
      - V(present) has the declared networks as they are declared.
      - V(absent) removes the networks that O(networks) names, whoever made them.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description:
      - Remove networks that carry the label C(io.fleetnet.managed=true) and are not declared. Networks without it are
        never removed.
    type: bool
    default: false
  on_drift:
    description:
      - What to do about a network that differs from its declaration.
      - V(recreate) removes it and makes it again, V(warn) leaves it as it is, V(fail) fails before anything is changed.
    type: str
    choices: [recreate, warn, fail]
    default: recreate
  allow_disconnect:
    description:
      - Whether networks may be recreated or removed that containers are on, running or stopped.
      - Without it the task fails and names the containers, before anything is changed.
    type: bool
    default: false
  strict:
    description:
      - Whether labels, address blocks, gateways, ranges and reserved addresses that a network has and its declaration
        does not are differences. Without it, only what the declaration gives is compared.
    type: bool
    default: false
notes:
  - A network that is there already is adopted by declaring it. If it fits the declaration nothing is done to it. Since
    labels cannot be added to a network, it does not carry ours, and O(prune) does not remove it once it is no longer
    declared. It gets the label when it has to be recreated.
  - A container whose address the engine had chosen keeps that address when its network is recreated. From then on it is
    a fixed address of the container.
  - A recreate puts a container back with the address that it had where the new subnet holds it, else with another one,
    and warns about that.
  - A network that is made from a configuration network has the labels of that one, and so is ours if that one is.
seealso:
  - module: community.docker.docker_network
author:
  - The fleetnet maintainers (@fleetnet)
"""

EXAMPLES = r"""
- name: Two networks with fixed subnets, and nothing else that we made before
  fleetnet.docker.networks:
    networks:
      - name: web
        ipam_config:
          - subnet: 10.64.1.0/24
            gateway: 10.64.1.1
        bridge_name: fn-web
        masquerade: false
        gateway_mode_ipv4: nat-unprotected
      - name: db
        internal: true
        ipam_config:
          - subnet: 10.64.2.0/24
    prune: true
    strict: true

- name: See what a change would interrupt
  fleetnet.docker.networks:
    networks:
      - name: web
        mtu: 1400
    allow_disconnect: true
  check_mode: true
  register: preview

- name: A network with IPv4 and IPv6, and who is on it
  fleetnet.docker.networks:
    networks:
      - name: dual
        ipam_config:
          - subnet: 10.64.3.0/24
          - subnet: fd00:64:3::/64
        connected: []

- name: Remove networks that no container is on
  fleetnet.docker.networks:
    networks:
      - name: web
      - name: db
    state: absent
"""

RETURN = r"""
operations:
  description: What has been done, or would be done in check mode, one line each.
  returned: success
  type: list
  elements: str
  sample: ["create network web (bridge, 10.64.1.0/24)"]
interrupted:
  description: The containers that have been, or would be, disconnected, if only for a moment.
  returned: success
  type: list
  elements: dict
  contains:
    network:
      description: The name of the network.
      type: str
    container:
      description: The name of the container.
      type: str
    running:
      description: Whether the container runs.
      type: bool
    addresses:
      description: The addresses of the container on the network.
      type: list
      elements: str
networks:
  description:
    - The declared networks as they are now, by name. In check mode those that would be created are missing.
  returned: success
  type: dict
  contains:
    id:
      description: The id of the network.
      type: str
    driver:
      description: The driver.
      type: str
    bridge:
      description: The name of the Linux bridge; null for other drivers.
      type: str
    subnets:
      description: The subnets.
      type: list
      elements: str
    gateways:
      description: The gateways.
      type: list
      elements: str
    managed:
      description: Whether the network carries our label.
      type: bool
  sample:
    web:
      id: 7d86d31b1478e7cca9ebed7e73aa0fdeec46c5ca29497431d3007d2d9e15ed99
      driver: bridge
      bridge: fn-web
      subnets: [10.64.1.0/24]
      gateways: [10.64.1.1]
      managed: true
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: networks.apply(Task.of(module, connect)),
        argument_spec={**engine_argument_spec(), **networks.OPTIONS},
    )


if __name__ == "__main__":
    main()
