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
  - Docker cannot change a network. The module removes a network that differs, creates it again, and reconnects each
    container with its addresses, aliases, MAC address, links, driver options and gateway priority, without a restart.
    If a step fails, the module restores the former network and all its endpoints.
  - If the task is killed, or the host stops, while a network is recreated, the next run of the module finishes or
    undoes the step, with all endpoints. This counts as a change, and check mode predicts it. On hosts with
    C(fleetnet-reconciler.service), which M(fleetnet.docker.bridge_routing) and M(fleetnet.docker.host_routes) install,
    this also happens at boot, and within a minute after a kill.
  - The module checks everything before it changes anything. It does not change a network with containers unless
    O(allow_disconnect=true); the error names each container that would be disconnected.
  - The module does not change a network that it neither created nor adopted.
  - Every network that this module creates carries the label C(io.fleetnet.managed=true). The labels of an existing
    network cannot change, so it records those that it adopts in C(/var/lib/fleetnet/adopted-*.json), by
    engine and id.
  - If the engine fails to create a network, everything that the step made is removed, also a bridge that the engine
    leaves behind. If the task ends before that, the next run removes the bridge. It recognizes such a bridge by a
    record in C(/run/fleetnet/networks), which it writes before the request if the bridge does not exist, and removes
    it only if it has no ports and no network of the engine has it.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
  - fleetnet.docker.run
