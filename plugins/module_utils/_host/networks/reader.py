# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what plans for networks and endpoints need in addition to the list of networks."""

from __future__ import annotations

import os
import typing as t
import urllib.parse

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_plan import ContainerState
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import members, membership
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import (
    parse_attachment,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_support import EngineFacts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import Snapshot
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import Predicted, is_predicted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import Survey
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, read_info
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import (
    inspect_container,
    read_attachments,
    read_containers,
)


def read_snapshot(engine: Engine, survey: Survey, predicted: Predicted | None = None) -> Snapshot:
    """Read what the survey needs in addition to the list of networks; without a request if it needs nothing.

    ``predicted`` is the engine after steps that check mode does not execute.
    """
    facts = read_facts(engine) if survey.needs_facts else EngineFacts()
    if not survey.needs_containers:
        return Snapshot(facts=facts)
    containers = read_containers(engine) if predicted is None else predicted.containers
    added = {} if predicted is None else predicted.attachments
    leaving = [network for item, network in survey.connecting if membership(item, network, containers).leave]
    inspected: dict[str, t.Any] = {}
    attachments: dict[str, tuple[Attachment, ...]] = {}
    services: dict[str, tuple[str, ...]] = {}
    for network in {each.id: each for each in [*survey.interrupted, *leaving]}.values():
        on_it = [each.id for each in members(network, containers)]
        joining = {each.container_id: each for each in added.get(network.id, ())}
        there = [cid for cid in on_it if cid not in joining]
        read = {each.container_id: each for each in read_attachments(engine, network, there, inspected)}
        known = {**read, **joining}
        attachments[network.id] = tuple(known[cid] for cid in on_it if cid in known)
        if network.definition.scope == "swarm" and not is_predicted(network.id):
            details = engine.get(f"/networks/{network.id}", verbose="true")
            services[network.id] = tuple(sorted(name for name in details.get("Services") or {} if name))
    return Snapshot(containers, attachments, services, facts)


def read_facts(engine: Engine) -> EngineFacts:
    return _facts(read_info(engine))


@reads("/info of the Docker engine")
def _facts(info: t.Mapping[str, t.Any]) -> EngineFacts:
    pools = [str(pool.get("Base", "")) for pool in info.get("DefaultAddressPools") or ()]
    return EngineFacts(
        drivers=frozenset((info.get("Plugins") or {}).get("Network") or ()),
        swarm_manager=bool((info.get("Swarm") or {}).get("ControlAvailable")),
        ipv6_pools=any(":" in pool for pool in pools),
    )


def read_container(
    engine: Engine,
    reference: str,
    networks: t.Iterable[ObservedNetwork],
    must_exist: bool,
    predicted: Predicted | None = None,
) -> ContainerState | None:
    """Read one container with its endpoints; None if it does not exist and need not.

    ``predicted`` is the engine after steps that check mode does not execute.
    """
    details = inspect_container(engine, urllib.parse.quote(reference, safe=""))
    if details is None:
        if must_exist:
            raise FleetnetError(f"container: {reference!r}: is not an existing container. Create it first.")
        return None
    found = ((network.id, parse_attachment(details, network)) for network in networks)
    added = {} if predicted is None else predicted.attachments
    joining = {nid: each for nid, some in added.items() for each in some if each.container_id == details["Id"]}
    return ContainerState(
        id=details["Id"],
        name=details["Name"].lstrip("/"),
        running=bool((details.get("State") or {}).get("Running")),
        network_mode=(details.get("HostConfig") or {}).get("NetworkMode") or "default",
        attachments={**{nid: attachment for nid, attachment in found if attachment is not None}, **joining},
    )


def read_taken(engine: Engine, networks: t.Iterable[ObservedNetwork]) -> dict[str, dict[str, str]]:
    """Read the addresses in use by network id, each with the name of its container.

    The engine does not reserve the fixed address of a stopped container.
    """
    taken: dict[str, dict[str, str]] = {}
    named = list(networks)
    containers = read_containers(engine) if named else ()
    for network in named:
        stopped = [each.id for each in members(network, containers) if not each.has_interfaces]
        details = engine.get(f"/networks/{network.id}")
        taken[network.id] = {
            str(address): each.container
            for each in read_attachments(engine, network, stopped)
            for address in each.addresses
        }
        taken[network.id].update(_addresses(details))
    return taken


@reads("network of the Docker engine")
def _addresses(details: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The addresses of a network's running containers, each with the container's name."""
    return {
        address.partition("/")[0]: str(endpoint["Name"])
        for endpoint in (details.get("Containers") or {}).values()
        for address in (endpoint.get("IPv4Address"), endpoint.get("IPv6Address"))
        if address
    }


def is_local(docker_host: str) -> bool:
    """Whether the engine runs on this host."""
    return docker_host.startswith("unix://")


def read_interfaces(docker_host: str, folder: str = "/sys/class/net") -> frozenset[str]:
    """Return the names of the host's interfaces, or none if the engine runs on another host."""
    if not is_local(docker_host):
        return frozenset()
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()
