# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of the Ansible controller as each host sees it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import CONTROLLER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

Report = t.Mapping[str, t.Any]


def with_controllers(plan: FleetPlan, reports: t.Mapping[str, Report]) -> FleetPlan:
    """Return the plan with the controller's addresses by host, if the controller may connect to the remote API.

    A host's report decides for this host only.
    """
    if CONTROLLER not in plan.fleet.api_access.sources:
        return plan
    found = {name: (report.get("control_path") or {}).get("client") for name, report in reports.items()}
    return dataclasses.replace(plan, controllers={name: address for name, address in found.items() if address})
