# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a plan, the operations that they print, and their diff."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import (
    as_text,
    default_gateways,
    pair_blocks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    Definition,
    IPAddress,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    ENGINE_OPTIONS,
    default_in,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import option_of

Json = t.Dict[str, t.Any]

# Kinds of steps that change only the record of adopted networks.
ADOPT, RELEASE = "adopt", "release"
OWNERSHIP = (ADOPT, RELEASE)


@dataclasses.dataclass(frozen=True)
class NetworkStep:
    """A change from some networks with their endpoints to others, executed completely or undone.

    ``before`` is in the order in which the networks can be removed, ``after`` in that in which they can be created.
    A ``connect`` step keeps its network and changes only its endpoints, :data:`ADOPT` and :data:`RELEASE` change none.
    """

    kind: str
    before: tuple[NetworkState, ...]
    after: tuple[NetworkState, ...]
    reason: str = ""

    @property
    def title(self) -> str:
        names = ", ".join(state.name for state in self.before or self.after)
        return f"{self.kind} network{'s' if ',' in names else ''} {names}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The step as text, one line per operation."""
        if self.kind == "create":
            why = f"; {self.reason}" if self.reason else ""
            return tuple(
                f"create network {each.name} ({_summary(each.definition)}{why})" for each in self.after
            ) + tuple(f"connect {attachment} to {each.name}" for each in self.after for attachment in each.attachments)
        if self.kind == "connect":
            return tuple(_membership_lines(self.before[0], self.after[0], self.reason))
        verb = f"{self.title} ({self.reason})" if self.reason else self.title
        hit = [str(each) for state in self.before for each in state.attachments]
        if not hit:
            return (verb,)
        what = "disconnects" if self.kind == "remove" else "disconnects and reconnects"
        return (f"{verb}: {what} {', '.join(hit)}",)

    @property
    def interrupted(self) -> tuple[Json, ...]:
        """The containers that lose their endpoint, if only temporarily."""
        left = {each.id: each.attachments for each in self.after if each.id}
        return tuple(
            {
                "network": state.name,
                "container": each.container,
                "running": each.running,
                "addresses": [str(address) for address in each.addresses],
            }
            for state in self.before
            for each in state.attachments
            if each not in left.get(state.id, ())
        )


def _membership_lines(before: NetworkState, after: NetworkState, reason: str) -> t.Iterator[str]:
    was = {each.container_id: each for each in before.attachments}
    for attachment in after.attachments:
        if was.get(attachment.container_id, attachment) != attachment:
            yield f"reconnect {was[attachment.container_id]} to {before.name} ({reason})"
    for verb, preposition, ones, others in (
        ("connect", "to", after.attachments, before.attachments),
        ("disconnect", "from", before.attachments, after.attachments),
    ):
        known = {each.container_id for each in others}
        for attachment in ones:
            if attachment.container_id not in known:
                yield f"{verb} {attachment} {preposition} {before.name}"


def _summary(definition: Definition) -> str:
    what = "configuration only" if definition.config_only else definition.driver
    return ", ".join([what, *(str(block.subnet) for block in definition.blocks)])


@dataclasses.dataclass(frozen=True)
class NetworksPlan:
    """``differences`` are those between the networks and their declaration that the steps end."""

    steps: tuple[NetworkStep, ...] = ()
    warnings: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def operations(self) -> list[str]:
        return [line for step in self.steps for line in step.lines]

    @property
    def interrupted(self) -> list[Json]:
        return [each for step in self.steps for each in step.interrupted]

    def diff(self) -> dict[str, Json]:
        """Before and after by network and option, for people; of a network that remains only what changes."""
        before: Json = {}
        after: Json = {}
        for step in self.steps:
            # The engine chooses MAC addresses during a recreate.
            with_mac = step.kind == "connect"
            later = {state.name: state.definition.blocks for state in step.after}
            old = {state.name: describe(state, with_mac, later.get(state.name, ())) for state in step.before}
            new = {state.name: describe(state, with_mac) for state in step.after}
            if step.kind in OWNERSHIP:
                for name in old:
                    old[name]["managed"], new[name]["managed"] = step.kind == RELEASE, step.kind == ADOPT
            for name in sorted(old.keys() | new.keys()):
                if name in old and name in new:
                    _keep_changes(old[name], new[name])
                if name in old:
                    before[name] = old[name]
                if name in new:
                    after[name] = new[name]
        return {"before": before, "after": after}


