# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read an engine's networks, containers and endpoints."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import (
    parse_attachment,
    parse_containers,
    parse_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    ContainerSummary,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.networks import list_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import read_adopted


def read_networks(engine: Engine) -> tuple[ObservedNetwork, ...]:
    return parse_networks(list_networks(engine), read_adopted())


def read_containers(engine: Engine) -> tuple[ContainerSummary, ...]:
    """Read all containers: a stopped one has endpoints too, and would not start without its network."""
    return parse_containers(engine.get("/containers/json", all="1"))


def read_attachments(
    engine: Engine,
    network: ObservedNetwork,
    container_ids: t.Iterable[str],
    inspected: dict[str, t.Any] | None = None,
) -> tuple[Attachment, ...]:
    """Read the endpoints of these containers on the network; containers that no longer exist have none.

    ``inspected`` are containers that were inspected before, by id; others are added.
    """
    known: dict[str, t.Any] = {} if inspected is None else inspected
    found: list[Attachment] = []
    for container_id in container_ids:
        if container_id not in known:
            known[container_id] = inspect_container(engine, container_id)
        details = known[container_id]
        attachment = None if details is None else parse_attachment(details, network)
        if attachment is not None:
            found.append(attachment)
    return tuple(found)


def inspect_container(engine: Engine, container_id: str) -> t.Any:
    """Return the engine's JSON of a container; None if it does not exist or is being removed."""
    try:
        details = engine.get(f"/containers/{container_id}/json")
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    state = details.get("State") or {}
    return None if state.get("Dead") or state.get("Status") in ("dead", "removing") else details
