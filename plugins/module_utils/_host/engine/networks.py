# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the engine's list of networks."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, Json

_POLL_SECONDS = 0.05
_POLLS = 20


def list_networks(engine: Engine, sleep: t.Callable[[float], None] = time.sleep) -> list[Json]:
    """The engine's networks.

    Engines list a new swarm network for some 20 ms without driver and subnets, until the swarm allocates it. The list
    is read again until each network has a driver, for at most a second: an allocation can also fail.
    """
    networks: list[Json] = engine.get("/networks")
    for _poll in range(_POLLS):
        if all(network.get("Driver") != "" for network in networks):
            break
        sleep(_POLL_SECONDS)
        networks = engine.get("/networks")
    return networks
