#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_slice
short_description: Bring a host to its part of the fleet's plan in one task
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Does what M(fleetnet.docker.default_bridge), M(fleetnet.docker.bridge_routing), M(fleetnet.docker.networks) and
    M(fleetnet.docker.host_routes) do, in this order, in one task. On a host where nothing is to be changed, that is a
    fourth of the time.
  - The policy comes before the networks, since some engines leave new networks open to whatever is routed in.
  - Each part has the options of its module, and is left alone where it is not given. The options of all parts are
    checked before the first of them changes anything.
  - Where a part fails, the parts after it are left as they are. The failure names the part, and RV(parts) tells what
    those before it did.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.engine
options:
  state:
    description:
      - V(present) brings the parts about.
      - V(absent) takes away the networks, the routes and the rules, in this order, whatever the parts say. docker0
        keeps what it has, since another address there would interrupt what runs on the host.
    type: str
    choices: [present, absent]
    default: present
  default_bridge:
    description: The options of M(fleetnet.docker.default_bridge), but for those that connect to the engine.
    type: dict
  bridge_routing:
    description: The options of M(fleetnet.docker.bridge_routing), but for those that connect to the engine.
    type: dict
  networks:
    description:
      - The options of M(fleetnet.docker.networks), but for those that connect to the engine.
      - With O(state=absent), V(allow_disconnect) is still heeded.
    type: dict
  host_routes:
    description: The options of M(fleetnet.docker.host_routes).
    type: dict
  gather:
    description:
      - What to return in RV(network_info), as the host has it afterwards.
      - It saves a task of M(fleetnet.docker.network_info), where all of its parts and what is in them are described.
    type: list
    elements: str
    default: []
notes:
  - Has to run as root, on the host that the engine runs on.
seealso:
  - module: fleetnet.docker.default_bridge
  - module: fleetnet.docker.bridge_routing
  - module: fleetnet.docker.networks
  - module: fleetnet.docker.host_routes
"""

EXAMPLES = r"""
- name: Give docker0 an address, and make a network
  fleetnet.docker.host_slice:
    default_bridge:
      bip: 10.64.0.1/24
    networks:
      networks:
        - name: web
          ipam_config: [{subnet: 10.64.1.0/24}]

- name: Take networks, routes and rules away
  fleetnet.docker.host_slice:
    state: absent
    networks:
      allow_disconnect: true
"""

RETURN = r"""
parts:
  description: What the module of each part returned, by the name of the module, as far as it came.
  returned: always
  type: dict
  sample:
    default_bridge: {changed: false, operations: [], restarted: false, interrupted: []}
network_info:
  description: The parts of the host's truth that O(gather) names.
  returned: if O(gather) names some
  type: dict
operations:
  description: What was done to docker0 and to networks, or would be.
  returned: always
  type: list
  elements: str
interrupted:
  description: What was interrupted, or would be.
  returned: always
  type: list
  elements: raw
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import engine_argument_spec
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import ENGINE_PARTS, survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import PARTS as SURVEY_PARTS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.whole import PARTS, apply
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def host_slice(module: AnsibleModule) -> dict[str, t.Any]:
    task = Task.of(module)
    wanted = task.params["gather"]
    for part in wanted:
        if part not in SURVEY_PARTS:
            raise InvalidValue("gather", part, f"network_info has no such part; {nearest(part, SURVEY_PARTS)}")
    result = apply(task, {name: task.params[name] for name in engine_argument_spec()})
    if wanted:
        engine = task.engine() if ENGINE_PARTS.intersection(wanted) else None
        result["network_info"] = survey(wanted, task.commands, engine)
    return result


def main() -> None:
    argument_spec = {
        **engine_argument_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **{part.name: {"type": "dict"} for part in PARTS},
        "gather": {"type": "list", "elements": "str", "default": []},
    }
    run_module(host_slice, argument_spec=argument_spec)


if __name__ == "__main__":
    main()
