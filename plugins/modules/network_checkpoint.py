#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_checkpoint
short_description: Let a host undo network changes unless the controller confirms them
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Saves what this collection configured on a host, and arms a timer on the host. Unless the changes that follow are
    confirmed in time, over a new connection, the host restores the saved state without the controller, also after a
    reboot.
  - The saved state consists of the files under C(/etc/fleetnet), units, rules and routes of this collection,
    C(daemon.json), the networks of this collection with their endpoints, and the kernel parameters of forwarding. What
    other programs configure is not part of it.
  - M(fleetnet.docker.host_slice), and with it the playbooks of this collection, take and confirm a checkpoint
    themselves. Use this module in plays that use other modules of this collection, or several tasks.
  - The saved state covers the tasks of the same run of ansible-playbook. Modules of other runs wait until the host has
    undone the changes, or the run has confirmed them.
extends_documentation_fragment:
  - fleetnet.docker.attributes
  - fleetnet.docker.run
attributes:
  check_mode:
    details:
      - In check mode, nothing is saved, confirmed or undone.
  diff_mode:
    support: none
options:
  state:
    description:
      - V(armed) saves the state and arms the timer.
      - V(confirmed) keeps the changes. The action plugin closes the connection to the host first, and tries to open a
        new one until the time is over. Fails if the host has nothing to confirm.
      - V(undone) restores the saved state now.
    type: str
    choices: [armed, confirmed, undone]
    required: true
  confirm_timeout:
    description:
      - The number of seconds until the host undoes the changes, for O(state=armed). From 10 to 600. It includes the
        time of the tasks between.
    type: int
    default: 60
  id:
    description:
      - What identifies the saved state. By default, the one of this run of ansible-playbook.
    type: str
  socket:
    description: The path of the engine's Unix socket on the host.
    type: path
    default: /var/run/docker.sock
  service:
    description: The systemd unit of the engine.
    type: str
    default: docker.service
notes:
  - Requires root, on the host that the engine runs on.
seealso:
  - module: fleetnet.docker.host_slice
"""

EXAMPLES = r"""
- name: Change a network, and undo the change if the host becomes unreachable
  block:
    - name: Save the state of the host
      fleetnet.docker.network_checkpoint:
        state: armed
        confirm_timeout: 120

    - name: Change a network
      fleetnet.docker.networks:
        networks:
          - name: web
            ipam_config: [{subnet: 10.64.1.0/24}]

    - name: Keep the change, if a new connection to the host can be opened
      fleetnet.docker.network_checkpoint:
        state: confirmed
  rescue:
    - name: Restore the saved state
      fleetnet.docker.network_checkpoint:
        state: undone
"""

RETURN = r"""
checkpoint:
  description: The saved state.
  returned: if O(state=armed), not in check mode
  type: dict
  contains:
    id:
      description: What identifies the saved state.
      returned: success
      type: str
    timeout:
      description: The number of seconds in which the changes must be confirmed.
      returned: success
      type: float
confirmed:
  description: Whether the changes are confirmed. False if the host has no such saved state.
  returned: if O(state=confirmed)
  type: bool
busy:
  description: Whether a module still changes the host, or an undo runs. The action plugin asks again.
  returned: if O(state=confirmed), on failure
  type: bool
undone:
  description: What the host undid, and why.
  returned: if the host undid the changes
  type: dict
  contains:
    id:
      description: What identifies the saved state.
      returned: success
      type: str
    reason:
      description: Why the changes were undone.
      choices: [unconfirmed, rebooted, killed, asked]
      returned: success
      type: str
    seconds:
      description: The number of seconds in which the changes had to be confirmed.
      returned: success
      type: float
    risks:
      description: The changes that can cut the path to the host.
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
    operations:
      description: What the host did.
      returned: success
      type: list
      elements: str
    problems:
      description: What the host cannot restore.
      returned: success
      type: list
      elements: str
"""

import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    TIMEOUT_DEFAULT,
    check_timeout,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    unrestored_message,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import DECLARED_BY_USER, Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.checkpoints import Checkpoints, is_meant
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import connect
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import ModuleCommands


def network_checkpoint(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    check_timeout("confirm_timeout", params["confirm_timeout"])
    checkpoints = Checkpoints(ModuleCommands(module))
    if params["state"] == "armed":
        if module.check_mode:
            return {"changed": checkpoints.pending() is None}
        return _arm(checkpoints, params, module.warn)
    meant = (params["id"], params["run"])
    result: dict[str, t.Any]
    if module.check_mode:
        pending = checkpoints.pending()
        changes = pending is not None and is_meant(pending, *meant)
        return {"changed": changes, **({"confirmed": False} if params["state"] == "confirmed" else {})}
    if params["state"] == "undone":
        report = checkpoints.undo(*meant)
        result = {"changed": report is not None, **({"undone": report.to_data()} if report else {})}
        if report is not None and report.problems:
            error = FleetnetError(unrestored_message(report, checkpoints.folder))
            error.result = result
            raise error
        return result
    before = checkpoints.pending()
    confirmed = checkpoints.confirm(*meant)
    result = {"changed": confirmed and before is not None, "confirmed": confirmed}
    report = checkpoints.report()
    if not confirmed and report is not None and (params["id"] == report.id if params["id"] else _is_of(report, params)):
        result["undone"] = report.to_data()
    return result


def _is_of(report: UndoReport, params: dict[str, t.Any]) -> bool:
    """Whether the changes of this run's play were undone."""
    return report.run != "" and report.run == params["run"]


def _arm(checkpoints: Checkpoints, params: dict[str, t.Any], warn: t.Callable[[str], None]) -> dict[str, t.Any]:
    pending = checkpoints.pending()
    if pending is not None and not is_meant(pending, None, params["run"]):
        checkpoints.settle(warn)
    # The engine first: without it, its networks cannot be saved.
    docker_host = f"unix://{params['socket']}"
    engine = connect(docker_host)
    taken = checkpoints.take(
        params["id"] or uuid.uuid4().hex,
        params["confirm_timeout"],
        (Risk(DECLARED_BY_USER, ()),),
        docker_host,
        params["run"],
        manual=True,
    )
    checkpoints.record_all(engine, params["service"])
    checkpoints.applied()
    return {"changed": True, "checkpoint": {"id": taken.deadline.id, "timeout": taken.deadline.timeout}}


def main() -> None:
    argument_spec = {
        "state": {"type": "str", "choices": ["armed", "confirmed", "undone"], "required": True},
        "confirm_timeout": {"type": "int", "default": TIMEOUT_DEFAULT},
        "id": {"type": "str"},
        **RUN_OPTION,
        "socket": {"type": "path", "default": "/var/run/docker.sock"},
        "service": {"type": "str", "default": "docker.service"},
    }
    run_module(network_checkpoint, needs_root=True, argument_spec=argument_spec)


if __name__ == "__main__":
    main()
