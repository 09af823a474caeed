# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the domain's tests share: a declaration as a person writes it, to a plan."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_fleet, parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, make_plan

GOLDEN = pathlib.Path(__file__).parents[3] / "golden"


def plan_of(
    fleet: dict[str, t.Any],
    hosts: dict[str, dict[str, t.Any]],
    groups: dict[str, list[str]] | None = None,
    held: LeaseBook | None = None,
    renumber: bool = False,
    avoid: t.Collection[Prefix] = (),
) -> FleetPlan:
    """``fleet`` and ``hosts`` are variables without their prefix; a host's ``ansible_host`` is among its own."""
    book = held or LeaseBook()
    declared = parse_fleet(fleet, book.host_length, book.slot_length)
    parsed = []
    for name, variables in hosts.items():
        own = {key: value for key, value in variables.items() if key != "ansible_host"}
        parsed.append(parse_host(name, own, variables.get("ansible_host", name)))
    return make_plan(declared, parsed, groups or {}, held, renumber, avoid)
