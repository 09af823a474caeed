# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a checkpoint as a journal: what an undo must restore, and what it must remove. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    Journal,
    journal_text,
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Definition,
    IPNetwork,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import OWNERSHIP, NetworkStep

# The kind of a step that has all networks of this collection before a change, and after it, by their ids, those that
# the change is about to remove, if only to create them again.
ALL_NETWORKS = "checkpoint"


def networks_text(docker_host: str, steps: t.Iterable[NetworkStep]) -> str:
    """The steps that change networks as one journal that is being undone, for :func:`parse_networks`."""
    steps = [each for each in steps if each.kind not in OWNERSHIP]
    step = NetworkStep(
        "recreate",
        tuple(state for each in steps for state in each.before),
        tuple(state for each in steps for state in each.after),
    )
    return journal_text(Journal(docker_host, step, allow_disconnect=True, undoing=True))


def saved_networks_text(docker_host: str, networks: t.Iterable[NetworkState]) -> str:
    """All networks of this collection, of a checkpoint whose change is not known yet, for :func:`parse_networks`."""
    step = NetworkStep(ALL_NETWORKS, tuple(networks), ())
    return journal_text(Journal(docker_host, step, allow_disconnect=True, undoing=True))


def with_steps(saved: Journal, steps: Journal) -> Journal:
    """The journal of a checkpoint, with what further steps are about to remove if it has all networks."""
    if saved.step.kind != ALL_NETWORKS:
        return saved
    known = {state.id for state in saved.step.after}
    removed = [NetworkState(state.definition, (), state.id) for state in _removed(steps.step) if state.id not in known]
    return dataclasses.replace(saved, step=dataclasses.replace(saved.step, after=(*saved.step.after, *removed)))


def _removed(step: NetworkStep) -> list[NetworkState]:
    kept = {state.id for state in step.after}
    return [state for state in step.before if state.id not in kept]


def parse_networks(text: str) -> Journal:
    """Raises ValueError if the text is not a journal of this release."""
    return parse_journal(text)


def with_added(journal: Journal, now: t.Collection[ObservedNetwork]) -> Journal:
    """The journal with what the change created, as the engine shows it.

    A network that equals a former one was restored by an undo that was killed, and is not of the change. If the change
    was not known, all networks with the label of this collection that did not exist are.

    A network without the label that the change did not remove is not restored: others create and remove it.
    """
    step = journal.step
    existing = {each.id for each in now}
    removed = {state.id for state in (step.after if step.kind == ALL_NETWORKS else _removed(step))}
    former = {state.id for state in step.before}
    planned = {state.name for state in step.after if not state.id}
    added = [
        each
        for each in now
        if each.definition.labeled
        and each.id not in former
        and (each.name in planned or step.kind == ALL_NETWORKS)
        and not any(each.definition == state.definition for state in step.before)
    ]
    before = (each for each in step.before if each.definition.labeled or each.id in existing or each.id in removed)
    step = dataclasses.replace(step, before=tuple(before))
    if step.kind == ALL_NETWORKS:
        step = dataclasses.replace(step, after=tuple(NetworkState(each.definition, ()) for each in added))
    return dataclasses.replace(journal, step=step, made=tuple(each.id for each in added))


def added_addresses(
    before: t.Mapping[str, t.Sequence[str]], now: t.Mapping[str, t.Sequence[str]], after: t.Sequence[Definition]
) -> list[tuple[str, str]]:
    """The bridges and addresses that a change to the networks ``after`` added, and those that docker0 has got.

    ``before`` and ``now`` are the addresses of all bridges, with prefix length. Bridges without a declared name are
    found by their subnets.
    """
    named = {DOCKER0, *(each.named_bridge for each in after)}
    subnets = [block.subnet for each in after for block in each.blocks]
    return [
        (bridge, address)
        for bridge, addresses in now.items()
        for address in addresses
        if address not in before.get(bridge, ())
        and (bridge in named or (bridge not in before and _is_in(address, subnets)))
    ]


def _is_in(address: str, subnets: t.Iterable[IPNetwork]) -> bool:
    found = ipaddress.ip_interface(address).ip
    return any(found in subnet for subnet in subnets if subnet.version == found.version)
