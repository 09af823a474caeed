# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes to the other hosts' containers, and the IPv6 addresses of bridges: read, plan, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import File, plan_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.backends import BACKENDS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.bridge_addresses import (
    ADDRESSES_FILE,
    addresses_text,
    parse_bridges,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import (
    ROUTES_FILE,
    Route,
    routes_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.script import SCRIPT
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.reconciler import reconciler_of
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
    "bridges": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "bridge_name": {"type": "str"},
            "address": {"type": "str"},
            "address_v6": {"type": "str", "required": True},
        },
        "required_one_of": [("bridge_name", "address")],
        "mutually_exclusive": [("bridge_name", "address")],
    },
}
REQUIRED_IF = [("state", "present", ("host", "peers"))]


def apply(task: Task) -> Result:
    """Read, plan, execute unless in check mode."""
    part = PartFiles(task.commands, ROUTES_PART, SCRIPT, reconciler_of(task, ROUTES_PART, FIREWALL_PART))
    planned: list[Route] = []
    desired = part.absent([ROUTES_FILE, ADDRESSES_FILE])
    if task.params["state"] == "present":
        addresses = [address for link in read_links(task.commands) for address in link["addresses"]]
        planned = BACKENDS[task.params["backend"]].routes(task.params["peers"], task.params["host"], addresses)
        text = addresses_text(parse_bridges(task.params["bridges"]))
        desired = part.desired({ROUTES_FILE: File(routes_text(planned)), ADDRESSES_FILE: File(text) if text else None})
    plan = plan_files(desired, part.observe(desired))
    if not task.check_mode and plan.changed:
        part.execute(plan)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "differences": [difference.to_data() for difference in plan.differences],
        "drift": plan.drift,
        "routes": sorted(f"{route.block} via {route.gateway}" for route in planned),
    }
