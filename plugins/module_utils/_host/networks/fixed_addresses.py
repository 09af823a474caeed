# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Query whether the engine accepts fixed addresses on its networks, without a change."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    IPAddress,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import connection
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import INVALID, Engine, EngineError


def read_accepted(
    engine: Engine, addresses: t.Iterable[tuple[ObservedNetwork, IPAddress]]
) -> dict[tuple[str, str], bool]:
    """Return whether the engine accepts each address, by network id and address.

    The API has no request for it. But the engine checks an address before it reports that a container is already on the
    network, so the request is for a container that is. An address is missing if none is, or if the engine does not say.
    """
    accepted: dict[tuple[str, str], bool] = {}
    for network, address in addresses:
        running = [
            key
            for key in engine.get(f"/networks/{network.id}").get("Containers") or ()
            if not key.startswith("ep-")  # an endpoint whose container no longer exists
        ]
        if running:
            answer = _ask(engine, network, address, running[0])
            if answer is not None:
                accepted[network.id, str(address)] = answer
    return accepted


def _ask(engine: Engine, network: ObservedNetwork, address: IPAddress, container: str) -> bool | None:
    version = {"ipv4": address} if address.version == 4 else {"ipv6": address}
    wanted = Attachment(container, container, **version)
    try:
        engine.post(f"/networks/{network.id}/connect", connection(wanted))
    except EngineError as error:
        return {INVALID: False, 403: True, 409: True}.get(error.status or 0)
    # Another program had just disconnected the container.
    engine.post(f"/networks/{network.id}/disconnect", {"Container": container, "Force": True})
    return True
