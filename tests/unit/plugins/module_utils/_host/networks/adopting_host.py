# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine in memory with a network of compose, and the record of its host."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworksPlan, network_facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import parse_networks as reported
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks import engine_reader
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import (
    AdoptionFile,
    read_adopted,
)

from .fake_docker import FakeDocker
from .networks_runs import Json, plan_on

THEIRS = {
    "Name": "shop",
    "Labels": {"com.docker.compose.project": "shop"},
    "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]},
}

ITEM: Json = {
    "name": "shop",
    "driver": "bridge",
    "internal": False,
    "ipam_config": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1"}],
    "bridge_name": "fn-shop",
    "masquerade": False,
    "adopt": True,
    "adopt_keeps": ["bridge_name", "masquerade"],
}

MOVED = {**ITEM, "ipam_config": [{"subnet": "10.64.1.0/24"}]}


class Host:
    """An engine with a network of compose, and the record of the host."""

    def __init__(self, path: pathlib.Path, version: str = "28.5.2", used: bool = True) -> None:
        self.path = path
        self.docker = FakeDocker(version)
        self.docker._add_network(dict(THEIRS))
        if used:
            self.docker.add_container("app", shop={"Aliases": ["web"]})

    @property
    def id(self) -> str:
        return str(self.docker.network("shop")["Id"])

    @property
    def adopted(self) -> dict[str, str]:
        return read_adopted(str(self.path))

    def plan(self, *items: Json, **options: t.Any) -> NetworksPlan:
        return plan_on(self.docker, *items, **{"strict": True, "prune": True, **options})

    def run(self, *items: Json, **options: t.Any) -> NetworksPlan:
        plan = self.plan(*items, **options)
        existing = {each.id for each in engine_reader.read_networks(self.docker)}
        NetworkExecutor(
            self.docker,
            options.get("allow_disconnect", False),
            sleep=lambda _seconds: None,
            adoptions=AdoptionFile(str(self.path), existing),
        ).execute(plan)
        return plan

    def managed(self) -> bool:
        networks = engine_reader.read_networks(self.docker)
        facts = network_facts(networks, ["shop"])["shop"]["managed"]
        (report,) = [each for each in reported(self.docker.get("/networks"), self.adopted) if each["name"] == "shop"]
        assert facts == report["managed"]
        return bool(facts)


def shown(docker: FakeDocker) -> Json:
    """The networks and endpoints, without how the requests that created them were written."""
    endpoints = {name: each["endpoints"] for name, each in docker.state().items()}
    return {each.name: (each.definition, endpoints[each.name]) for each in engine_reader.read_networks(docker)}
