# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan networks and execute the plan on an engine in memory."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import plan_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworksPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    NetworksRequest,
    survey_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import read_snapshot

Json = dict[str, t.Any]


def plan_on(docker: t.Any, *items: Json, **options: t.Any) -> NetworksPlan:
    request = NetworksRequest(items=parse_items(list(items)), version=docker.version, **options)
    survey = survey_networks(request, read_networks(docker))
    return plan_networks(request, survey, read_snapshot(docker, survey))


def run(docker: t.Any, *items: Json, **options: t.Any) -> tuple[NetworksPlan, list[str]]:
    plan = plan_on(docker, *items, **options)
    executor = NetworkExecutor(docker, options.get("allow_disconnect", False), sleep=lambda _seconds: None)
    executor.execute(plan)
    return plan, executor.warnings
