# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan as lines and as a Markdown document."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.address_table import (
    MAX_ROWS,
    address_plan,
    markdown,
)

from ..planning import assert_golden, plan_of

FLEET = {
    "supernet": "10.64.0.0/12",
    "supernet_v6": "fd00:64::/48",
    "networks": ["web", "db", {"name": "lab", "hosts": ["h1"]}],
    "policy": [{"from": ["web", "lab"], "to": "db", "ports": [5432]}, {"from": "world", "to": "web", "ports": 80}],
}


def hosts(count: int) -> dict[str, dict[str, object]]:
    return {
        f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"2001:db8::{number:x}"}
        for number in range(1, count + 1)
    }


def test_golden() -> None:
    own = {"host_networks": [{"name": "old", "subnet": "172.30.0.0/24"}]}
    held: LeaseBook = plan_of({**FLEET, "networks": [*FLEET["networks"], "gone"]}, hosts(3)).leases  # type: ignore[misc]
    plan = plan_of(FLEET, {"h1": {**hosts(1)["h1"], **own}, "h2": hosts(2)["h2"]}, held=held)
    small = plan_of({"supernet": "10.64.0.0/12"}, hosts(1))
    many = address_plan(plan_of(FLEET, hosts(MAX_ROWS + 2)))
    assert_golden(
        "address_plan.yml",
        {
            "lines": address_plan(plan),
            "markdown": markdown(plan),
            "without networks": address_plan(small),
            "markdown without networks": markdown(small),
            "end of a large fleet": many[MAX_ROWS:],
        },
    )
