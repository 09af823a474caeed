# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for a host's networks: ordered steps, the containers that they interrupt, and the differences they end."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import OWNER_LABEL, OWNER_VALUE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONNECTED,
    MANAGED,
    NETWORK,
    PRESENT,
    STATE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.conflicts import (
    FinalNetwork,
    check_conflicts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import (
    Membership,
    keeps_mac,
    members,
    membership,
    refit,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_support import (
    EngineFacts,
    check_engine,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.grouping import groups
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    DEFAULT_BRIDGE,
    Attachment,
    ContainerSummary,
    Definition,
    Item,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import (
    ADOPT,
    RELEASE,
    NetworksPlan,
    NetworkStep,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    Drifted,
    NetworksRequest,
    Survey,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import (
    target,
    without_engine_options,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import check_ports


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What was read in addition to the list of networks, as far as :class:`Survey` needs it.

    ``attachments`` are by network id, for :attr:`Survey.interrupted` and for networks that a container is to leave.
    ``services`` are names by network id.
    """

    containers: tuple[ContainerSummary, ...] = ()
    attachments: t.Mapping[str, tuple[Attachment, ...]] = dataclasses.field(default_factory=dict)
    services: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    facts: EngineFacts = dataclasses.field(default_factory=EngineFacts)


def plan_networks(request: NetworksRequest, survey: Survey, snapshot: Snapshot) -> NetworksPlan:
    """Plan the steps in this order: ownership, removals, recreates, creations, and endpoints of unchanged networks.

    Raises FleetnetError if the request does not allow a step; the error names everything that it would interrupt.
    """
    return _Planner(request, survey, snapshot).plan()


class _Planner:
    def __init__(self, request: NetworksRequest, survey: Survey, snapshot: Snapshot) -> None:
        self._request = request
        self._survey = survey
        self._snapshot = snapshot
        self._warnings: list[str] = []
        self._refusals: list[str] = []

    def plan(self) -> NetworksPlan:
        recreate = self._settle_drift()
        replaced = {each.network.id: each for each in recreate}
        removed = {network.id: reason for network, reason in self._survey.removals}
        targets = self._targets(recreate)
        stay = [each for each in self._survey.networks if each.id not in replaced and each.id not in removed]
        created = [(item, targets[item.name]) for item in self._survey.items if item.name in targets]
        for item, definition in created:
            check_engine(item, definition, self._request.version, self._snapshot.facts)
        self._check_ports(replaced)
        bridges = {each.bridge for each in self._survey.networks}
        moves = DEFAULT_BRIDGE if self._request.docker0_moves else None
        final = [FinalNetwork.unchanged(each) for each in stay if each.name != moves]
        final += [FinalNetwork.declared(item, definition) for item, definition in created]
        check_conflicts(final, self._request.interfaces - self._request.left_over - bridges, self._request.version)

        steps = [_ownership(ADOPT, network) for network in self._survey.adopted]
        steps += [_ownership(RELEASE, network, reason) for network, reason in self._survey.released]
        steps += [self._removal(network, reason) for network, reason in self._survey.removals]
        # A configuration network needs nothing of others, and recreated networks may take their configuration from it.
        steps += [self._creation(item, targets[item.name]) for item in self._survey.missing if item.config_only]
        steps += [self._recreation(group, targets) for group in groups(recreate, targets)]
        steps += [self._creation(item, targets[item.name]) for item in self._survey.missing if not item.config_only]
        steps += list(self._memberships(replaced))
        if self._refusals:
            raise FleetnetError("; ".join(each.rstrip(".") for each in self._refusals) + ".")
        return NetworksPlan(tuple(steps), tuple(self._warnings), tuple(self._differences(recreate, steps)))

    def _differences(self, recreate: t.Sequence[Drifted], steps: t.Sequence[NetworkStep]) -> t.Iterator[Difference]:
        for network in self._survey.adopted:
            yield Difference(NETWORK, network.name, MANAGED, True, False)
        for network, _reason in self._survey.released:
            yield Difference(NETWORK, network.name, MANAGED, False, True)
        for network, _reason in self._survey.removals:
            yield Difference(NETWORK, network.name, STATE, None, PRESENT)
        for item in self._survey.missing:
            yield Difference(NETWORK, item.name, STATE, PRESENT, None)
        for drifted in recreate:
            yield from (each.of(drifted.network.name) for each in drifted.differences)
        declares_members = {item.name for item, _network in self._survey.connecting}
        for step in steps:
            for before in step.before:
                after = next((each for each in step.after if each.name == before.name), None)
                if after is None or before.name not in declares_members:
                    continue
                observed, declared = (sorted(at.container for at in each.attachments) for each in (before, after))
                if observed != declared:
                    yield Difference(NETWORK, before.name, CONNECTED, declared, observed)

    def _check_ports(self, replaced: t.Collection[str]) -> None:
        adopted = {
            each.id for each in (*self._survey.adopted, *(each for each in self._survey.networks if each.adopted))
        }
        by_name = {each.name: each for each in self._survey.networks if each.id in adopted and each.id not in replaced}
        for item in self._survey.items:
            network = by_name.get(item.name) if item.adopt else None
            if network is not None and network.bridge is not None and not network.definition.labeled:
                check_ports(item.path, network.name, network.bridge, self._request.ports)

    # -- drift

    def _settle_drift(self) -> list[Drifted]:
        """Return the drifted networks to recreate; depending on ``on_drift`` warn of the others or fail.

        Networks that this collection neither created nor adopted are not recreated.
        """
        mode = self._request.on_drift
        drifted = self._survey.drifted
        if mode == "warn":
            self._warnings += [f"{_differs(each)}. The network is not changed." for each in drifted]
            return []
        foreign = [_foreign(each) for each in drifted if not each.owned]
        if foreign:
            raise FleetnetError("; ".join(foreign) + ".")
        if drifted and mode == "fail":
            texts = "; ".join(_differs(each) for each in drifted)
            raise FleetnetError(f"{texts}; on_drift is fail. Change the declaration, or on_drift.")
        return list(drifted)

    def _targets(self, recreate: t.Sequence[Drifted]) -> dict[str, Definition]:
        """The networks to create, by name; configuration networks first, since others depend on them."""
        observed: dict[str, ObservedNetwork] = {each.item.name: each.network for each in recreate}
        work: list[Item] = [each.item for each in recreate] + list(self._survey.missing)
        configs = {each.name: each.definition for each in self._survey.networks if each.definition.config_only}
        found: dict[str, Definition] = {}
        for item in sorted(work, key=lambda each: not each.config_only):
            found[item.name] = target(item, observed.get(item.name), self._request.strict, configs)
            if found[item.name].config_only:
                configs[item.name] = found[item.name]
        return found

    # -- steps

    def _removal(self, network: ObservedNetwork, reason: str) -> NetworkStep:
        state = self._state(network)
        self._check_dependents(network)
        if state.attachments and not self._request.allow_disconnect:
            self._refuse_interruption(
                f"removing network {network.name!r} ({reason})", state, ", or disconnect them first."
            )
        self._check_services(network, "removing")
        return NetworkStep("remove", before=(state,), after=(), reason=reason)

    def _recreation(self, group: t.Sequence[Drifted], targets: t.Mapping[str, Definition]) -> NetworkStep:
        before: list[NetworkState] = []
        after: list[NetworkState] = []
        for drifted in group:
            state = self._state(drifted.network)
            definition = targets[drifted.item.name]
            if state.attachments and not self._request.allow_disconnect:
                what = f"network {state.name!r} differs ({drifted}), and recreating it"
                otherwise = " (they are reconnected), or on_drift: warn to keep the network."
                self._refuse_interruption(what, state, otherwise)
            self._check_services(drifted.network, "recreating")
            change = self._membership(drifted.item, drifted.network)
            kept = [each for each in state.attachments if each.container_id not in change.leave]
            refitted = [self._refit(attachment, definition) for attachment in kept]
            self._warn_of_new_macs(definition, kept, refitted)
            after.append(NetworkState(definition, change.apply(refitted)))
            before.append(state)
        reasons = [f"{each.item.name}: {each}" if len(group) > 1 else str(each) for each in group]
        return NetworkStep("recreate", _last(before), _first(after), reason="; ".join(reasons))

    def _creation(self, item: Item, definition: Definition) -> NetworkStep:
        bridge = definition.named_bridge
        reason = f"removes bridge {bridge}, left by a failed creation" if bridge in self._request.left_over else ""
        return NetworkStep("create", (), (NetworkState(definition, self._membership(item, None).apply(())),), reason)

    def _memberships(self, replaced: t.Collection[str]) -> t.Iterator[NetworkStep]:
        for item, network in self._survey.connecting:
            if network.id in replaced:
                continue
            change = self._membership(item, network)
            if change.join or change.leave:
                state = self._state(network)
                after = dataclasses.replace(state, attachments=change.apply(state.attachments))
                yield NetworkStep("connect", (state,), (after,))

    # -- parts

    def _membership(self, item: Item, network: ObservedNetwork | None) -> Membership:
        return membership(item, network, self._snapshot.containers)

    def _state(self, network: ObservedNetwork) -> NetworkState:
        attachments = self._snapshot.attachments.get(network.id)
        if attachments is None:
            on_it = members(network, self._snapshot.containers)
            attachments = tuple(Attachment(each.id, each.name, each.running) for each in on_it)
        item = next((each for each in self._survey.items if each.name == network.name), None)
        return NetworkState(without_engine_options(network.definition, item), attachments, network.id)

    def _refit(self, attachment: Attachment, definition: Definition) -> Attachment:
        kept, lost = refit(attachment, definition)
        if lost:
            addresses = ", ".join(str(address) for address in lost)
            families = {block.family for block in definition.blocks if block.family == 4 or definition.enable_ipv6}
            others = " and gets another address" if all(each.version in families for each in lost) else ""
            subnets = ", ".join(str(block.subnet) for block in definition.blocks) or "the new network"
            self._warnings.append(
                f"{attachment.container!r} cannot keep {addresses} on network {definition.name!r} ({subnets}){others}"
            )
        return kept

    def _warn_of_new_macs(
        self, definition: Definition, before: t.Iterable[Attachment], after: t.Iterable[Attachment]
    ) -> None:
        pairs = zip(before, after)
        lost = [f"{old.container} ({old.mac})" for old, new in pairs if not keeps_mac(old, new, self._request.version)]
        if lost:
            self._warnings.append(
                f"this engine cannot set the MAC address of a container that joins a network; on {definition.name!r} "
                f"these containers get new ones: {', '.join(lost)}"
            )

    def _check_dependents(self, network: ObservedNetwork) -> None:
        going = {each.id for each, _reason in self._survey.removals}
        left = [each.name for each in self._survey.dependents(network) if each.id not in going]
        if left:
            self._refusals.append(
                f"network {network.name!r} cannot be removed: {', '.join(left)} take their configuration from it. "
                "Remove them first."
            )

    def _check_services(self, network: ObservedNetwork, doing: str) -> None:
        here = {each.service for each in members(network, self._snapshot.containers) if each.service}
        services = sorted({*self._snapshot.services.get(network.id, ()), *here})
        if services:
            self._refusals.append(
                f"{doing} network {network.name!r}: the swarm services {', '.join(services)} use it, and services "
                "cannot be disconnected. Update or remove them first."
            )

    def _refuse_interruption(self, what: str, state: NetworkState, otherwise: str) -> None:
        count = len(state.attachments)
        names = ", ".join(str(each) for each in state.attachments)
        self._refusals.append(
            f"{what} would disconnect {count} container{'s' if count > 1 else ''}: {names}. "
            f"{consent('allow_disconnect')} to allow this{otherwise}"
        )


def _differs(drifted: Drifted) -> str:
    return f"network {drifted.network.name!r} differs from {drifted.item.path}: {drifted}"


def _foreign(drifted: Drifted) -> str:
    network = drifted.network
    what = f"network {network.name!r} ({network.id[:12]}) differs from {drifted.item.path} ({drifted})"
    others = (
        "leave it out of the declaration, declare another name, or disconnect its containers and remove it with "
        f"'docker network rm {network.name}'"
    )
    if drifted.item.adopt:
        return f"{what} and cannot be adopted, because adoption changes nothing. Declare it as it is, {others}"
    if network.adopted:
        return (
            f"{what} and the declaration no longer says adopt: true, so the network is not changed. To change it, "
            "declare it with adopt: true. To give it back, leave it out of the declaration, with prune: true"
        )
    return (
        f"{what} and does not carry the label {OWNER_LABEL}={OWNER_VALUE}, so it is not changed. Declare it as it is "
        f"with adopt: true, {others}"
    )


def _ownership(kind: str, network: ObservedNetwork, reason: str = "") -> NetworkStep:
    state = NetworkState(network.definition, (), network.id)
    return NetworkStep(kind, (state,), (state,), reason)


def _first(states: t.Iterable[NetworkState]) -> tuple[NetworkState, ...]:
    """Configuration networks before the networks that use them."""
    return tuple(sorted(states, key=lambda state: not state.definition.config_only))


def _last(states: t.Iterable[NetworkState]) -> tuple[NetworkState, ...]:
    return tuple(sorted(states, key=lambda state: state.definition.config_only))
