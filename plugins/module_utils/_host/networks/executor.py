# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execute a plan for networks: each step completely, or undo it and raise an error with the reason."""

from __future__ import annotations

import contextlib
import functools
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import (
    addressed_first,
    choices,
    refit,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_attachment
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Definition,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import connection, creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import (
    NetworksPlan,
    NetworkStep,
    failure_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import INVALID, Engine, EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import Bridges, UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import (
    inspect_container,
    read_attachments,
    read_containers,
    read_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.signals import signals_held

# How often to disconnect containers that join a network during its removal.
_ROUNDS = 5
_SWARM_SECONDS = 15.0
_SETTLE_SECONDS = 0.3
# The statuses of a request that the engine rejects. With others it fails, or its answer does not arrive.
_REJECTED = (INVALID, 403, 409)


class StepFailed(FleetnetError):
    """A step failed; the text says whether the former state is restored."""


class NetworkExecutor:
    """Executes plans on one engine. ``warnings`` are those that the plan does not have."""

    def __init__(
        self,
        engine: Engine,
        allow_disconnect: bool = False,
        sleep: t.Callable[[float], None] = time.sleep,
        bridges: Bridges | None = None,
    ) -> None:
        self._engine = engine
        self._bridges = bridges or UnknownBridges()
        self._allow_disconnect = allow_disconnect
        self._sleep = sleep
        self._made: dict[str, str] = {}  # id -> name of the networks that the current step has created
        self._late: dict[str, list[Attachment]] = {}  # network name -> endpoints that joined during its removal
        self._joined: set[tuple[str, str]] = set()  # (network id, container id) that the current step has connected
        self._unanswered: set[str] = set()  # bridges of creations that the engine may still complete
        self.warnings: list[str] = []

    def execute(self, plan: NetworksPlan) -> None:
        done: list[str] = []
        created: dict[str, Definition] = {}
        for step in plan.steps:
            with signals_held():
                self._execute(step, done)
            done += step.lines
            if step.kind in ("create", "recreate"):
                created.update({nid: state.definition for state in step.after for nid in self._ids_of(state.name)})
        if created and self._engine.version < (25,):
            self._settle_duplicates(created)

    def _ids_of(self, name: str) -> list[str]:
        return [nid for nid, made in self._made.items() if made == name]

    def _execute(self, step: NetworkStep, done: t.Sequence[str]) -> None:
        self._made, self._late, self._joined, self._unanswered = {}, {}, set(), set()
        try:
            self._forward(step)
        except BaseException as error:  # in any case, the endpoints must not stay disconnected
            problems = self._restore(step)
            if not isinstance(error, FleetnetError):
                raise
            raise StepFailed(failure_text(step, error, problems, done)) from error

    # -- forward

    def _forward(self, step: NetworkStep) -> None:
        if step.kind == "connect":
            self._check_accepted(step)
        kept = {state.id: state.attachments for state in step.after if state.id}
        for state in step.before:
            for attachment in state.attachments:
                if attachment not in kept.get(state.id, ()):
                    self._disconnect(state.id, state.name, attachment.container_id)
        for state in step.before:
            if state.id not in kept:
                self._delete(state)
        before = {state.id: state.attachments for state in step.before}
        for state in step.after:
            network_id = state.id or self._create(state.definition)
            for attachment in addressed_first([*state.attachments, *self._late_for(state)]):
                if attachment not in before.get(network_id, ()):
                    self._joined.add((network_id, attachment.container_id))
                    self._connect(network_id, state.name, attachment)

    def _check_accepted(self, step: NetworkStep) -> None:
        """Raise EngineError if the engine rejects the fixed address of a running container, before it is disconnected.

        The engine checks an address before it reports that the container is already on the network.
        """
        for before, after in zip(step.before, step.after):
            was = {each.container_id: each for each in before.attachments if each.running}
            for attachment in after.attachments:
                current = was.get(attachment.container_id)
                wanted = choices(attachment, after.name)[-1]
                if current is None or set(wanted.addresses) <= set(choices(current, before.name)[-1].addresses):
                    continue
                try:
                    self._engine.post(f"/networks/{after.id}/connect", connection(wanted))
                    self._joined.add((after.id, attachment.container_id))  # another program had disconnected it
                except EngineError as error:
                    if error.status == INVALID:
                        raise EngineError(
                            f"cannot connect {wanted} to network {after.name!r}: {error}", error.status
                        ) from error

    def _late_for(self, state: NetworkState) -> list[Attachment]:
        return [refit(attachment, state.definition)[0] for attachment in self._late.get(state.name, ())]

    def _create(self, definition: Definition) -> str:
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
                    self._unanswered.add(bridge)
                raise EngineError(f"cannot create network {definition.name!r}: {error}", error.status) from error
        else:
            network_id = str(answer["Id"])
            if answer.get("Warning"):
                self.warnings.append(f"network {definition.name!r}: {answer['Warning']}")
        self._made[network_id] = definition.name
        if bridge is not None:
            self._bridges.settle(bridge)
        return network_id

    def _existing(self, definition: Definition) -> str | None:
        """The network's id if it exists: another controller was faster, or the engine's answer did not arrive."""
        found = [each for each in read_networks(self._engine) if each.name == definition.name]
        if len(found) == 1 and same_network(definition, found[0]):
            return found[0].id
        return None

    def _delete(self, state: NetworkState) -> None:
        for attempt in range(_ROUNDS):
            try:
                self._engine.delete(f"/networks/{state.id}")
                break
            except EngineError as error:
                if error.status == 404:
                    return  # another program removed it
                late = self._newcomers(state) if error.status in (403, 409) else 0
                if not late or attempt == _ROUNDS - 1:
                    raise EngineError(f"cannot remove network {state.name!r}: {error}", error.status) from error
        if state.definition.scope == "swarm":
            self._await_removal(state)

    def _newcomers(self, state: NetworkState) -> int:
        """Disconnect the containers that joined since the network was read; the step reconnects them, too."""
        found: dict[str, t.Any] = self._engine.get(f"/networks/{state.id}").get("Containers") or {}
        network = ObservedNetwork(state.id, state.definition)
        joined = read_attachments(self._engine, network, [each for each in found if not each.startswith("ep-")])
        if joined and not self._allow_disconnect:
            names = ", ".join(str(each) for each in joined)
            raise FleetnetError(
                f"{names} joined network {state.name!r} during the run. {consent('allow_disconnect')} to disconnect "
                "them."
            )
        for attachment in joined:
            self._late.setdefault(state.name, []).append(attachment)
            self._disconnect(state.id, state.name, attachment.container_id)
        # Endpoints whose container no longer exists: the engine has only their names.
        gone = [entry["Name"] for key, entry in found.items() if key.startswith("ep-")]
        for name in gone:
            self._engine.post(f"/networks/{state.id}/disconnect", {"Container": name, "Force": True})
        return len(joined) + len(gone)

    def _await_removal(self, state: NetworkState) -> None:
        """Wait until the swarm has removed the network: only then its name is free."""
        for _attempt in range(int(_SWARM_SECONDS / 0.1)):
            if not any(each.id == state.id for each in read_networks(self._engine)):
                return
            self._sleep(0.1)
        raise FleetnetError(f"the swarm did not remove network {state.name!r} within {_SWARM_SECONDS:.0f} s.")

    # -- endpoints

    def _disconnect(self, network_id: str, name: str, container_id: str) -> None:
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

    def _exists(self, details: t.Any, network_id: str) -> bool:
        """Whether the listed endpoint of a container exists. Those of a stopped container are only listed."""
        state = details.get("State") or {}
        return not state.get("Running") or state.get("Restarting") or details["Id"] in self._running_on(network_id)

    def _running_on(self, network_id: str) -> t.Collection[str]:
        """The ids of the running containers that have an endpoint on the network."""
        found: dict[str, t.Any] = self._engine.get(f"/networks/{network_id}").get("Containers") or {}
        return found.keys()

    def _connect(self, network_id: str, name: str, attachment: Attachment) -> None:
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
                            self._disconnect(network_id, name, attachment.container_id)
                    raise EngineError(
                        f"cannot connect {attachment} to network {name!r}: {error}", error.status
                    ) from error
                if there is not None:
                    self._disconnect(network_id, name, attachment.container_id)

    # -- undo

    def _restore(self, step: NetworkStep) -> list[str]:
        """Restore the networks and endpoints of ``step.before``; return what failed as text.

        It starts from the observed networks, since a failed request may have taken effect.
        """
        problems: list[str] = []

        def attempt(what: str, action: t.Callable[[], t.Any]) -> t.Any:
            try:
                return action()
            except FleetnetError as error:
                problems.append(f"{what} ({error})")
                return None

        networks = attempt("reading the networks", lambda: read_networks(self._engine)) or ()
        for name in sorted(self._bridges.requested() - {each.bridge for each in networks} - self._unanswered):
            if networks:  # otherwise it is unknown whether a network has it
                attempt(f"removing bridge {name!r}", functools.partial(self._bridges.remove, name))
        problems += [
            f"the engine may still create bridge {name!r}, which the next run then removes"
            for name in sorted(self._unanswered & self._bridges.requested())
        ]
        made = dict(self._made)
        for network in networks:
            if network.id in made:
                attempt(f"removing the new network {network.name!r}", functools.partial(self._discard, network))
        present = {network.id for network in networks}
        for state in step.after:
            if state.id and state.id in present:
                self._leave(state, attempt)
        for state in sorted(step.before, key=lambda each: not each.definition.config_only):
            network_id = state.id
            if state.id not in present:
                network_id = attempt(f"network {state.name!r}", functools.partial(self._create, state.definition))
                if network_id is None:
                    problems += [f"{each} on network {state.name!r}" for each in state.attachments]
                    continue
            self._reconnect(state, network_id, attempt)
        return problems

    def _reconnect(self, state: NetworkState, network_id: str, attempt: t.Callable[..., t.Any]) -> None:
        network = ObservedNetwork(network_id, state.definition)
        containers = attempt("reading the containers", lambda: read_containers(self._engine)) or ()
        existing = attempt("reading the endpoints", lambda: self._running_on(network_id)) or ()
        there = {
            each.id for each in containers if each.is_on(network) and (not each.has_interfaces or each.id in existing)
        }
        for attachment in addressed_first([*state.attachments, *self._late.get(state.name, ())]):
            if attachment.container_id not in there:
                attempt(
                    f"{attachment} on network {state.name!r}",
                    functools.partial(self._connect, network_id, state.name, attachment),
                )

    def _leave(self, state: NetworkState, attempt: t.Callable[..., t.Any]) -> None:
        """Undo the joins of a step that keeps its network."""
        for attachment in state.attachments:
            if (state.id, attachment.container_id) in self._joined:
                attempt(
                    f"disconnecting {attachment} from network {state.name!r}",
                    functools.partial(self._disconnect, state.id, state.name, attachment.container_id),
                )

    def _discard(self, network: ObservedNetwork) -> None:
        for container in read_containers(self._engine):
            if container.is_on(network):
                self._disconnect(network.id, network.name, container.id)
        self._engine.delete(f"/networks/{network.id}")

    # -- duplicates

    def _settle_duplicates(self, created: t.Mapping[str, Definition]) -> None:
        """Engines before 25 can create a name twice for two controllers: both then keep the older network."""
        self._sleep(_SETTLE_SECONDS)
        networks = read_networks(self._engine)
        for network in networks:
            if network.id not in created:
                continue
            same = sorted((each.created, each.id) for each in networks if each.name == network.name)
            if same[0][1] == network.id:
                continue
            keeper = next(each for each in networks if each.id == same[0][1])
            with signals_held():
                self._move(network, keeper)
            if not same_network(created[network.id], keeper):
                raise FleetnetError(
                    f"another program created a network {network.name!r} with other options at the same time; this one "
                    "is removed again, and its containers are connected to the other one. Run again."
                )

    def _move(self, network: ObservedNetwork, keeper: ObservedNetwork) -> None:
        """Remove a network and connect its containers to another one, as many as possible."""
        on_it = [each.id for each in read_containers(self._engine) if each.is_on(network)]
        moving = read_attachments(self._engine, network, on_it)
        problems = []
        self._discard(network)
        for attachment in addressed_first(refit(each, keeper.definition)[0] for each in moving):
            try:
                self._connect(keeper.id, keeper.name, attachment)
            except FleetnetError as error:  # noqa: PERF203 (the others move)
                problems.append(str(error).rstrip("."))
        if problems:
            raise FleetnetError(
                f"a duplicate of network {network.name!r} is removed; NOT connected: {'; '.join(problems)}."
            )


def _endpoint(details: t.Any, network_id: str, name: str) -> Attachment | None:
    return parse_attachment(details, ObservedNetwork(network_id, Definition(name)))
