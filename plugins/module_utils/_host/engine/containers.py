# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers of an engine."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ContainerReport,
    parse_containers,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, EngineError

Json = t.Dict[str, t.Any]


def read_containers(engine: Engine, details: bool, listed: list[Json] | None = None) -> list[ContainerReport]:
    """The running containers. ``details`` inspects each for its PID and aliases: one request of some ms each.

    ``listed`` is the engine's list of them, if the caller has it.
    """
    listed = engine.get("/containers/json") if listed is None else listed
    inspected = {container["Id"]: inspect(engine, container["Id"]) for container in listed if details}
    return parse_containers(listed, {key: detail for key, detail in inspected.items() if detail is not None})


def inspect(engine: Engine, container: str) -> Json | None:
    """Inspect a container by name or id; None if it does not exist, or no longer does."""
    try:
        detail: Json = engine.get(f"/containers/{container}/json")
    except EngineError as error:
        if error.status != 404:
            raise
        return None
    return detail
