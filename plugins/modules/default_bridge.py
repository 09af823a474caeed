#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: default_bridge
short_description: Manage docker0 and the Docker daemon's addressing
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Manages the default bridge (C(docker0)) and the keys of C(daemon.json) for addresses, forwarding and name servers.
  - The declared keys are merged into the daemon's file. Other keys, their order, the indentation and the file's mode,
    owner and symbolic link stay unchanged. A copy of the former file is kept next to the new one.
  - The module validates the new content first, by its own checks and by C(dockerd --validate) if the engine supports it
    (23.0 and newer), together with the flags of the running unit.
  - The daemon is restarted only if a declared value is not yet I(in effect) in the running daemon, and only reloaded if
    that is sufficient. A key that the daemon has in effect by default is written without a restart.
  - After a restart the module verifies that the engine answers, that docker0 has the declared properties and that all
    containers run again. Otherwise it restores the former file, starts the daemon with it, and fails with the errors
    from the daemon's log.
  - If a run was killed, the next one completes it.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
  - fleetnet.docker.run
options:
  bip:
    description: IPv4 address of docker0 with its prefix length.
    type: str
  bip6:
    description: IPv6 address of docker0 with its prefix length. Requires engine 28.0.
    type: str
  fixed_cidr:
    description: Part of docker0's IPv4 subnet from which containers get addresses.
    type: str
  fixed_cidr_v6:
    description: IPv6 subnet from which containers on docker0 get addresses.
    type: str
  mtu:
    description: MTU of docker0 and its containers in bytes. Does not apply to user-defined networks.
    type: int
  default_gateway:
    description: IPv4 default gateway of containers on docker0, if it is not docker0 itself.
    type: str
  default_gateway_v6:
    description: IPv6 default gateway of containers on docker0, if it is not docker0 itself.
    type: str
  icc:
    description: Whether containers on docker0 can reach each other.
    type: bool
  ip:
    description: Default host address for published ports of containers on docker0.
    type: str
  ip_masq:
    description: Whether outgoing traffic of containers on docker0 is masqueraded.
    type: bool
  ip_forward:
    description: Whether the daemon enables IP forwarding in the kernel.
    type: bool
  ip_forward_no_drop:
    description:
      - Prevents the daemon from setting the policy of the C(FORWARD) chain to DROP when it enables forwarding.
      - Requires engine 28.0.
    type: bool
  ipv6:
    description: Whether docker0 has IPv6. Engines before 27.0 require O(fixed_cidr_v6) with it.
    type: bool
  iptables:
    description: Whether the daemon creates firewall rules for IPv4.
    type: bool
  ip6tables:
    description: Whether the daemon creates firewall rules for IPv6. Engines before 27.0 require C(experimental).
    type: bool
  userland_proxy:
    description: Whether docker-proxy also serves published ports, for connections from the host itself.
    type: bool
  default_address_pools:
    description: Address pools for networks that are created without a subnet.
    type: list
    elements: dict
    suboptions:
      base:
        description: The network that is divided into subnets.
        type: str
        required: true
      size:
        description: The prefix length of the subnets.
        type: int
        required: true
  default_network_opts:
    description:
      - Default driver options of new networks, by driver. Requires engine 24.0.
      - "For example C({bridge: {com.docker.network.driver.mtu: 1450}})."
    type: dict
  allow_direct_routing:
    description:
      - Whether other hosts can reach containers at their own addresses. Requires engine 28.2.
      - With O(firewall_backend=nftables), policy lines for docker0 and undeclared networks require it.
    type: bool
  bridge_accept_fwmark:
    description:
      - Accept packets with this firewall mark, C(MARK) or C(MARK/MASK). Requires engine 29.0.
      - With O(firewall_backend=nftables), policy lines that allow packets to docker0 and undeclared networks require
        V(0x2000000/0x2000000).
    type: str
  firewall_backend:
    description:
      - The daemon's backend for firewall rules. Requires engine 29.0.
      - V(nftables) requires that forwarding is enabled on the host. C(fleetnet.docker.docker_routing) describes what
        else differs.
    type: str
    choices: [iptables, nftables]
  dns:
    description: Name servers of containers.
    type: list
    elements: str
  dns_opts:
    description: Resolver options of containers.
    type: list
    elements: str
  dns_search:
    description: Search domains of containers.
    type: list
    elements: str
  live_restore:
    description: Whether containers keep running while the daemon is down.
    type: bool
  bridge:
    description:
      - The bridge of the default network. V(docker0) is the engine's own, V(none) disables the default network.
      - Any other name is a bridge that this module creates in place of docker0, with O(bip), O(bip6) and O(mtu).
      - The unit C(fleetnet-default-bridge.service) creates it before the daemon starts.
    type: str
  allow_overlap:
    description:
      - Networks that docker0's subnet may overlap with although the host has a route or an interface to them.
      - Without it the module rejects a new subnet that overlaps with an interface, a route or a Docker network.
    type: list
    elements: str
    default: []
  unset:
    description:
      - Options whose keys are removed from C(daemon.json), so that the engine's default applies.
      - Without O(bip) the engine keeps docker0's address as long as docker0 exists.
      - An option cannot be both declared and unset.
    type: list
    elements: str
    default: []
  allow_restart:
    description:
      - Allows interrupting running containers if the change requires it. They are started again afterwards.
      - Without it the task fails before it changes anything, and lists the containers that would be interrupted.
      - Not required if no container runs, or if live restore keeps containers running.
    type: bool
    default: false
  restart_timeout:
    description:
      - Maximum time in seconds for the daemon to start with the new configuration. The former one, which is restored
        if the daemon does not start, has at least 180 seconds.
    type: int
    default: 90
  service:
    description: The daemon's systemd unit.
    type: str
    default: docker.service
