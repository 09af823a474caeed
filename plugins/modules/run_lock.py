#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Exclude other runs of playbooks from changing a host
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Takes the lock of a host for this run of a playbook, from any number of controllers and shells, until a task of the
    same run releases it. The playbooks of this collection use it before they change a host.
  - If another run has the lock, the task waits, and then fails with the user and the controller of that run, and the
    time since when it has the lock.
  - The lock is the file C(/run/fleetnet/run-lock.json) on the host. It expires 30 minutes after the last task of this
    module or of M(fleetnet.docker.host_slice) in its run has begun, by the time since the boot of the host, so that the
    lock of a run that was killed does not stay. A boot removes it.
  - M(fleetnet.docker.host_slice) changes nothing while another run has the lock. Other modules do not check it.
extends_documentation_fragment:
  - fleetnet.docker.attributes
attributes:
  check_mode:
    details:
      - In check mode, no lock is taken or released. If another run has the lock, the task warns.
  diff_mode:
    support: none
  idempotent:
    details:
      - RV(ignore:changed) is always V(false). The lock is not part of the host's configuration.
options:
  state:
    description:
      - V(present) takes the lock, or prolongs it if this run has it. V(absent) releases it if this run has it.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: The number of seconds to wait for another run.
    type: int
    default: 0
  run:
    description: What identifies this run. The action plugin sets it.
    type: str
  controller:
    description: The name of the controller, for messages. The action plugin sets it.
    type: str
  user:
    description: The name of the user on the controller, for messages. The action plugin sets it.
    type: str
seealso:
  - module: fleetnet.docker.host_slice
"""

EXAMPLES = r"""
- name: Change hosts, and exclude other runs meanwhile
  block:
    - name: Wait for another run for up to a minute
      fleetnet.docker.run_lock:
        wait: 60

    - name: Apply the plan
      ansible.builtin.import_role:
        name: fleetnet.docker.docker_host_slice
  always:
    - name: Let other runs change the host
      fleetnet.docker.run_lock:
        state: absent
"""

RETURN = r"""
holder:
  description: The other run that has the lock, in check mode.
  returned: in check mode, if another run has the lock
  type: str
  sample: alice on controller1, since 2025-01-31 12:00:00 UTC
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.run_lock import Run
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.run_lock import HostLock


def run_lock(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    run = Run(*(params[name] or "unknown" for name in ("run", "controller", "user")))
    lock = HostLock()
    if module.check_mode:
        other = lock.holder(run)
        if other is None:
            return {"changed": False}
        module.warn(f"another run changes this host: {other.holder}")
        return {"changed": False, "holder": other.holder}
    if params["state"] == "present":
        lock.claim(run, params["wait"])
    else:
        lock.release(run)
    return {"changed": False}


def main() -> None:
    argument_spec = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "wait": {"type": "int", "default": 0},
        "run": {"type": "str"},
        "controller": {"type": "str"},
        "user": {"type": "str"},
    }
    run_module(run_lock, needs_root=True, argument_spec=argument_spec)


if __name__ == "__main__":
    main()
