# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a step: everything that is needed to finish or to undo it if the process or the host dies. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import refit
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    Definition,
    IPAddress,
    NetworkState,
    Pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM

Json = t.Dict[str, t.Any]

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Journal:
    """A step that has begun on the engine at ``docker_host``.

    ``made`` are the ids of the networks that it has created. ``undoing``: it failed, and the former networks are being
    restored. ``allow_disconnect`` is the consent that the run had.
    """

    docker_host: str
    step: NetworkStep
    allow_disconnect: bool = False
    made: tuple[str, ...] = ()
    undoing: bool = False

    @property
    def key(self) -> str:
        """What identifies the step on its engine: the id of its first network."""
        return self.step.before[0].id

    def with_joined(self, network: str, attachments: t.Sequence[Attachment]) -> Journal:
        """Add containers that joined a network of this name during its removal: they are reconnected, too."""
        before = tuple(
            dataclasses.replace(state, attachments=(*state.attachments, *attachments))
            if state.name == network
            else state
            for state in self.step.before
        )
        after = tuple(
            dataclasses.replace(
                state,
                attachments=(*state.attachments, *(refit(each, state.definition)[0] for each in attachments)),
            )
            if state.name == network
            else state
            for state in self.step.after
        )
        return dataclasses.replace(self, step=dataclasses.replace(self.step, before=before, after=after))


def needs_journal(step: NetworkStep) -> bool:
    """Whether networks or endpoints that are to remain are missing while the step is executed."""
    kept = {state.id: state.attachments for state in step.after if state.id}
    if any(state.id not in kept and (step.after or state.attachments) for state in step.before):
        return True
    later = {(state.id, each.container_id) for state in step.after for each in state.attachments}
    return any(
        each not in kept[state.id] and (state.id, each.container_id) in later
        for state in step.before
        if state.id in kept
        for each in state.attachments
    )


def journal_text(journal: Journal) -> str:
    """The journal as text, for :func:`parse_journal`."""
    return json.dumps({"format": _FORMAT, **dataclasses.asdict(journal)}, default=str, indent=1) + "\n"


def parse_journal(text: str) -> Journal:
    """Raises ValueError if the text is not a journal of this release."""
    try:
        return _journal(json.loads(text))
    except UNEXPECTED_FORM as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _journal(data: Json) -> Journal:
    if data["format"] != _FORMAT:
        raise ValueError(f"its format is {data['format']}, not {_FORMAT}")
    step = data["step"]
    return Journal(
        docker_host=data["docker_host"],
        step=NetworkStep(
            step["kind"],
            tuple(_state(each) for each in step["before"]),
            tuple(_state(each) for each in step["after"]),
            step["reason"],
        ),
        allow_disconnect=data["allow_disconnect"],
        made=tuple(data["made"]),
        undoing=data["undoing"],
    )


def _state(data: Json) -> NetworkState:
    return NetworkState(
        _definition(data["definition"]), tuple(_attachment(each) for each in data["attachments"]), data["id"]
    )


def _definition(data: Json) -> Definition:
    return Definition(
        **{
            **data,
            "driver_options": _pairs(data["driver_options"]),
            "ipam_driver_options": _pairs(data["ipam_driver_options"]),
            "labels": _pairs(data["labels"]),
            "blocks": tuple(_block(each) for each in data["blocks"]),
        }
    )


def _block(data: Json) -> Block:
    return Block(
        subnet=ipaddress.ip_network(data["subnet"]),
        ip_range=None if data["ip_range"] is None else ipaddress.ip_network(data["ip_range"]),
        gateway=_address(data["gateway"]),
        aux=None if data["aux"] is None else tuple((name, ipaddress.ip_address(text)) for name, text in data["aux"]),
    )


def _attachment(data: Json) -> Attachment:
    return Attachment(
        **{
            **data,
            "ipv4": _address(data["ipv4"]),
            "ipv6": _address(data["ipv6"]),
            "driver_opts": _pairs(data["driver_opts"]),
            **{name: tuple(data[name]) for name in ("aliases", "links", "link_local", "chosen")},
        }
    )


def _address(text: str | None) -> IPAddress | None:
    return None if text is None else ipaddress.ip_address(text)


def _pairs(data: t.Iterable[t.Sequence[str]]) -> Pairs:
    return tuple((key, value) for key, value in data)