options:
  networks:
    description:
      - The networks of this host.
      - Their options have the names and meanings of those of M(community.docker.docker_network); some are additional.
        An option that is left out is not compared, and keeps its value if the network is recreated; see O(strict) for
        exceptions.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The name of the network. Networks are found by their full name only, never by an id or a part of it.
          - It cannot be one of the engine's own networks V(bridge), V(host) and V(none).
        type: str
        required: true
        aliases: [network_name]
      driver:
        description:
          - The driver, V(bridge), V(macvlan), V(ipvlan), V(overlay) or the name of a plugin.
          - The default for a new network is V(bridge).
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
          - The address blocks. Without one, the engine chooses a block of its address pools.
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
              - Reserved addresses, which the engine does not assign to containers, by name.
            type: dict
      enable_ipv4:
        description:
          - Whether the network has IPv4. V(false) requires engine 28.0 or newer.
        type: bool
      enable_ipv6:
        description:
          - Whether the network has IPv6. The default is V(true) with an IPv6 subnet in O(networks[].ipam_config).
        type: bool
      internal:
        description:
          - Whether the network is isolated from the outside.
        type: bool
      attachable:
        description:
          - Whether containers that do not belong to a service can join a network of a swarm.
        type: bool
      ingress:
        description:
          - Whether the network is the routing mesh of a swarm.
        type: bool
      scope:
        description:
          - The scope of the network. The default depends on the driver.
        type: str
        choices: [local, global, swarm]
      labels:
        description:
          - Labels of the network. Values become strings.
        type: dict
      config_only:
        description:
          - Whether this is only a configuration for other networks, which containers cannot join.
          - Engines from 29 on do not report the subnets of such a network. The module records them in the label
            C(io.fleetnet.ipam_config). Without this label, it compares the subnets of a network with
            O(networks[].config_from), and none if there is no such network.
        type: bool
      config_from:
        description:
          - The name of the configuration network (O(networks[].config_only=true)) of this network. Declare address
            blocks, labels and driver options there.
        type: str
      connected:
        description:
          - Names or ids of the network's containers. Others are disconnected unless O(networks[].appends=true); an
            empty list disconnects all. Without the option no container is connected or disconnected.
          - The option does not manage a container's address or aliases.
        type: list
        elements: str
        aliases: [containers]
      appends:
        description:
          - Leave containers connected that O(networks[].connected) does not list.
        type: bool
        default: false
        aliases: [incremental]
      adopt:
        description:
          - Whether this collection manages the network also if it exists without the label
            C(io.fleetnet.managed=true). If it fits the declaration, the module records it and changes nothing else.
            If it differs, the task fails before anything is changed, and names the differences.
          - A network that is adopted is recreated like others if its declaration changes later, with the same
            consents, and has the label then. Labels of other programs stay, also with O(strict).
          - The module does not remove an adopted network that is no longer declared. It forgets it with O(prune), and
            also if the network is declared without this option and fits. If it differs then, the task fails. Only
            O(state=absent) removes it.
          - If another program removes and creates the network, it has another id and is adopted again by the next run.
          - A network is refused if its bridge has ports that are not containers' interfaces, as an uplink or a virtual
            machine. Do not adopt a network on a bridge that other programs use, also if it has no such port yet.
        type: bool
        default: false
      adopt_keeps:
        description:
          - The options V(mtu), V(bridge_name), V(masquerade), V(gateway_mode_ipv4) and V(gateway_mode_ipv6) whose
            values an adopted network keeps. They apply to a network that this module creates or recreates.
          - A network without masquerading, or with gateway mode V(routed) or V(isolated), cannot keep it, and differs.
          - With V(masquerade), one whose driver options set a source address (C(com.docker.network.host_ipv4) or
            C(com.docker.network.host_ipv6)) that O(networks[].driver_options) lacks differs, too. With
            V(gateway_mode_ipv4), so does one with C(com.docker.network.bridge.trusted_host_interfaces).
        type: list
        elements: str
        default: []
      mtu:
        description:
          - The MTU of the network's interfaces (driver option C(com.docker.network.driver.mtu)).
        type: int
      bridge_name:
        description:
          - The name of the Linux bridge, at most 15 characters (driver option C(com.docker.network.bridge.name)).
          - It cannot be the name of an existing interface. To let the engine use an existing bridge, set the driver
            option instead.
        type: str
      masquerade:
        description:
          - Whether the engine masquerades traffic of containers that leaves the host (driver option
            C(com.docker.network.bridge.enable_ip_masquerade)).
        type: bool
      gateway_mode_ipv4:
        description:
          - How packets from outside reach containers (driver option C(com.docker.network.bridge.gateway_mode_ipv4)).
          - V(routed) requires engine 27.0 or newer, V(isolated) 28.0. Before 28 every network that is not V(routed)
            behaves like V(nat-unprotected), so this value is accepted and not set; likewise V(nat) before 27.
        type: str
        choices: [nat, nat-unprotected, routed, isolated]
      gateway_mode_ipv6:
        description:
          - As O(networks[].gateway_mode_ipv4), for IPv6.
        type: str
        choices: [nat, nat-unprotected, routed, isolated]
  state:
    description:
      - V(present) creates the declared networks, and recreates those that differ.
      - V(absent) removes the networks that O(networks) names, also those that this collection did not create.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description:
      - Remove networks that carry the label C(io.fleetnet.managed=true) and are not declared. Networks without it are
        never removed. Of adopted ones, only the record is.
    type: bool
    default: false
  on_drift:
    description:
      - The reaction to a network that differs from its declaration.
      - V(recreate) removes and creates it, V(warn) does not change it, V(fail) fails before anything is changed.
      - A network that neither carries the label C(io.fleetnet.managed=true) nor is adopted is never recreated. If it
        differs, the task fails before anything is changed, except with V(warn).
    type: str
    choices: [recreate, warn, fail]
    default: recreate
  allow_disconnect:
    description:
      - Whether to recreate or remove networks that have containers, running or stopped.
      - Otherwise the task fails before it changes anything, and names the containers.
    type: bool
    default: false
  strict:
    description:
      - Whether labels, address blocks, gateways, ranges and reserved addresses that are not declared are differences.
        Otherwise only declared ones are compared.
    type: bool
    default: false
