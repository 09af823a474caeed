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
  - Declares the default bridge (C(docker0)) and the keys of C(daemon.json) that decide about addresses, forwarding and
    name servers.
  - The declared keys are merged into the daemon's file. Other keys, their order, the indentation and the file's mode,
    owner and symbolic link stay as they are. The former file is kept beside the new one.
  - The new content is validated first, by our own checks and by C(dockerd --validate) where the engine has it
    (23.0 and newer), together with the flags of the running unit.
  - The daemon is restarted only where a declared value is not yet I(in effect) in the running daemon, and only reloaded
    where that is enough. A key that the daemon has in effect by default is written without a restart.
  - After a restart the engine has to answer, docker0 has to have the declared properties, and the containers that ran
    have to run again. Otherwise the former file is put back, the daemon is started with it, and the task fails with
    what the daemon's log says.
  - A run that was killed in the middle is finished by the next one.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
options:
  bip:
    description: IPv4 address of docker0 with its prefix length.
    type: str
  bip6:
    description: IPv6 address of docker0 with its prefix length. Needs engine 28.0.
    type: str
  fixed_cidr:
    description: The part of docker0's IPv4 network that containers get addresses from.
    type: str
  fixed_cidr_v6:
    description: The IPv6 network that containers on docker0 get addresses from.
    type: str
  mtu:
    description: MTU of docker0 and its containers in bytes. User-defined networks have their own.
    type: int
  default_gateway:
    description: IPv4 default gateway of containers on docker0, where it is not docker0 itself.
    type: str
  default_gateway_v6:
    description: IPv6 default gateway of containers on docker0, where it is not docker0 itself.
    type: str
  icc:
    description: Whether containers on docker0 reach each other.
    type: bool
  ip:
    description: Address of the host that ports of containers on docker0 are published at by default.
    type: str
  ip_masq:
    description: Whether the traffic of docker0's containers to the outside is masqueraded.
    type: bool
  ip_forward:
    description: Whether the daemon switches the kernel's IP forwarding on.
    type: bool
  ip_forward_no_drop:
    description:
      - Keeps the daemon from setting the policy of the C(FORWARD) chain to DROP when it switches forwarding on.
      - Needs engine 28.0.
    type: bool
  ipv6:
    description: Whether docker0 has IPv6. Engines before 27.0 need O(fixed_cidr_v6) with it.
    type: bool
  iptables:
    description: Whether the daemon makes firewall rules for IPv4.
    type: bool
  ip6tables:
    description: Whether the daemon makes firewall rules for IPv6. Engines before 27.0 need C(experimental) for it.
    type: bool
  userland_proxy:
    description: Whether published ports are served by a process as well, for connections from the host itself.
    type: bool
  default_address_pools:
    description: Where the engine takes the subnets of networks from that name none themselves.
    type: list
    elements: dict
    suboptions:
      base:
        description: The network that subnets are cut from.
        type: str
        required: true
      size:
        description: The prefix length of the subnets.
        type: int
        required: true
  default_network_opts:
    description:
      - Driver options that new networks get, by driver. Needs engine 24.0.
      - "For example C({bridge: {com.docker.network.driver.mtu: 1450}})."
    type: dict
  allow_direct_routing:
    description: Whether containers may be reached from outside the host at their own addresses. Needs engine 28.2.
    type: bool
  bridge_accept_fwmark:
    description: Packets with this firewall mark, C(MARK) or C(MARK/MASK), reach containers. Needs engine 29.0.
    type: str
  firewall_backend:
    description: What the daemon makes its rules with. Needs engine 29.0.
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
    description: Whether containers go on running while the daemon is down.
    type: bool
  bridge:
    description:
      - The bridge of the default network. V(docker0) is the engine's own, V(none) means that there is none.
      - Any other name is a bridge that this module makes in place of docker0, with O(bip), O(bip6) and O(mtu), by the
        unit C(fleetnet-default-bridge.service), which runs before the daemon at every start of the host.
    type: str
  allow_overlap:
    description:
      - Networks that docker0's subnet may overlap with although the host has a route or a link to them.
      - Without it a new subnet of docker0 that overlaps with any link, route or Docker network of the host is refused.
    type: list
    elements: str
    default: []
  unset:
    description:
      - Options whose keys are taken out of C(daemon.json), so that the engine's default holds.
      - Without O(bip) the engine keeps the address that docker0 has, as long as docker0 is there.
      - An option cannot be declared and unset at once.
    type: list
    elements: str
    default: []
  allow_restart:
    description:
      - Consent to the interruption of running containers, where the change needs it. They are started again afterwards.
      - Without it the task fails before anything is changed, and says which containers would be interrupted.
      - Hosts where no container runs, and restarts that live restore bridges over, need no consent.
    type: bool
    default: false
  restart_timeout:
    description: Seconds that the daemon may take to start.
    type: int
    default: 90
  service:
    description: The daemon's systemd unit.
    type: str
    default: docker.service
requirements:
  - systemd and iproute2 on the host
notes:
  - The module has to run on the host whose daemon it manages, as root. Use C(become).
seealso:
  - module: fleetnet.docker.networks
  - name: dockerd
    description: The reference of the daemon and its configuration file.
    link: https://docs.docker.com/reference/cli/dockerd/
"""

EXAMPLES = r"""
- name: Give docker0 its address, and the host's other networks addresses of their own
  fleetnet.docker.default_bridge:
    bip: 10.64.0.1/24
    mtu: 1500
    default_address_pools:
      - base: 10.64.8.0/21
        size: 24

- name: Move docker0 on a host where containers run
  fleetnet.docker.default_bridge:
    bip: 10.64.0.1/24
    fixed_cidr: 10.64.0.128/25
    allow_restart: true

- name: Keep containers on docker0 apart, without the userland proxy
  fleetnet.docker.default_bridge:
    icc: false
    userland_proxy: false

- name: Let docker0 follow the engine's own choice again
  fleetnet.docker.default_bridge:
    unset: [bip, fixed_cidr]
"""

RETURN = r"""
operations:
  description: What was done, or would be done in check mode, one line an operation, in order.
  returned: success
  type: list
  elements: str
  sample:
    - write /etc/docker/daemon.json
    - "restart docker.service: bip 172.17.0.1/16 -> 10.64.0.1/24"
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
backup_file:
  description: The copy of the former file.
  returned: when a file was replaced
  type: str
  sample: /etc/docker/daemon.json.4711.2026-01-31@12:00:00~
"""

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import default_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def main() -> None:
    run_module(
        lambda module: default_bridge.apply(Task.of(module, connect)),
        argument_spec={**engine_argument_spec(), **default_bridge.OPTIONS},
    )


if __name__ == "__main__":
    main()
