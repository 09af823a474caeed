# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finish or undo steps that a killed run or a reboot interrupted. Modules and the reconciler use the same code."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import addressed_first
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_attachment
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    ContainerSummary,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import (
    EngineState,
    Predicted,
    Remaining,
    predict,
    remaining,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import Bridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import (
    inspect_container,
    read_containers,
    read_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import Journals
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.operations import NetworkOperations
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.signals import signals_held
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import Adoptions, NoAdoptions


def read_engine_state(engine: Engine, journal: Journal) -> EngineState:
    """Read what :func:`remaining` needs to know about the step's networks."""
    networks = read_networks(engine)
    names = {state.name for state in (*journal.step.before, *journal.step.after)}
    endpoints: dict[str, t.Collection[str]] = {}
    for network in networks:
        if network.name in names:
            try:
                endpoints[network.id] = (engine.get(f"/networks/{network.id}").get("Containers") or {}).keys()
            except EngineError as error:
                if error.status != 404:
                    raise
    containers = read_containers(engine)
    ours = {each.container_id for state in (*journal.step.before, *journal.step.after) for each in state.attachments}
    failed = []
    attachments: dict[tuple[str, str], Attachment] = {}
    for container in containers:
        details = inspect_container(engine, container.id) if container.id in ours else None
        if details is None:
            continue
        if not container.running and (details.get("State") or {}).get("Error"):
            failed.append(container.id)
        for network in networks:
            found = parse_attachment(details, network) if network.name in names else None
            if found is not None:
                attachments[network.id, container.id] = found
    return EngineState(networks, containers, endpoints, frozenset(failed), attachments)


class Recovery:
    """Restores as much as possible; ``problems`` are the failures as text.

    ``joined`` is called with the containers that joined a network of this name, before they are disconnected from it;
    ``made`` with the id of each network that is created. If ``adoptions`` has the former one, this one stays adopted.
    """

    def __init__(
        self,
        engine: Engine,
        bridges: Bridges,
        operations: NetworkOperations,
        joined: t.Callable[[str, tuple[Attachment, ...]], None],
        made: t.Callable[[str], None] = lambda _network_id: None,
        adoptions: Adoptions | None = None,
    ) -> None:
        self._engine = engine
        self._bridges = bridges
        self._operations = operations
        self._joined = joined
        self._made = made
        self._adoptions = adoptions or NoAdoptions()
        self._former: dict[str, str] = {}
        self.problems: list[str] = []

    def attempt(self, what: str, action: t.Callable[[], t.Any]) -> t.Any:
        try:
            return action()
        except FleetnetError as error:
            self.problems.append(f"{what} ({error})")
            return None

    def remove_bridges(self, networks: t.Iterable[ObservedNetwork]) -> None:
        """Remove the bridges of failed creations."""
        unanswered = self._operations.unanswered
        for name in sorted(self._bridges.requested() - {each.bridge for each in networks} - unanswered):
            self.attempt(f"removing bridge {name!r}", functools.partial(self._bridges.remove, name))
        self.problems += [
            f"the engine may still create bridge {name!r}, which the next run then removes"
            for name in sorted(unanswered & self._bridges.requested())
        ]

    def restore(self, left: Remaining) -> None:
        """Execute the steps that are left."""
        self._former = {state.name: state.id for state in left.journal.step.before} if left.undoing else {}
        self.problems += left.blocked
        self._operations.warnings += left.warnings
        for step in left.steps:
            if step.kind == "remove":
                (state,) = step.before
                self.attempt(f"removing network {state.name!r}", functools.partial(self._remove, state))
            else:
                self._connect(step)
        for former, network_id in left.restored.items():  # the process that created it may have died before this
            self._keep_adopted(former, network_id)
        for each in left.start:
            self.attempt(f"starting container {each.container}", functools.partial(self._operations.start, each))

    def _remove(self, state: NetworkState) -> None:
        for attachment in state.attachments:
            self._operations.disconnect(state.id, state.name, attachment.container_id)
        self._operations.delete(state, functools.partial(self._joined, state.name))

    def _create(self, state: NetworkState) -> str:
        network_id = self._operations.create(state.definition)
        self._made(network_id)
        former = self._former.get(state.name)
        if former and not state.definition.labeled:
            self._keep_adopted(former, network_id)
        return network_id

    def _keep_adopted(self, former: str, network_id: str) -> None:
        """Otherwise the network would be that of others, and no run would change it."""
        what = f"recording network {network_id[:12]} as adopted"
        self.attempt(what, functools.partial(self._adoptions.replace, former, network_id))

    def _connect(self, step: NetworkStep) -> None:
        (after,) = step.after
        network_id = after.id or self.attempt(f"network {after.name!r}", functools.partial(self._create, after))
        kept = {each for state in step.before for each in state.attachments} & set(after.attachments)
        for former in (each for state in step.before for each in state.attachments if each not in kept):
            # first all of them: one may have the address of another
            self.attempt(
                f"disconnecting {former} from network {after.name!r}",
                functools.partial(self._operations.disconnect, network_id, after.name, former.container_id),
            )
        for attachment in addressed_first(after.attachments):
            if attachment in kept:
                continue
            what = f"{attachment} on network {after.name!r}"
            if network_id is None:
                self.problems.append(what)
                continue
            self.attempt(what, functools.partial(self._operations.connect, network_id, after.name, attachment))


class RecoveryFailed(FleetnetError):
    """Steps could not be finished or undone completely. Their journals stay."""


class Preview(t.NamedTuple):
    """What is left to do, and the engine after it. None if there is nothing to do."""

    left: t.Sequence[Remaining]
    predicted: Predicted | None = None


class Recoverer:
    """Finishes the steps that are interrupted on one engine. ``warnings`` are about what is not as before."""

    def __init__(
        self, engine: Engine, bridges: Bridges, journals: Journals, adoptions: Adoptions | None = None
    ) -> None:
        self._engine = engine
        self._bridges = bridges
        self._journals = journals
        self._adoptions = adoptions or NoAdoptions()
        self.warnings: list[str] = []

    def preview(self) -> Preview:
        """What is left to do, without a change. Raises RecoveryFailed if something cannot be restored."""
        left: list[Remaining] = []
        networks: dict[str, ObservedNetwork] = {}
        containers: tuple[ContainerSummary, ...] = ()
        if not self._journals.interrupted():
            return Preview(left)
        for journal in self._journals.unfinished():
            now = read_engine_state(self._engine, journal)
            found = remaining(journal, now)
            if found.blocked:
                raise self._failure(found, found.blocked)
            self.warnings += found.warnings
            left.append(found)
            networks, containers = {each.id: each for each in now.networks}, now.containers
        steps = [step for each in left for step in each.steps]
        adopted = {network_id for each in left for network_id in each.stay_adopted(self._adoptions.has)}
        return Preview(left, predict(steps, EngineState(tuple(networks.values()), containers), adopted))

    def recover(self) -> list[Remaining]:
        """Finish or undo all steps; return what was left to do. Raises RecoveryFailed."""
        done = []
        for journal in self._journals.unfinished():
            with signals_held():
                done.append(self._recover(journal))
        return done

    def _recover(self, journal: Journal) -> Remaining:
        left = remaining(journal, read_engine_state(self._engine, journal))
        record = _JournalOnDisk(self._journals, journal)
        record.update(undoing=left.undoing)
        operations = NetworkOperations(self._engine, self._bridges)
        recovery = Recovery(
            self._engine, self._bridges, operations, record.add_joined, record.add_made, self._adoptions
        )
        recovery.restore(left)
        if record.journal.step != journal.step and not recovery.problems:  # containers joined a network meanwhile
            recovery.restore(remaining(record.journal, read_engine_state(self._engine, record.journal)))
        self.warnings += operations.warnings
        if recovery.problems:
            raise self._failure(left, recovery.problems)
        self._journals.end(record.journal)
        return left

    def differences(self, left: t.Iterable[Remaining]) -> list[Difference]:
        """The differences that finishing these steps ends."""
        return [found for each in left for found in each.differences(self._journals.path(each.journal))]

    def _failure(self, left: Remaining, problems: t.Iterable[str]) -> RecoveryFailed:
        return RecoveryFailed(
            f"an interrupted run ({left.journal.step.title}) cannot be {'undone' if left.undoing else 'finished'}: "
            f"{'; '.join(each.rstrip('.') for each in problems)}. The next run tries again. To give up these "
            f"endpoints, delete {self._journals.path(left.journal)}."
        )


class _JournalOnDisk:
    """A journal on disk that follows what happens."""

    def __init__(self, journals: Journals, journal: Journal) -> None:
        self._journals = journals
        self.journal = journal

    def update(self, **changes: t.Any) -> None:
        changed = dataclasses.replace(self.journal, **changes)
        if changed != self.journal:
            self._journals.write(changed)
            self.journal = changed

    def add_made(self, network_id: str) -> None:
        if not self.journal.undoing:
            self.update(made=(*self.journal.made, network_id))

    def add_joined(self, network: str, attachments: tuple[Attachment, ...]) -> None:
        if not self.journal.allow_disconnect:
            names = ", ".join(str(each) for each in attachments)
            raise FleetnetError(f"{names} joined it. Disconnect them from network {network!r}, and run again")
        self.update(step=self.journal.with_joined(network, attachments).step)