requirements:
  - systemd and iproute2 on the host
notes:
  - The module must run on the host whose daemon it manages, as root. Use C(become).
seealso:
  - module: fleetnet.docker.networks
  - name: dockerd
    description: Reference of the daemon and its configuration file.
    link: https://docs.docker.com/reference/cli/dockerd/
"""

EXAMPLES = r"""
- name: Set docker0's address and the address pools of other networks
  fleetnet.docker.default_bridge:
    bip: 10.64.0.1/24
    mtu: 1500
    default_address_pools:
      - base: 10.64.8.0/21
        size: 24

- name: Change docker0's subnet on a host with running containers
  fleetnet.docker.default_bridge:
    bip: 10.64.0.1/24
    fixed_cidr: 10.64.0.128/25
    allow_restart: true

- name: Isolate containers on docker0 and disable the userland proxy
  fleetnet.docker.default_bridge:
    icc: false
    userland_proxy: false

- name: Return to the engine's own choice for docker0
  fleetnet.docker.default_bridge:
    unset: [bip, fixed_cidr]
"""

RETURN = r"""
operations:
  description: The operations, one line each, in order. In check mode, those that would be carried out.
  returned: success
  type: list
  elements: str
  sample:
    - write /etc/docker/daemon.json
    - "restart docker.service: bip 172.17.0.1/16 -> 10.64.0.1/24"
differences:
  description:
    - How the host differs from the declaration, before the run changes it.
    - "Each has a C(kind), C(daemon) for an option, C(file), or C(container) for one that an interrupted run stopped; a
      C(name), the option, the path or the container; a C(key), which is C(value), C(content) or C(state) (whether the
      file exists, whether the container runs); and the C(declared) and C(observed) values."
    - If the value in effect is unknown because C(daemon.json) is newer than the running daemon, C(observed) is a text
      that begins with V(unknown).
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: daemon, name: bip, key: value, declared: 10.64.0.1/24, observed: 172.17.0.1/16}
restarted:
  description: Whether the daemon was restarted, or would be in check mode.
  returned: success
  type: bool
interrupted:
  description: Names of the containers that were interrupted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [web-1]
configured:
  description: The options of this module that C(daemon.json) has after the run, or would have in check mode.
  returned: success
  type: dict
  sample: {bip: 10.64.0.1/24}
backup_file:
  description: Path of the copy of the former file.
  returned: when a file was replaced
  type: str
  sample: /etc/docker/daemon.json.4711.2026-01-31@12:00:00~
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import default_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.alone import apply_alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: apply_alone(default_bridge.apply, Task.of(module, connect)),
        needs_root=True,
        argument_spec={**engine_argument_spec(), **default_bridge.OPTIONS, **RUN_OPTION},
    )


if __name__ == "__main__":
    main()
