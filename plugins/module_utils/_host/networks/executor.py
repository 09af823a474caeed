# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execute a plan for networks: each step completely, or undo it and raise an error with the reason."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import addressed_first, refit
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal, needs_journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Definition,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import remaining
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import (
    ADOPT,
    OWNERSHIP,
    RELEASE,
    NetworksPlan,
    NetworkStep,
    failure_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import Bridges, UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import (
    read_attachments,
    read_containers,
    read_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import Journals, NoJournals
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.operations import NetworkOperations
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import (
    Recovery,
    read_engine_state,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.signals import signals_held
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import Adoptions, NoAdoptions

_SETTLE_SECONDS = 0.3


class StepFailed(FleetnetError):
    """A step failed; the text says whether the former state is restored."""


class NetworkExecutor:
    """Executes plans on one engine. ``warnings`` are those that the plan does not have.

    ``docker_host`` is the engine's address, which the journals contain.
    """

    def __init__(
        self,
        engine: Engine,
        allow_disconnect: bool = False,
        sleep: t.Callable[[float], None] = time.sleep,
        bridges: Bridges | None = None,
        journals: Journals | None = None,
        docker_host: str = "",
        adoptions: Adoptions | None = None,
    ) -> None:
        self._engine = engine
        self._bridges = bridges or UnknownBridges()
        self._operations = NetworkOperations(engine, self._bridges, sleep)
        self._allow_disconnect = allow_disconnect
        self._sleep = sleep
        self._journals = journals or NoJournals()
        self._docker_host = docker_host
        self._adoptions = adoptions or NoAdoptions()
        self._journal = Journal(docker_host, NetworkStep("create", (), ()))  # of the current step
        self._journaled = False
        self._created: dict[str, Definition] = {}  # by id, for engines that can create a name twice
        self._joined: set[tuple[str, str]] = set()  # (network id, container id) that the current step has connected

    @property
    def warnings(self) -> list[str]:
        return self._operations.warnings

    def execute(self, plan: NetworksPlan) -> None:
        done: list[str] = []
        self._created = {}
        for step in plan.steps:
            with signals_held():
                self._execute(step, done)
            done += step.lines
        if self._created and self._engine.version < (25,):
            self._settle_duplicates(dict(self._created))

    def _execute(self, step: NetworkStep, done: t.Sequence[str]) -> None:
        self._begin(step)
        try:
            self._forward(step)
        except BaseException as error:  # in any case, the endpoints must not stay disconnected
            problems = self._undo(step)
            if not isinstance(error, FleetnetError):
                raise
            kept = self._journaled and self._journals.kept
            raise StepFailed(failure_text(self._journal.step, error, problems, done, kept)) from error
        self._end()
        self._forget(step)

    def _forget(self, step: NetworkStep) -> None:
        """Forget adopted networks that no longer exist. Their ids do not come back, so a record of them is harmless."""
        kept = {state.id for state in step.after}
        for state in step.before:
            if state.id not in kept:
                with contextlib.suppress(FleetnetError):
                    self._adoptions.release(state.id)

    # -- journal

    def _begin(self, step: NetworkStep) -> None:
        self._joined, self._operations.unanswered = set(), set()
        self._journaled = False
        self._journal = Journal(self._docker_host, step, self._allow_disconnect)
        if needs_journal(step):
            self._record(self._journal)

    def _record(self, journal: Journal) -> None:
        """Keep the journal current before what it is about happens."""
        self._journal = journal
        if journal.step.before:
            self._journals.write(journal)
            self._journaled = True

    def _end(self) -> None:
        if self._journaled:
            self._journals.end(self._journal)
            self._journaled = False

    # -- forward

    def _forward(self, step: NetworkStep) -> None:
        if step.kind == ADOPT:
            self._adoptions.adopt(step.after[0].id, step.after[0].name)
        if step.kind == RELEASE:
            self._adoptions.release(step.after[0].id)
        if step.kind == "connect":
            self._check_accepted(step)
        kept = {state.id: state.attachments for state in step.after if state.id}
        for state in step.before:
            for attachment in state.attachments:
                if attachment not in kept.get(state.id, ()):
                    self._operations.disconnect(state.id, state.name, attachment.container_id)
        for state in step.before:
            if state.id not in kept:
                self._operations.delete(state, functools.partial(self._note_joined, state.name))
        before = {state.id: state.attachments for state in step.before}
        for state in self._journal.step.after:
            network_id = state.id or self._create(state.definition)
            for attachment in addressed_first(state.attachments):
                if attachment not in before.get(network_id, ()):
                    self._joined.add((network_id, attachment.container_id))
                    self._operations.connect(network_id, state.name, attachment)

    def _check_accepted(self, step: NetworkStep) -> None:
        for before, after in zip(step.before, step.after):
            for attachment in after.attachments:
                if self._operations.check_accepted(before, after, attachment):
                    self._joined.add((after.id, attachment.container_id))

    def _create(self, definition: Definition) -> str:
        network_id = self._operations.create(definition)
        self._created[network_id] = definition
        journal = dataclasses.replace(self._journal, made=(*self._journal.made, network_id))
        if self._journaled:
            self._record(journal)
        self._journal = journal
        return network_id

    def _note_joined(self, network: str, attachments: tuple[Attachment, ...]) -> None:
        """Containers joined a network during its removal, and are about to be disconnected."""
        if not self._allow_disconnect:
            names = ", ".join(str(each) for each in attachments)
            raise FleetnetError(
                f"{names} joined network {network!r} during the run. {consent('allow_disconnect')} to disconnect them."
            )
        self._record(self._journal.with_joined(network, attachments))

    # -- undo

    def _undo(self, step: NetworkStep) -> list[str]:
        """Restore the networks and endpoints of ``step.before``; return what failed as text.

        It starts from the observed networks, since a failed request may have taken effect. If something fails, the
        journal stays, and the next run continues. A step that changes only the record needs none: another program may
        have removed its network meanwhile.
        """
        if step.kind in OWNERSHIP:
            return []
        recovery = Recovery(self._engine, self._bridges, self._operations, self._note_joined, adoptions=self._adoptions)
        problems = recovery.problems
        self._journal = dataclasses.replace(self._journal, undoing=True)
        if self._journaled:
            recovery.attempt("writing the journal", functools.partial(self._record, self._journal))
        networks = recovery.attempt("reading the networks", lambda: read_networks(self._engine)) or ()
        if networks:  # otherwise it is unknown whether a network has them
            recovery.remove_bridges(networks)
        present = {network.id for network in networks}
        for state in step.after:
            if state.id and state.id in present:
                self._leave(state, recovery)
        now = recovery.attempt("reading the endpoints", lambda: read_engine_state(self._engine, self._journal))
        if now is None:
            problems += [f"{each} on network {state.name!r}" for state in step.before for each in state.attachments]
        else:
            recovery.restore(remaining(self._journal, now))
        if not problems:
            self._end()
        return problems

    def _leave(self, state: NetworkState, recovery: Recovery) -> None:
        """Undo the joins of a step that keeps its network."""
        for attachment in state.attachments:
            if (state.id, attachment.container_id) in self._joined:
                recovery.attempt(
                    f"disconnecting {attachment} from network {state.name!r}",
                    functools.partial(self._operations.disconnect, state.id, state.name, attachment.container_id),
                )

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
        moved = tuple(refit(each, keeper.definition)[0] for each in moving)
        self._begin(
            NetworkStep(
                "move",
                (NetworkState(network.definition, moving, network.id),),
                (NetworkState(keeper.definition, moved, keeper.id),),
            )
        )
        problems = []
        for container_id in on_it:
            self._operations.disconnect(network.id, network.name, container_id)
        self._engine.delete(f"/networks/{network.id}")
        for attachment in addressed_first(moved):
            try:
                self._operations.connect(keeper.id, keeper.name, attachment)
            except FleetnetError as error:  # noqa: PERF203 (the others move)
                problems.append(str(error).rstrip("."))
        if problems:
            raise FleetnetError(
                f"a duplicate of network {network.name!r} is removed; NOT connected: {'; '.join(problems)}."
            )
        self._end()