notes:
  - Before the module disconnects the first container, it writes the networks and endpoints of the step to a journal in
    C(/var/lib/fleetnet/networks), which only root can read. It deletes the journal after the last container is
    connected again. As long as the former network exists, an interrupted step is undone, otherwise it is finished, with
    the addresses, aliases, links, MAC addresses, driver options and gateway priorities of the endpoints. Containers
    that no longer exist are left out, with a warning.
  - If an interrupted step cannot be finished, for example because another program created a network with the same name
    or an overlapping subnet, the task fails and names the obstacle. Networks of others are neither removed nor joined.
    Run the task again without the obstacle, or delete the journal to give up the endpoints.
  - Another user than root cannot keep a journal. The module then warns before it recreates a network.
  - Only one run at a time changes the networks of a host. Another one waits for up to a minute, and then fails.
  - A declared network that exists without the label C(io.fleetnet.managed=true) belongs to others. If it fits the
    declaration, the module leaves it as it is. If it differs, the task fails, whether the network has containers or
    not. To resolve this, declare the network as it is, declare another name, or disconnect its containers and remove it
    with C(docker network rm). O(prune) does not remove it. Only O(state=absent) removes it. With
    O(networks[].adopt=true), the module takes it over as it is.
  - A container whose address the engine chose keeps that address when its network is recreated. From then on it is a
    fixed address of the container. If the engine does not accept the address as a fixed one, the engine chooses
    another, and the module warns.
  - A recreate reconnects a container with its former address if the new subnet contains it. Otherwise the container
    gets another one, and the module warns.
  - A network with O(networks[].config_from) has the labels of its configuration network, the label of this collection
    included.
seealso:
  - module: community.docker.docker_network
author:
  - The fleetnet maintainers (@fleetnet)
"""

EXAMPLES = r"""
- name: Two networks with fixed subnets, and no others of this collection
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

- name: Show the containers that a change would interrupt
  fleetnet.docker.networks:
    networks:
      - name: web
        mtu: 1400
    allow_disconnect: true
  check_mode: true
  register: preview

- name: A network with IPv4 and IPv6, and without containers
  fleetnet.docker.networks:
    networks:
      - name: dual
        ipam_config:
          - subnet: 10.64.3.0/24
          - subnet: fd00:64:3::/64
        connected: []

- name: Take over a network of compose as it is
  fleetnet.docker.networks:
    networks:
      - name: shop_default
        ipam_config:
          - subnet: 172.18.0.0/16
        adopt: true

- name: Remove networks without containers
  fleetnet.docker.networks:
    networks:
      - name: web
      - name: db
    state: absent
"""

RETURN = r"""
operations:
  description: The operations, in check mode those of a run, one line each.
  returned: success
  type: list
  elements: str
  sample: ["create network web (bridge, 10.64.1.0/24)"]
differences:
  description: The differences between the declaration and the observed networks that the task ends.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(network), or V(file) for the journal of an interrupted run that left nothing to do.
      type: str
    name:
      description: The name of the network, or the path of the journal.
      type: str
    key:
      description: >-
        The option that differs, V(state) for what is missing or unexpected, or V(managed) for a network that is adopted
        or released.
      type: str
    declared:
      description: The declared value; null if absent.
      type: raw
    observed:
      description: The observed value; null if absent.
      type: raw
  sample: [{kind: network, name: web, key: mtu, declared: "1400", observed: "1500"}]
interrupted:
  description: The containers that are disconnected, or would be in check mode, if only temporarily.
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
    - The declared networks after the task, by name. In check mode those that would be created are missing.
    - Each has C(id), C(driver), C(bridge), the name of the Linux bridge and null for other drivers, C(subnets),
      C(gateways), and C(managed), whether this collection created or adopted the network.
  returned: success
  type: dict
  sample:
    web:
      id: 7d86d31b1478e7cca9ebed7e73aa0fdeec46c5ca29497431d3007d2d9e15ed99
      driver: bridge
      bridge: fn-web
      subnets: [10.64.1.0/24]
      gateways: [10.64.1.1]
      managed: true
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION, alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def apply(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    with alone(params["run"], module.check_mode, params["docker_host"]):
        return networks.apply(Task.of(module, connect))


def main() -> None:
    run_module(
        apply,
        argument_spec={**engine_argument_spec(), **networks.OPTIONS, **RUN_OPTION},
    )


if __name__ == "__main__":
    main()
