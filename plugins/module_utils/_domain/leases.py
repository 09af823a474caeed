# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: which block of the supernet a host holds, and which offset in every host's block a network holds.

A lease is for good. Nothing that is leased moves: a host or network that leaves the declaration keeps its lease as
``departed`` and gets it back when it returns. The lock file beside the inventory is these records as text.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, block_size
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import (
    DEFAULT_BRIDGE,
    PREFIX,
    Fleet,
    Network,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue


class Slot(t.NamedTuple):
    """A network's place in every host's block: offset in addresses from the block's first, prefix length in bits."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset after the slot's last address."""
        return self.offset + block_size(4, self.length)


@dataclasses.dataclass(frozen=True)
class Leases:
    """All leases of a fleet. ``slots`` hold docker0 and the networks, ``pools`` is left to the engines' own networks."""

    supernet: Prefix
    host_prefix_length: int
    pools: Slot
    slots: t.Mapping[str, Slot]
    blocks: t.Mapping[str, Prefix]
    departed_slots: t.Mapping[str, Slot] = dataclasses.field(default_factory=dict)
    departed_blocks: t.Mapping[str, Prefix] = dataclasses.field(default_factory=dict)

    def slot_length(self, network: str) -> int | None:
        """The prefix length that the network is leased with, departed or not; None for a new one."""
        slot = self.slots.get(network) or self.departed_slots.get(network)
        return slot.length if slot else None


def lease(fleet: Fleet, hosts: t.Sequence[str], held: Leases | None) -> Leases:
    """The leases that the declaration needs, with everything that is ``held`` where it was.

    ``hosts`` are inventory names in the order in which new ones get their blocks. InvalidValue where there is no room
    or the declaration contradicts what is held. Costs O(hosts + networks squared).
    """
    if held is not None:
        _check_held(fleet, held)
    slots, departed_slots, pools = _lease_slots(fleet, held)
    blocks, departed_blocks = _lease_blocks(fleet, hosts, held)
    return Leases(fleet.supernet, fleet.host_prefix_length, pools, slots, blocks, departed_slots, departed_blocks)


def _check_held(fleet: Fleet, held: Leases) -> None:
    for key, declared, leased in (
        ("supernet", fleet.supernet, held.supernet),
        ("host_prefix_length", fleet.host_prefix_length, held.host_prefix_length),
    ):
        if declared != leased:
            raise InvalidValue(
                PREFIX + key,
                str(declared),
                f"the lock file holds leases made with {leased}; set it back, or move the lock file away to give "
                "every host and network new addresses",
            )


def _lease_slots(fleet: Fleet, held: Leases | None) -> tuple[dict[str, Slot], dict[str, Slot], Slot]:
    block = block_size(4, fleet.host_prefix_length)
    # The upper half is the engines' own from the first day: if a later network ate into it, every engine of the fleet
    # would have to restart, since default-address-pools is read at start only.
    pools = held.pools if held else Slot(block // 2, fleet.host_prefix_length + 1)
    known: dict[str, Slot] = {**held.departed_slots, **held.slots} if held else {}
    slots: dict[str, Slot] = {}
    taken = sorted([*known.values(), pools])
    docker0 = Network(DEFAULT_BRIDGE, PREFIX + "default_bridge", DEFAULT_BRIDGE, fleet.network_prefix_length)
    for network in (docker0, *fleet.networks):
        if network.subnet is not None:
            continue
        slot = known.get(network.name)
        if slot is None:
            slot = _first_free(network, taken, block, known)
            known[network.name] = slot
            taken = sorted([*taken, slot])
        elif slot.length != network.prefix_length and network is not docker0:
            raise InvalidValue(
                f"{network.path}.prefix_length",
                network.prefix_length,
                f"network {network.name!r} is leased as /{slot.length}, and a lease does not move; declare a new "
                f"network of /{network.prefix_length} beside it, or set prefix_length to {slot.length}",
            )
        slots[network.name] = slot
    return slots, {name: slot for name, slot in known.items() if name not in slots}, pools


def _first_free(network: Network, taken: list[Slot], block: int, known: t.Mapping[str, Slot]) -> Slot:
    size = block_size(4, network.prefix_length)
    offset = 0
    for slot in taken:
        if offset + size <= slot.offset:
            break
        offset = max(offset, -(-slot.end // size) * size)
    if offset + size > block:
        raise InvalidValue(
            network.path,
            network.name,
            f"a host's block has no room for another /{network.prefix_length} beside {', '.join(sorted(known))} and "
            "the engine's own pools; give it a longer prefix_length, pin its subnet outside of the supernet, or take "
            f"a network away (its lease stays in the lock file until its line there under departed is deleted)",
        )
    return Slot(offset, network.prefix_length)


def _lease_blocks(
    fleet: Fleet, hosts: t.Sequence[str], held: Leases | None
) -> tuple[dict[str, Prefix], dict[str, Prefix]]:
    reserved = dict(fleet.reservations)
    known: dict[str, Prefix] = {**held.departed_blocks, **held.blocks} if held else {}
    holders = {block.address: host for host, block in known.items()}
    for host, block in reserved.items():
        variable = f"{PREFIX}reservations.{host}"
        if known.get(host, block) != block:
            raise InvalidValue(
                variable, str(block), f"the host holds {known[host]} already, and a lease does not move", host
            )
        holder = holders.setdefault(block.address, host)
        if holder != host:
            raise InvalidValue(variable, str(block), f"is leased to host {holder}; reserve another block", host)
    blocks: dict[str, Prefix] = {}
    step = block_size(4, fleet.host_prefix_length)
    address = fleet.supernet.address
    for host in hosts:
        block = known.get(host) or reserved.get(host)
        if block is None:
            while address in holders:
                address += step
            if not fleet.supernet.has(address):
                raise InvalidValue(
                    PREFIX + "supernet",
                    str(fleet.supernet),
                    f"is too small: all its {fleet.supernet.size // step} blocks of /{fleet.host_prefix_length} are "
                    f"leased or reserved; take a larger supernet or a longer {PREFIX}host_prefix_length for a new "
                    "fleet, or delete departed hosts from the lock file",
                    host,
                )
            block = Prefix(4, address, fleet.host_prefix_length)
            holders[address] = host
        blocks[host] = block
    return blocks, {host: block for host, block in known.items() if host not in blocks}
