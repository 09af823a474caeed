# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create and remove networks, and connect and disconnect containers, although other programs change them as well."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import choices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_attachment
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Definition,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import connection, creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import INVALID, Engine, EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import Bridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import (
    inspect_container,
    read_attachments,
    read_networks,
)

# How often to disconnect containers that join a network during its removal.
_ROUNDS = 5
_SWARM_SECONDS = 15.0
# The statuses of a request that the engine rejects. With others it fails, or its answer does not arrive.
_REJECTED = (INVALID, 403, 409)


class NetworkOperations:
    """The operations on one engine. ``warnings`` are about endpoints that differ from the requested ones.

    ``unanswered`` are the bridges of creations that the engine may still complete.
    """

    def __init__(
        self,
        engine: Engine,
        bridges: Bridges,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._bridges = bridges
        self._sleep = sleep
        self.unanswered: set[str] = set()
        self.warnings: list[str] = []

    # -- networks

    def create(self, definition: Definition) -> str:
        """Create the network, unless another program is faster; return its id."""
        bridge = definition.named_bridge
        if bridge is not None:
            self._bridges.remove(bridge)
            self._bridges.request(bridge)
        try:
            answer = self._engine.post("/networks/create", creation(definition, self._engine.version))
        except EngineError as error:
            network_id = self._existing(definition)
            if network_id is None:
                if error.status is None and bridge is not None:
                    self.unanswered.add(bridge)
                raise EngineError(f"cannot create network {definition.name!r}: {error}", error.status) from error
        else:
            network_id = str(answer["Id"])
            if answer.get("Warning"):
                self.warnings.append(f"network {definition.name!r}: {answer['Warning']}")
        if bridge is not None:
            self._bridges.settle(bridge)
        return network_id

    def _existing(self, definition: Definition) -> str | None:
        """The network's id if it exists: another controller was faster, or the engine's answer did not arrive."""
        found = [each for each in read_networks(self._engine) if each.name == definition.name]
        if len(found) == 1 and same_network(definition, found[0]):
            return found[0].id
        return None

    def delete(self, state: NetworkState, joined: t.Callable[[tuple[Attachment, ...]], None]) -> None:
        """Remove the network. ``joined`` is called with containers that joined it meanwhile, before they leave it."""
        for attempt in range(_ROUNDS):
            try:
                self._engine.delete(f"/networks/{state.id}")
                break
            except EngineError as error:
                if error.status == 404:
                    return  # another program removed it
                late = self._disconnect_newcomers(state, joined) if error.status in (403, 409) else 0
                if not late or attempt == _ROUNDS - 1:
                    raise EngineError(f"cannot remove network {state.name!r}: {error}", error.status) from error
        if state.definition.scope == "swarm":
            self._await_removal(state)

    def _disconnect_newcomers(self, state: NetworkState, joined: t.Callable[[tuple[Attachment, ...]], None]) -> int:
        """Disconnect the containers that joined since the network was read; return their number."""
        found: dict[str, t.Any] = self._engine.get(f"/networks/{state.id}").get("Containers") or {}
        network = ObservedNetwork(state.id, state.definition)
        attachments = read_attachments(self._engine, network, [each for each in found if not each.startswith("ep-")])
        if attachments:
            joined(attachments)
        for attachment in attachments:
            self.disconnect(state.id, state.name, attachment.container_id)
        # Endpoints whose container no longer exists: the engine has only their names.
        gone = [entry["Name"] for key, entry in found.items() if key.startswith("ep-")]
        for name in gone:
            self._engine.post(f"/networks/{state.id}/disconnect", {"Container": name, "Force": True})
        return len(attachments) + len(gone)

    def _await_removal(self, state: NetworkState) -> None:
        """Wait until the swarm has removed the network: only then its name is free."""
        for _attempt in range(int(_SWARM_SECONDS / 0.1)):
            if not any(each.id == state.id for each in read_networks(self._engine)):
                return
            self._sleep(0.1)
        raise FleetnetError(f"the swarm did not remove network {state.name!r} within {_SWARM_SECONDS:.0f} s.")

    # -- endpoints

    def check_accepted(self, before: NetworkState, after: NetworkState, attachment: Attachment) -> bool:
        """Raise EngineError if the engine rejects the fixed address of a running container, before it is disconnected.

        The engine checks an address before it reports that the container is already on the network. True if it was
        not, because another program had disconnected it: then it is on the network now.
        """
        current = next((each for each in before.attachments if each.container_id == attachment.container_id), None)
        wanted = choices(attachment, after.name)[-1]
        if current is None or not current.running:
            return False
        if set(wanted.addresses) <= set(choices(current, before.name)[-1].addresses):
            return False
        try:
            self._engine.post(f"/networks/{after.id}/connect", connection(wanted))
        except EngineError as error:
            if error.status == INVALID:
                raise EngineError(
                    f"cannot connect {wanted} to network {after.name!r}: {error}", error.status
                ) from error
            return False
        return True

    def disconnect(self, network_id: str, name: str, container_id: str) -> None:
        try:
            self._engine.post(f"/networks/{network_id}/disconnect", {"Container": container_id, "Force": True})
        except EngineError:
            details = inspect_container(self._engine, container_id)
            if details is None or _endpoint(details, network_id, name) is None:
                return
            if self._exists(details, network_id):
                raise
            # A failed connect leaves an endpoint that the engine lists but does not have, and does not disconnect.
            self._engine.post(f"/networks/{network_id}/connect", {"Container": container_id, "EndpointConfig": {}})
            self._engine.post(f"/networks/{network_id}/disconnect", {"Container": container_id, "Force": True})

    def start(self, attachment: Attachment) -> None:
        self._engine.post(f"/containers/{attachment.container_id}/start")

    def _exists(self, details: t.Any, network_id: str) -> bool:
        """Whether the listed endpoint of a container exists. Those of a stopped container are only listed."""
        state = details.get("State") or {}
        return not state.get("Running") or state.get("Restarting") or details["Id"] in self.running_on(network_id)

    def running_on(self, network_id: str) -> t.Collection[str]:
        """The ids of the running containers that have an endpoint on the network."""
        found: dict[str, t.Any] = self._engine.get(f"/networks/{network_id}").get("Containers") or {}
        return found.keys()

    def connect(self, network_id: str, name: str, attachment: Attachment) -> None:
        """Connect a container, without the address that the engine chose if the engine rejects it as a fixed one."""
        first, *others = choices(attachment, name)
        try:
            self._connect_as(network_id, name, first)
        except EngineError as error:
            if not others or error.status not in _REJECTED:
                raise
            self._connect_as(network_id, name, others[0])
            self.warnings.append(
                f"{attachment.container!r} may have another address than {', '.join(map(str, attachment.addresses))} "
                f"on network {name!r}: the engine chose it, and does not accept it as a fixed address."
            )

    def _connect_as(self, network_id: str, name: str, attachment: Attachment) -> None:
        """Skip a container that no longer exists; retry if it stopped, started or joined during the run."""
        body = connection(attachment)
        for attempt in (1, 2):
            try:
                self._engine.post(f"/networks/{network_id}/connect", body)
                return
            except EngineError as error:  # noqa: PERF203 (two rounds)
                details = inspect_container(self._engine, attachment.container_id)
                if details is None:
                    self.warnings.append(
                        f"container {attachment.container!r} no longer exists and is not reconnected to {name!r}"
                    )
                    return
                listed = _endpoint(details, network_id, name)
                there = listed if listed is not None and self._exists(details, network_id) else None
                settled = error.status is None or error.status in _REJECTED
                if there is not None and settled and set(attachment.addresses) <= set(there.addresses):
                    return
                running = bool((details.get("State") or {}).get("Running"))
                if attempt == 2 or (there is None and running == attachment.running):
                    if listed is not None:
                        with contextlib.suppress(FleetnetError):  # the error to report is that of the connect
                            self.disconnect(network_id, name, attachment.container_id)
                    raise EngineError(
                        f"cannot connect {attachment} to network {name!r}: {error}", error.status
                    ) from error
                if there is not None:
                    self.disconnect(network_id, name, attachment.container_id)


def _endpoint(details: t.Any, network_id: str, name: str) -> Attachment | None:
    return parse_attachment(details, ObservedNetwork(network_id, Definition(name)))
