#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_endpoint
short_description: Manage the networks of a Docker container, and its addresses on them
version_added: 0.1.0
description:
  - Connects a container to networks, changes its endpoints there, and disconnects it, without recreating or restarting
    the container.
  - Docker cannot change an endpoint of a running container. The module disconnects an endpoint that differs and
    connects it again, with the observed values of options that are not declared. If that fails, it restores the former
    endpoint. If the task is killed in between, the next run of the module, or C(fleetnet-reconciler.service), finishes
    it, as M(fleetnet.docker.networks) describes. It does not change an endpoint that matches its declaration. The
    endpoint of a stopped container takes effect when the container starts.
  - An address that the engine chose is kept as a fixed one where the engine accepts that. Engines reject fixed
    addresses on their own network V(bridge), and, until they are restarted, on networks whose subnet they chose. There
    the container may get another address; the module warns, also in check mode.
  - The module lets the engine check a declared address before it disconnects a running container. If the engine rejects
    the address, the container stays connected. So a declared address on a network whose subnet the engine chose is
    rejected, also in check mode. If no running container is on the network, the engine cannot be queried, and check
    mode only warns.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
  - fleetnet.docker.run
options:
  container:
    description:
      - The name or id of the container. It may be stopped. It must exist, except with O(state=absent).
      - A container with network mode V(host), V(none) or V(container:...) cannot join a network.
    type: str
    required: true
  networks:
    description:
      - The container's networks. Their options have the names of those of M(community.docker.docker_container).
      - An option that is left out is not compared, and keeps its value.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The name of the network.
        type: str
        required: true
      ipv4_address:
        description:
          - The container's IPv4 address on the network. It cannot be that of another container, running or stopped.
        type: str
      ipv6_address:
        description:
          - The container's IPv6 address on the network.
        type: str
      aliases:
        description:
          - Additional names of the container on the network. The list is complete.
        type: list
        elements: str
      links:
        description:
          - Other containers, as V(container) or V(container:alias), that the container reaches by this name. The list
            is complete.
        type: list
        elements: str
      mac_address:
        description:
          - The container's MAC address on the network. Engines before 29.3 cannot set it on an existing container;
            there only the current address is accepted.
        type: str
      driver_opts:
        description:
          - Options for the network's driver. Values become strings.
        type: dict
      gw_priority:
        description:
          - The network with the highest number holds the container's default route, except that engine 28.5 prefers a
            network with IPv4 and IPv6 to one with IPv4 only, regardless of the numbers. Requires engine 28.0 or newer.
        type: int
      interface_name:
        description:
          - The name of the container's interface. Requires engine 28.0 or newer.
        type: str
  state:
    description:
      - V(present) connects the container to the networks as declared, V(absent) disconnects it from them.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description:
      - Disconnect the container from all networks that O(networks) does not list.
    type: bool
    default: false
seealso:
  - module: fleetnet.docker.networks
  - module: community.docker.docker_container
author:
  - The fleetnet maintainers (@fleetnet)
"""

EXAMPLES = r"""
- name: Connect a container to two networks, and disconnect it from all others
  fleetnet.docker.network_endpoint:
    container: web1
    networks:
      - name: web
        ipv4_address: 10.64.1.10
        aliases: [www]
      - name: db
    prune: true

- name: Disconnect it from one of them
  fleetnet.docker.network_endpoint:
    container: web1
    networks:
      - name: db
    state: absent
"""

RETURN = r"""
operations:
  description: The operations, in check mode those of a run, one line each.
  returned: success
  type: list
  elements: str
  sample: ["connect web1 (10.64.1.10) to web"]
interrupted:
  description: The endpoints that are disconnected, or would be in check mode, if only temporarily.
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
endpoints:
  description: The container's endpoints after the task, by network. In check mode they are those before the change.
  returned: success
  type: dict
  sample:
    web:
      ipv4_address: 10.64.1.10
      aliases: [www]
      mac_address: "02:42:0a:40:01:0a"
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_items import parse_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_plan import (
    EndpointRequest,
    doubtful_addresses,
    plan_endpoints,
    resolve,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import needs_journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import is_predicted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import (
    NetworksPlan,
    describe_attachment,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION, alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.fixed_addresses import read_accepted
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import (
    Journals,
    journal_warning,
    journals_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import read_container, read_taken
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Preview, Recoverer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import AdoptionFile


def handle(module: AnsibleModule) -> dict[str, t.Any]:
    journals = journals_of(module.params["docker_host"])
    if module.check_mode:
        return _run(module, journals)
    with alone(module.params["run"], check_mode=False, docker_host=module.params["docker_host"]), journals.locked():
        return _run(module, journals)


def _run(module: AnsibleModule, journals: Journals) -> dict[str, t.Any]:
    params = module.params
    # Ansible checks the task's own options; the parser checks those of the items, with errors that name the item.
    items = parse_endpoints(params["networks"])
    engine = connect(params)
    recoverer = Recoverer(
        engine, UnknownBridges(), journals, AdoptionFile(JournalPaths.of(params["docker_host"]).adopted)
    )
    interrupted = recoverer.preview() if module.check_mode else Preview(recoverer.recover())
    networks = read_networks(engine) if interrupted.predicted is None else interrupted.predicted.networks
    must_exist = params["state"] == "present"
    container = read_container(engine, params["container"], networks, must_exist, interrupted.predicted)
    plan = NetworksPlan()
    if container is not None:
        # Addresses in use matter only for an item with an address that the container does not have.
        found = resolve(items, networks, params["state"])
        addressed = [
            network
            for item, network in found
            if not {item.ipv4, item.ipv6} <= {None, *container.addresses_on(network)} and not is_predicted(network.id)
        ]
        doubtful = [
            (network, address)
            for network, address in (doubtful_addresses(found, container) if must_exist else ())
            if not is_predicted(network.id)
        ]
        request = EndpointRequest(
            items=items,
            version=engine.version,
            state=params["state"],
            prune=params["prune"],
            taken=read_taken(engine, addressed),
            accepted=read_accepted(engine, doubtful),
        )
        plan = plan_endpoints(request, container, networks)
    warnings = [*recoverer.warnings, *plan.warnings]
    if plan.changed and not module.check_mode:
        executor = NetworkExecutor(engine, journals=journals, docker_host=params["docker_host"])
        executor.execute(plan)
        warnings += executor.warnings
        container = read_container(engine, params["container"], networks, must_exist=False)
    if not journals.kept and any(needs_journal(step) for step in plan.steps):
        warnings.append(journal_warning("endpoints"))
    for warning in warnings:
        module.warn(warning)
    names = {network.id: network.name for network in networks}
    attachments = container.attachments if container is not None else {}
    operations = [*(line for left in interrupted.left for line in left.operations), *plan.operations]
    return {
        "changed": bool(operations),
        "diff": plan.diff(),
        "operations": operations,
        "interrupted": plan.interrupted,
        "endpoints": {names[nid]: describe_attachment(each, with_mac=True) for nid, each in attachments.items()},
    }


def main() -> None:
    argument_spec: dict[str, t.Any] = {
        **engine_argument_spec(),
        "container": {"type": "str", "required": True},
        "networks": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "prune": {"type": "bool", "default": False},
        **RUN_OPTION,
    }
    run_module(handle, argument_spec=argument_spec)


if __name__ == "__main__":
    main()
