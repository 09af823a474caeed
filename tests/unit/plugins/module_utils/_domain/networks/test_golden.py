# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden cases: ``golden/CASE/{desired,observed}.yml`` and the plan that follows from them, ``plan.yml``.

``FLEETNET_RECORD=1 script/env pytest tests/unit/plugins/module_utils/_domain/networks/test_golden.py`` records the
plans; review the difference.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import members
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import (
    parse_attachment,
    parse_containers,
    parse_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_support import EngineFacts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import Snapshot, plan_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import connection, creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    NetworksRequest,
    survey_networks,
)

Json = dict[str, t.Any]
FACTS = EngineFacts(drivers=frozenset({"bridge", "host", "ipvlan", "macvlan", "null", "overlay"}))
IN_PLACE = ("connect", "adopt", "release")
CASES = sorted(path for path in pathlib.Path(__file__).with_name("golden").iterdir() if path.is_dir())


def listed(container: Json) -> Json:
    """An inspected container as the list of containers shows it."""
    return {
        "Id": container["Id"],
        "Names": [container["Name"]],
        "State": container["State"]["Status"],
        "HostConfig": container.get("HostConfig"),
        "NetworkSettings": container["NetworkSettings"],
    }


def steps_of(steps: t.Iterable[NetworkStep], version: tuple[int, ...]) -> list[Json]:
    """Steps with the bodies of their requests."""
    return [
        {
            "step": step.title,
            **({"remove": [state.name for state in step.before]} if step.kind not in IN_PLACE and step.before else {}),
            **(
                {"create": [creation(state.definition, version) for state in step.after]}
                if step.kind not in IN_PLACE
                else {}
            ),
            "connect": {
                state.name: [
                    connection(each)["EndpointConfig"] | {"Container": each.container} for each in state.attachments
                ]
                for state in step.after
            },
        }
        for step in steps
    ]


def outcome(desired: Json, observed: Json) -> Json:
    options = {key: value for key, value in desired.items() if key not in ("networks", "engine", "interfaces")}
    version = tuple(int(part) for part in str(desired.get("engine", "28.5.2")).split("."))
    try:
        items = parse_items(desired["networks"])
        request = NetworksRequest(
            items=items, version=version, interfaces=frozenset(desired.get("interfaces", ())), **options
        )
        networks = parse_networks(observed["networks"], observed.get("adopted", ()))
        survey = survey_networks(request, networks)
        inspected = observed.get("containers", [])
        containers = parse_containers([listed(each) for each in inspected])
        attachments = {}
        for network in networks:
            on_it = [each.id for each in members(network, containers)]
            found = [parse_attachment(each, network) for cid in on_it for each in inspected if each["Id"] == cid]
            attachments[network.id] = tuple(each for each in found if each is not None)
        plan = plan_networks(request, survey, Snapshot(containers, attachments, facts=FACTS))
    except FleetnetError as error:
        return {"error": str(error)}
    assert plan.changed == bool(plan.differences)
    return {
        "changed": plan.changed,
        "operations": plan.operations,
        "warnings": list(plan.warnings),
        "diff": plan.diff(),
        "differences": [each.to_data() for each in plan.differences],
        "steps": steps_of(plan.steps, version),
    }


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_golden(case: pathlib.Path) -> None:
    desired, observed = (
        yaml.safe_load((case / f"{name}.yml").read_text(encoding="utf-8")) for name in ("desired", "observed")
    )
    content = outcome(desired, observed)
    path = case / "plan.yml"
    if os.environ.get("FLEETNET_RECORD"):
        text = yaml.safe_dump(content, sort_keys=False, width=116)
        path.write_text(f"---\n{text}", encoding="utf-8")
    assert content == yaml.safe_load(path.read_text(encoding="utf-8"))
