#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_slice
short_description: Apply a host's part of the fleet's plan in one task
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Does what M(fleetnet.docker.default_bridge), M(fleetnet.docker.bridge_routing), M(fleetnet.docker.networks) and
    M(fleetnet.docker.host_routes) do, in this order, in one task. On a host without changes, this takes a quarter of
    the time.
  - The policy is applied before the networks, since some engines create networks that accept all routed packets.
  - Each part has the options of its module. A part that is not given is unchanged. The options of all parts are
    checked, and all parts are planned, before the first part changes anything. If a part cannot be applied, for
    example since a network of others differs from its declaration, nothing changes.
  - If a part fails, the parts after it are not applied. The failure names the part, and RV(parts) has the results of
    the parts before it.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
options:
  state:
    description:
      - V(present) applies the parts.
      - V(absent) removes the networks, the routes and the rules, in this order, regardless of the parts. docker0 is
        unchanged, since a change of its address interrupts containers.
    type: str
    choices: [present, absent]
    default: present
  default_bridge:
    description: The options of M(fleetnet.docker.default_bridge), except those that connect to the engine.
    type: dict
  bridge_routing:
    description: The options of M(fleetnet.docker.bridge_routing), except those that connect to the engine.
    type: dict
  networks:
    description:
      - The options of M(fleetnet.docker.networks), except those that connect to the engine.
      - With O(state=absent), only V(allow_disconnect) applies.
    type: dict
  host_routes:
    description: The options of M(fleetnet.docker.host_routes).
    type: dict
  gather:
    description:
      - The parts to return in RV(network_info), as they are after the changes. M(fleetnet.docker.network_info)
        documents them.
      - It replaces a task of M(fleetnet.docker.network_info).
    type: list
    elements: str
    default: []
  generation:
    description:
      - The number of a generation of the host (M(fleetnet.docker.generation_info)). Its options are applied. Options of
        the parts that are given replace those of the generation; usually these are the consents.
      - A key of C(daemon.json) that a newer generation sets, and this one does not, gets the value that it had then.
    type: int
  confirm:
    description:
      - Whether the host undoes changes that cut the path between the controller and the host. Such are changes of
        routes, rules, kernel parameters of forwarding, firewalld, docker0, the daemon, and subnets of networks.
      - Before the first of them, the host saves its state and arms a timer. After the changes, the controller opens a
        new connection and confirms them. Otherwise the host restores files, rules, routes, C(daemon.json) and networks,
        without the controller, also after a reboot. The task then fails, and names what was undone and why.
      - If a part fails, the changes of the parts before it are confirmed as well.
      - If nothing of the kind changes, it takes no time.
    type: bool
    default: true
  confirm_timeout:
    description: The number of seconds, after the changes, until the host undoes them. From 10 to 600.
    type: int
    default: 60
  checkpoint:
    description: What identifies the saved state. The action plugin sets it. Without it, no state is saved.
    type: str
  run:
    description:
      - What identifies this run of a playbook. The action plugin sets it.
      - If another run has the lock of the host (M(fleetnet.docker.run_lock)), the task fails before it changes
        anything.
    type: str
  started:
    description: When this run began, in seconds since 1970, for its generation. The action plugin sets it.
    type: float
  controller:
    description: The name of the controller, for the generation. The action plugin sets it.
    type: str
  user:
    description: The name of the user on the controller, for the generation. The action plugin sets it.
    type: str
notes:
  - The module records the options that it applies as a generation, in C(/var/lib/fleetnet/generations), which only root
    can read. It keeps the last five. M(fleetnet.docker.generation_info) lists them, O(generation) returns to one.
  - Requires root, on the host that the engine runs on.
seealso:
  - module: fleetnet.docker.generation_info
  - module: fleetnet.docker.network_checkpoint
  - module: fleetnet.docker.run_lock
  - module: fleetnet.docker.default_bridge
  - module: fleetnet.docker.bridge_routing
  - module: fleetnet.docker.networks
  - module: fleetnet.docker.host_routes
"""

EXAMPLES = r"""
- name: Set the address of docker0, and create a network
  fleetnet.docker.host_slice:
    default_bridge:
      bip: 10.64.0.1/24
    networks:
      networks:
        - name: web
          ipam_config: [{subnet: 10.64.1.0/24}]

- name: Return to an earlier generation of the host
  fleetnet.docker.host_slice:
    generation: 3
    networks:
      allow_disconnect: true

- name: Remove networks, routes and rules
  fleetnet.docker.host_slice:
    state: absent
    networks:
      allow_disconnect: true
