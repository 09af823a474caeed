# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes to the other hosts' containers: read, plan, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence import files as host_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes import routes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.backends import BACKENDS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.persistence import PartFiles
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import read_links
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

OPTIONS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "backend": {"type": "str", "choices": sorted(BACKENDS), "default": "host_gw"},
    "host": {"type": "str"},
    "peers": {
        "type": "list",
        "elements": "dict",
        "options": {
            "host": {"type": "str", "required": True},
            "underlay_address": {"type": "str"},
            "link": {"type": "str", "default": "default"},
            "blocks": {"type": "list", "elements": "str", "default": []},
            "underlay_address_v6": {"type": "str"},
            "blocks_v6": {"type": "list", "elements": "str", "default": []},
        },
    },
}
REQUIRED_IF = [("state", "present", ("host", "peers"))]


def apply(task: Task) -> Result:
    """Read, plan, execute unless in check mode."""
    agent = PartFiles(task.commands, ROUTES_PART)
    ways: list[routes.Route] = []
    desired = agent.absent([host_files.ROUTES])
    if task.params["state"] == "present":
        addresses = [address for link in read_links(task.commands) for address in link["addresses"]]
        ways = BACKENDS[task.params["backend"]].ways(task.params["peers"], task.params["host"], addresses)
        desired = agent.desired({host_files.ROUTES: host_files.File(routes.routes_text(ways))})
    plan = host_files.plan_files(desired, agent.observe(desired))
    if not task.check_mode and plan.changed:
        agent.execute(plan)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "drift": list(plan.drift),
        "routes": sorted(f"{way.block} via {way.gateway}" for way in ways),
    }