def _keep_changes(old: Json, new: Json) -> None:
    for key in old.keys() & new.keys():
        if old[key] == new[key]:
            del old[key], new[key]


def network_facts(networks: t.Iterable[ObservedNetwork], names: t.Collection[str]) -> Json:
    """The networks of these names, by name, as the module returns them."""
    return {
        network.name: {
            "id": network.id,
            "driver": network.definition.driver,
            "bridge": network.bridge,
            "subnets": [str(block.subnet) for block in network.definition.blocks],
            "gateways": [str(gateway) for gateway in _gateways(network.definition)],
            "managed": network.owned,
        }
        for network in networks
        if network.name in names
    }


def _gateways(definition: Definition) -> t.Iterator[IPAddress]:
    """Older engines do not report the gateway that they chose; the bridge driver uses the first address."""
    for block in definition.blocks:
        if block.gateway is not None:
            yield block.gateway
        elif definition.driver == "bridge":
            yield default_gateways(block)[0]


def _places(blocks: t.Sequence[Block], later: t.Sequence[Block]) -> list[int]:
    """The place of each block in descriptions: that of the later block which it becomes, or after all of these."""
    pairs, rest = pair_blocks(later, blocks)
    places = {partner: index for index, _block, partner in pairs if partner is not None}
    places.update({block: len(later) + number for number, block in enumerate(rest)})
    return [places[block] for block in blocks]


def describe(state: NetworkState, with_mac: bool = False, later: t.Sequence[Block] = ()) -> Json:
    """Describe a network option by option as in an item, without the engine's defaults.

    ``later`` are the address blocks that it is compared with.
    """
    definition = state.definition
    options: Json = {"driver": definition.driver}
    for option in ENGINE_OPTIONS:
        value = getattr(definition, option.key)
        if option.name == "driver_options":
            options.update({option_of(key): text for key, text in value})
        elif option.type == "dict":
            options.update({f"{option.name}.{key}": text for key, text in value})
        elif option.type != "list" and value != default_in(option, definition):
            options[option.name] = value
    for index, block in zip(_places(definition.blocks, later), definition.blocks):
        options[f"ipam_config[{index}].subnet"] = str(block.subnet)
        for key, value in (("ip_range", block.ip_range), ("gateway", block.gateway)):
            if value is not None:
                options[f"ipam_config[{index}].{key}"] = as_text(value)
        for host, address in block.aux or ():
            options[f"ipam_config[{index}].aux_addresses.{host}"] = str(address)
    for attachment in state.attachments:
        options[f"connected.{attachment.container}"] = describe_attachment(attachment, with_mac)
    return options


def describe_attachment(attachment: Attachment, with_mac: bool) -> Json:
    """Describe an endpoint by the options of the module network_endpoint, without unset ones."""
    options = {
        "ipv4_address": as_text(attachment.ipv4 or ""),
        "ipv6_address": as_text(attachment.ipv6 or ""),
        "aliases": sorted(attachment.aliases),
        "links": sorted(attachment.links),
        "mac_address": attachment.mac if with_mac else "",
        "driver_opts": dict(attachment.driver_opts),
        "gw_priority": attachment.gw_priority,
    }
    return {key: value for key, value in options.items() if value}


def failure_text(
    step: NetworkStep, error: Exception, problems: t.Sequence[str], done: t.Sequence[str], journaled: bool = False
) -> str:
    """The message about a step that failed. ``problems`` are what its undo could not restore.

    ``journaled``: the next run tries to restore it again.
    """
    if problems:
        end = f"NOT restored: {'; '.join(problems)}{'; the next run tries again' if journaled else ''}"
    elif step.kind == "create":
        end = "everything that the step created is removed"
    else:
        count = sum(len(state.attachments) for state in step.before)
        end = f"the former state is restored, with {count} endpoint{'' if count == 1 else 's'}"
    before = f"; done before: {'; '.join(done)}" if done else ""
    return f"{step.title}: {str(error).rstrip('.')}; {end}{before}."