"""

RETURN = r"""
parts:
  description:
    - The result of each part that was applied, by the name of its module. If a later part fails, it contains only the
      changes.
  returned: always
  type: dict
  contains:
    default_bridge:
      description: The result of M(fleetnet.docker.default_bridge).
      returned: if it was applied
      type: dict
    bridge_routing:
      description: The result of M(fleetnet.docker.bridge_routing).
      returned: if it was applied
      type: dict
    networks:
      description: The result of M(fleetnet.docker.networks).
      returned: if it was applied
      type: dict
    host_routes:
      description: The result of M(fleetnet.docker.host_routes).
      returned: if it was applied
      type: dict
  sample:
    default_bridge: {changed: false, operations: [], restarted: false, interrupted: []}
generation:
  description: The number of the host's newest generation.
  returned: success, with O(state=present), except in check mode
  type: int
network_info:
  description: The parts that O(gather) names.
  returned: if O(gather) is not empty
  type: dict
checkpoint:
  description: The state that the host saved before the changes. The action plugin confirmed them.
  returned: if changes can cut the path between the controller and the host, and O(confirm=true)
  type: dict
  contains:
    id:
      description: What identifies the saved state.
      returned: success
      type: str
    timeout:
      description: The number of seconds in which the changes had to be confirmed.
      returned: success
      type: float
    risks:
      description: The changes that can cut the path.
      returned: success
      type: list
      elements: dict
      contains:
        kind:
          description: The kind of the changes.
          choices: [routes, rules, firewalld, forwarding, engine, networks, user]
          returned: success
          type: str
        names:
          description: What changes.
          returned: success
          type: list
          elements: str
differences:
  description: The differences between the host and the plan, of all parts. Empty if nothing changes.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(network) for a Docker network, V(daemon) for an option of the daemon, V(file) or V(firewalld) for a
          file, V(unit) for a systemd unit, V(table), V(chain) or V(jump) for rules, V(route) for a route,
          V(address) for an IPv6 address of a bridge, V(sysctl) for a kernel parameter, V(container) for a container
          that an interrupted run stopped.
      returned: success
      type: str
    name:
      description: The name of the network, option, file, unit, table, chain, route, address, kernel parameter or
        container.
      returned: success
      type: str
    key:
      description:
        - The option that differs. V(state) for whether it exists, V(content) for a file's content, V(position) for
          a rule's position.
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
operations:
  description: The changes to docker0 and to networks, or in check mode those that would be made.
  returned: always
  type: list
  elements: str
interrupted:
  description: The containers that were interrupted, or in check mode would be.
  returned: always
  type: list
  elements: raw
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    TIMEOUT_DEFAULT,
    check_timeout,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import ENGINE_PARTS, survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import PARTS as SURVEY_PARTS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.recorded import apply
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.whole import PARTS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.run_lock import HostLock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def host_slice(module: AnsibleModule) -> dict[str, t.Any]:
    try:
        return _apply(module)
    except FleetnetError as error:
        error.result = {"operations": [], "interrupted": [], **error.result}
        raise


def _apply(module: AnsibleModule) -> dict[str, t.Any]:
    task = Task.of(module, connect)
    check_timeout("confirm_timeout", task.params["confirm_timeout"])
    if task.params["run"] is not None and not task.check_mode:
        HostLock().keep(task.params["run"])
    wanted = task.params["gather"]
    for part in wanted:
        if part not in SURVEY_PARTS:
            raise InvalidValue("gather", part, f"is not a part of network_info. {nearest(part, SURVEY_PARTS)}")
    result = apply(task, {name: task.params[name] for name in engine_argument_spec()})
    if wanted:
        try:
            engine = task.engine() if ENGINE_PARTS.intersection(wanted) else None
            result["network_info"] = survey(wanted, task.commands, engine)
        except FleetnetError as error:
            error.result = {**error.result, **{key: result[key] for key in ("checkpoint",) if key in result}}
            raise
    return result


def main() -> None:
    argument_spec = {
        **engine_argument_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **{part.name: {"type": "dict"} for part in PARTS},
        "gather": {"type": "list", "elements": "str", "default": []},
        "generation": {"type": "int"},
        "confirm": {"type": "bool", "default": True},
        "confirm_timeout": {"type": "int", "default": TIMEOUT_DEFAULT},
        "checkpoint": {"type": "str"},
        "run": {"type": "str"},
        "started": {"type": "float"},
        "controller": {"type": "str"},
        "user": {"type": "str"},
    }
    run_module(host_slice, needs_root=True, argument_spec=argument_spec)


if __name__ == "__main__":
    main()
