#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: generation_info
short_description: List the states that runs applied to a host
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Lists the generations of a host. M(fleetnet.docker.host_slice) records one each time it applies other options than
    before, and keeps the last five.
  - The playbook C(rollback.yml) uses it to show them, and to return to one.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
options: {}
notes:
  - Requires root, on the host that the engine runs on.
seealso:
  - module: fleetnet.docker.host_slice
  - module: fleetnet.docker.fleet_rollback
"""

EXAMPLES = r"""
- name: List the generations
  fleetnet.docker.generation_info:
  register: listed

- name: Return to the generation before the newest one
  fleetnet.docker.host_slice:
    generation: "{{ listed.generations[-2].number }}"
"""

RETURN = r"""
generations:
  description: The generations of the host, the newest last.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: The number of the generation on this host.
      returned: success
      type: int
    run:
      description: The run of a playbook that applied it. It is the same on all hosts of the run.
      returned: success
      type: str
    started:
      description: When the run began, in seconds since 1970, by the clock of the controller.
      returned: success
      type: float
    by:
      description: The user and the controller of the run.
      returned: success
      type: str
    complete:
      description: Whether the run applied all of it. It is V(false) if the run failed, or was killed, meanwhile.
      returned: success
      type: bool
    restores:
      description: The run whose generation this one repeats.
      returned: if it was a return to a generation
      type: str
    changes:
      description: The options that differ from the generation before.
      returned: success
      type: list
      elements: str
    blocks:
      description: The blocks of the host.
      returned: success
      type: list
      elements: str
    subnets:
      description: The subnets of docker0 and of the networks, by name.
      returned: success
      type: dict
  sample:
    - number: 4
      run: 1f3870be
      started: 1769855760.0
      by: root@controller1
      complete: true
      changes: ["networks.networks[web]"]
      blocks: [10.64.0.0/20]
      subnets: {docker0: [10.64.0.0/24], web: [10.64.1.0/24]}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.report import report_of
from ansible_collections.fleetnet.docker.plugins.module_utils._host.generations import GenerationFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module


def generation_info(_module: AnsibleModule) -> dict[str, t.Any]:
    return {"changed": False, "generations": report_of(GenerationFolder().read())}


def main() -> None:
    run_module(generation_info, needs_root=True, argument_spec={})


if __name__ == "__main__":
    main()
