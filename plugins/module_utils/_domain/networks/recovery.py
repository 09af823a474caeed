# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left to do of a step that was interrupted: the journal and what the engine shows now. Pure.

The rule: while all former networks exist, their endpoints are restored, and the next run plans again. Once a network is
removed, the step is finished. If that is not possible, or if the step was being undone, the former networks are
restored. Networks of other programs are never removed or joined.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONNECTED,
    CONTAINER,
    FILE,
    NETWORK,
    PRESENT,
    RUNNING,
    STATE,
    STOPPED,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.conflicts import allocated_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import GOING
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    ContainerSummary,
    Definition,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import (
    NetworkStep,
    describe_attachment,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network


@dataclasses.dataclass(frozen=True)
class EngineState:
    """What an engine shows. ``endpoints`` are the ids of the running containers that have an endpoint, by network id.

    A container can list an endpoint that does not exist, after a failed connect. ``failed`` are the ids of stopped
    containers whose last start failed: at boot, a container does not start without its network. ``attachments`` are the
    endpoints of the step's containers, by network id and container id: at boot, a container that has lost all of them
    starts on the network that it was created with, without its addresses and aliases.
    """

    networks: tuple[ObservedNetwork, ...]
    containers: tuple[ContainerSummary, ...] = ()
    endpoints: t.Mapping[str, t.Collection[str]] = dataclasses.field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    attachments: t.Mapping[tuple[str, str], Attachment] = dataclasses.field(default_factory=dict)

    def has(self, network_id: str) -> bool:
        return any(each.id == network_id for each in self.networks)

    def on(self, network: ObservedNetwork) -> tuple[ContainerSummary, ...]:
        """The containers with an endpoint on the network."""
        there = self.endpoints.get(network.id, ())
        return tuple(
            each for each in self.containers if each.is_on(network) and (not each.has_interfaces or each.id in there)
        )


@dataclasses.dataclass(frozen=True)
class Remaining:
    """The steps that are left, in order, and the containers to start after them.

    ``undoing``: the steps restore the former networks. ``restored`` are those that were created again before, without
    the label of this collection: the ids of the former ones, and those of the present ones.
    ``blocked`` are the reasons why networks or endpoints cannot be restored now; the steps restore the others.
    ``warnings`` are about what no longer can be restored.
    """

    journal: Journal
    undoing: bool
    steps: tuple[NetworkStep, ...] = ()
    start: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    restored: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def operations(self) -> list[str]:
        """The steps as text, one line per operation. The end of the journal is one as well."""
        verb = "undo" if self.undoing else "finish"
        title = f"{verb} an interrupted run ({self.journal.step.title})"
        lines = [line for step in self.steps for line in step.lines]
        lines += [f"start container {each.container}" for each in self.start]
        return [f"{title}: {line}" for line in lines or ([] if self.blocked else ["nothing is left to do"])]

    def stay_adopted(self, adopted: t.Callable[[str], bool]) -> set[str]:
        """The ids of the restored networks whose former ones were ``adopted`` (by id)."""
        former = {state.name: state.id for state in self.journal.step.before} if self.undoing else {}
        created = (state for step in self.steps if step.kind == "create" for state in step.after)
        again = {
            former[each.name]: predicted_id(each.name)
            for each in created
            if each.name in former and not each.definition.labeled
        }
        return {now for then, now in (*self.restored.items(), *again.items()) if adopted(then)}

    def differences(self, path: str) -> list[Difference]:
        """The differences that the steps end. ``path`` is that of the journal."""
        if not self.steps and not self.start and not self.blocked:
            return [Difference(FILE, path, STATE, None, PRESENT)]
        found = [Difference(CONTAINER, each.container, STATE, RUNNING, STOPPED) for each in self.start]
        for step in self.steps:
            if step.kind == "remove":
                found += [Difference(NETWORK, state.name, STATE, None, PRESENT) for state in step.before]
            if step.kind == "create":
                found += [Difference(NETWORK, state.name, STATE, PRESENT, None) for state in step.after]
            if step.kind == "connect":
                found += _endpoint_differences(step.before[0], step.after[0])
        return found


def _endpoint_differences(before: NetworkState, after: NetworkState) -> t.Iterator[Difference]:
    was = {each.container_id: each for each in before.attachments}
    declared, observed = (sorted(each.container for each in state.attachments) for state in (after, before))
    if declared != observed:
        yield Difference(NETWORK, before.name, CONNECTED, declared, observed)
    for each in after.attachments:
        former = was.get(each.container_id, each)
        if former != each:
            options = [describe_attachment(attachment, with_mac=False) for attachment in (each, former)]
            yield Difference(NETWORK, before.name, f"{CONNECTED}.{each.container}", *options)


def remaining(journal: Journal, now: EngineState) -> Remaining:
    """Decide what is left to do of an interrupted step."""
    kept = {state.id for state in journal.step.after if state.id}
    begun = kept.issuperset(state.id for state in journal.step.before) or any(
        not now.has(state.id) for state in journal.step.before if state.id not in kept
    )
    finished = None
    if begun and not journal.undoing:
        finished = _Decision(journal, now, undoing=False).finish()
        if not finished.blocked:
            return finished
    undone = _Decision(journal, now, undoing=True).undo()
    return finished if finished is not None and undone.blocked else undone


class _Decision:
    def __init__(self, journal: Journal, now: EngineState, undoing: bool) -> None:
        self._journal = journal
        self._step = journal.step
        self._now = now
        self._undoing = undoing
        self._kept = {state.id for state in self._step.after if state.id}
        self._former = {state.id for state in self._step.before}
        self._going: list[str] = []  # ids of networks that the steps remove
        self._steps: list[NetworkStep] = []
        self._warnings: list[str] = []
        self._blocked: list[str] = []
        self._again: dict[str, str] = {}

    def finish(self) -> Remaining:
        for state in self._step.before:
            if state.id not in self._kept and self._now.has(state.id):
                # The run had disconnected all containers before it removed the first network.
                self._remove(NetworkState(state.definition, (), state.id))
        for state in self._step.after:
            if state.id:
                self._keep(state)
            else:
                self._restore(state, self._made(state))
        return self._result()

    def undo(self) -> Remaining:
        for state in self._step.after:
            made = None if state.id else self._made(state)
            if made is not None and self._is_new(made):
                on_it = [each for each in self._now.containers if each.is_on(made)]
                attachments = tuple(Attachment(each.id, each.name, each.running) for each in on_it)
                self._remove(NetworkState(state.definition, attachments, made.id))
        for state in sorted(self._step.before, key=lambda each: not each.definition.config_only):
            network = self._restored(state)
            if network is not None and network.id != state.id and not state.definition.labeled:
                self._again[state.id] = network.id
            self._restore(state, network)
        return self._result()

    def _result(self) -> Remaining:
        return Remaining(
            self._journal,
            self._undoing,
            tuple(self._steps),
            self._to_start(),
            tuple(self._warnings),
            tuple(self._blocked),
            self._again,
        )

    def _to_start(self) -> tuple[Attachment, ...]:
        """The containers that ran before the step."""
        ran = {
            each.container_id: each
            for state in self._step.before
            for each in state.attachments
            if each.running and each.container_id in self._now.failed
        }
        return () if self._blocked else tuple(ran.values())

    # -- which network is which

    def _others(self, name: str) -> list[ObservedNetwork]:
        """The networks of this name that are neither former networks of the step nor about to be removed."""
        return [
            each
            for each in self._now.networks
            if each.name == name and each.id not in self._former and each.id not in self._going
        ]

    def _made(self, state: NetworkState) -> ObservedNetwork | None:
        """The network that the step has created for a state; the run may have died before it recorded its id."""
        others = self._others(state.name)
        recorded = [each for each in others if each.id in self._journal.made]
        if recorded:
            return recorded[0]
        return others[0] if len(others) == 1 and same_network(state.definition, others[0]) else None

    def _is_new(self, made: ObservedNetwork) -> bool:
        """Whether the network is not a former one that was restored before its id was recorded."""
        if made.id in self._journal.made:
            return True
        return not any(
            state.name == made.name and not self._now.has(state.id) and same_network(state.definition, made)
            for state in self._step.before
        )

    def _restored(self, state: NetworkState) -> ObservedNetwork | None:
        """The former network, or the one that was created again in its place."""
        same = [each for each in self._now.networks if each.id == state.id]
        if same:
            return same[0]
        others = self._others(state.name)
        return others[0] if len(others) == 1 and same_network(state.definition, others[0]) else None

    # -- steps

    def _remove(self, state: NetworkState) -> None:
        self._going.append(state.id)
        self._steps.append(NetworkStep("remove", (state,), ()))

    def _keep(self, state: NetworkState) -> None:
        network = next((each for each in self._now.networks if each.id == state.id), None)
        if network is not None:
            self._connect(state, network)
        elif self._existing(state):
            self._warnings.append(
                f"network {state.name!r} no longer exists, and {_names(self._existing(state))} cannot be reconnected "
                "to it"
            )

    def _restore(self, state: NetworkState, network: ObservedNetwork | None) -> None:
        """Create the network unless it is there, and connect what is missing."""
        if network is not None:
            self._connect(state, network)
            return
        attachments = self._existing(state)
        obstacle = self._obstacle(state.definition)
        if obstacle is None:
            self._warn_of_gone(state)
            self._steps.append(NetworkStep("create", (), (NetworkState(state.definition, attachments),)))
            return
        on_others = {each.id for other in self._others(state.name) for each in self._now.on(other)}
        missing = tuple(each for each in attachments if each.container_id not in on_others)
        if missing:
            self._blocked.append(
                f"network {state.name!r}: cannot be created again, because {obstacle}. Remove that network, or change "
                f"it, and run again. Until then {_names(missing)} {'are' if len(missing) > 1 else 'is'} not connected "
                "to it"
            )
        elif not on_others:
            self._warnings.append(f"network {state.name!r} is not created again, because {obstacle}")

    def _connect(self, state: NetworkState, network: ObservedNetwork) -> None:
        self._warn_of_gone(state)
        there = {each.id for each in self._now.on(network)}
        existing = self._existing(state)
        observed = {each.container_id: self._observed(network, each) for each in existing if each.container_id in there}
        before = tuple(observed[each.container_id] for each in existing if each.container_id in observed)
        missing = [each for each in existing if each.container_id not in observed]
        after = (*(each for each in existing if each.container_id in observed), *missing)
        if before != after:
            self._steps.append(
                NetworkStep(
                    "connect",
                    (NetworkState(state.definition, before, network.id),),
                    (NetworkState(state.definition, after, network.id),),
                    reason="its endpoint is another one",
                )
            )

    def _observed(self, network: ObservedNetwork, recorded: Attachment) -> Attachment:
        """The endpoint of a container; ``recorded`` if it has what that has."""
        found = self._now.attachments.get((network.id, recorded.container_id), recorded)
        # The engine chooses an address only for a container that runs.
        fixed = {each for each in recorded.addresses if each.version not in recorded.chosen or found.running}
        same = (
            fixed <= set(found.addresses)
            and set(recorded.aliases) <= set(found.aliases)
            and set(recorded.links) <= set(found.links)
            and set(recorded.driver_opts) <= set(found.driver_opts)
            and recorded.gw_priority == found.gw_priority
        )
        return recorded if same else found

    def _existing(self, state: NetworkState) -> tuple[Attachment, ...]:
        """The endpoints of containers that still exist."""
        known = {each.id: each for each in self._now.containers if each.state not in GOING}
        return tuple(
            dataclasses.replace(each, container=known[each.container_id].name, running=known[each.container_id].running)
            for each in state.attachments
            if each.container_id in known
        )

    def _warn_of_gone(self, state: NetworkState) -> None:
        known = {each.container_id for each in self._existing(state)}
        self._warnings += [
            f"container {each.container!r} no longer exists and is not reconnected to {state.name!r}"
            for each in state.attachments
            if each.container_id not in known
        ]

    def _obstacle(self, definition: Definition) -> str | None:
        """Why the engine would not create the network, or would create a second one of its name."""
        for other in self._now.networks:
            if other.id in self._going:
                continue
            label = f"network {other.name!r} ({other.id[:12]})"
            if other.name == definition.name:
                return f"another program created {label}"
            if definition.named_bridge is not None and other.bridge == definition.named_bridge:
                return f"{label} has its bridge {other.bridge}"
            if other.definition.scope != definition.scope:
                continue
            for block in allocated_blocks(definition):
                for taken in allocated_blocks(other.definition):
                    if block.family == taken.family and block.subnet.overlaps(taken.subnet):
                        return f"{label} has subnet {taken.subnet}"
        return None


def _names(attachments: t.Iterable[Attachment]) -> str:
    return ", ".join(each.container for each in attachments)


@dataclasses.dataclass(frozen=True)
class Predicted:
    """An engine after steps: its networks, its containers, and by network id the endpoints that the steps add.

    A network that does not exist yet has the id :func:`predicted_id`.
    """

    networks: tuple[ObservedNetwork, ...]
    containers: tuple[ContainerSummary, ...]
    attachments: t.Mapping[str, tuple[Attachment, ...]]


def predicted_id(name: str) -> str:
    """An id that no network of an engine has."""
    return f"planned {name}"


def is_predicted(network_id: str) -> bool:
    return network_id.startswith("planned ")


def predict(steps: t.Iterable[NetworkStep], now: EngineState, adopted: t.Collection[str] = ()) -> Predicted:
    """The engine after the steps that :func:`remaining` returned for it. ``adopted`` are ids of networks after them."""
    networks = {each.id: each for each in now.networks}
    joined: dict[str, tuple[Attachment, ...]] = {}
    for step in steps:
        if step.kind == "remove":
            for state in step.before:
                networks.pop(state.id, None)
            continue
        for state in step.after:
            network_id = state.id or predicted_id(state.name)
            networks.setdefault(network_id, ObservedNetwork(network_id, state.definition))
            before = {each for former in step.before for each in former.attachments}
            added = tuple(each for each in state.attachments if each not in before)
            joined[network_id] = joined.get(network_id, ()) + added
    containers = tuple(
        dataclasses.replace(
            each,
            networks=(
                *((name, nid) for name, nid in each.networks if not nid or nid in networks),
                *(
                    (networks[nid].name, nid)
                    for nid, attachments in joined.items()
                    if any(added.container_id == each.id for added in attachments)
                ),
            ),
        )
        for each in now.containers
    )
    recorded = (dataclasses.replace(each, adopted=each.adopted or each.id in adopted) for each in networks.values())
    ordered = sorted(recorded, key=lambda each: (each.name, each.created, each.id))
    return Predicted(tuple(ordered), containers, joined)
