# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: which block of the supernet a host holds, and which offset in every host's block a network holds.

A lease is permanent and never moves. A host or network that leaves the declaration keeps its lease as ``departed`` and
gets it back when it returns, until a user reclaims it. IPv4 and IPv6 are leased side by side, by the same rules. The
lock file next to the inventory holds these records as text.
"""

from __future__ import annotations

import bisect
import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    aligned_blocks,
    block_size,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Fleet, Scheme
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import LENGTH_V6
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

_RENUMBER = (
    f"add -e {PREFIX}renumber=true to assign new addresses to all hosts and networks, which recreates the networks"
)


class Slot(t.NamedTuple):
    """A network's subnet in each host's block: offset from the block's first address, prefix length in bits."""

    offset: int
    length: int
    version: int = 4

    @property
    def end(self) -> int:
        """The offset that follows the slot's last address."""
        return self.offset + block_size(self.version, self.length)


@dataclasses.dataclass(frozen=True)
class Leases:
    """The leases of one IP version: ``slots`` of docker0 and the networks, ``pools`` for the engines' own networks."""

    supernet: Prefix
    host_prefix_length: int
    pools: Slot
    slots: t.Mapping[str, Slot]
    blocks: t.Mapping[str, Prefix]
    departed_slots: t.Mapping[str, Slot] = dataclasses.field(default_factory=dict)
    departed_blocks: t.Mapping[str, Prefix] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class LeaseBook:
    """All leases of a fleet: those of IPv4, of IPv6, or both.

    ``removed`` are names of departed hosts that no longer use their blocks: playbooks/remove_host.yml reached them.
    """

    families: tuple[Leases, ...] = ()
    removed: frozenset[str] = frozenset()

    def of(self, version: int) -> Leases | None:
        """The leases of an IP version."""
        return next((leases for leases in self.families if leases.supernet.version == version), None)

    def host_length(self, version: int) -> int | None:
        """The prefix length of the leased host blocks; None if there are none yet."""
        leases = self.of(version)
        return leases.host_prefix_length if leases else None

    def slot_length(self, network: str) -> int | None:
        """The IPv4 prefix length of the network's lease, departed or not; None for a new network."""
        leases = self.of(4)
        slot = (leases.slots.get(network) or leases.departed_slots.get(network)) if leases else None
        return slot.length if slot else None

    def hosts(self) -> frozenset[str]:
        """Names of hosts with a lease, departed or not."""
        return frozenset(name for leases in self.families for name in (*leases.blocks, *leases.departed_blocks))

    def departed(self) -> frozenset[str]:
        """Names of hosts and networks that are no longer declared."""
        return frozenset(name for leases in self.families for name in (*leases.departed_slots, *leases.departed_blocks))

    def departed_hosts(self) -> dict[str, list[Prefix]]:
        """The blocks of hosts that are no longer declared, IPv4 first."""
        found: dict[str, list[Prefix]] = {}
        for leases in self.families:
            for host, block in leases.departed_blocks.items():
                found.setdefault(host, []).append(block)
        return found

    def with_removed(self, hosts: t.Iterable[str]) -> LeaseBook:
        """The book with these hosts marked as removed. The mark applies as long as they are departed."""
        return dataclasses.replace(self, removed=self.removed.union(hosts))

    def reclaimed(self, names: t.Collection[str], unreachable: bool) -> LeaseBook:
        """The book without the departed leases of these names. Declared hosts and networks keep their leases.

        Raises InvalidValue for a host that may still use its block, unless ``unreachable`` is the consent to that.
        """
        for host, blocks in sorted(self.departed_hosts().items()):
            if host in names and host not in self.removed and not unreachable:
                raise InvalidValue(
                    PREFIX + "reclaim",
                    host,
                    f"may still use {' and '.join(map(str, blocks))}: it left the group, and playbooks/remove_host.yml "
                    "has not reached it since. Add it to the inventory, in any group, and run that playbook with "
                    f"-e {PREFIX}remove={host}. If the host no longer exists, add -e {PREFIX}remove_unreachable=true",
                )
        families = []
        for leases in self.families:
            slots = {name: slot for name, slot in leases.departed_slots.items() if name not in names}
            left = {name: block for name, block in leases.departed_blocks.items() if name not in names}
            families.append(dataclasses.replace(leases, departed_slots=slots, departed_blocks=left))
        return LeaseBook(tuple(families), self.removed.difference(names))


def lease(
    fleet: Fleet,
    hosts: t.Sequence[str],
    held: LeaseBook | None,
    renumber: bool = False,
    avoid: t.Collection[Prefix] = (),
) -> LeaseBook:
    """Return the leases that the declaration needs. Leases that are ``held`` do not move, unless ``renumber``.

    With ``renumber``, leases that contradict the declaration are dropped. New leases are none of the blocks of
    ``avoid``.

    ``hosts`` are inventory names in the order in which new hosts get their blocks. Raises InvalidValue if the space is
    exhausted or the declaration contradicts a lease. O(hosts + networks log networks).
    """
    held = held or LeaseBook()
    declared = {scheme.supernet.version for scheme in fleet.schemes}
    for leases in held.families:
        if leases.supernet.version not in declared and not renumber:
            raise InvalidValue(
                PREFIX + _suffixed("supernet", leases.supernet.version),
                None,
                f"is missing, and the lock file holds leases from {leases.supernet}. Set it to that, or " + _RENUMBER,
            )
    book = LeaseBook(tuple(_lease_family(fleet, scheme, hosts, held, renumber, avoid) for scheme in fleet.schemes))
    return dataclasses.replace(book, removed=held.removed.intersection(book.departed_hosts()))


def _suffixed(key: str, version: int) -> str:
    return key if version == 4 else key + "_v6"


def _lease_family(
    fleet: Fleet,
    scheme: Scheme,
    hosts: t.Sequence[str],
    book: LeaseBook,
    renumber: bool,
    avoid: t.Collection[Prefix],
) -> Leases:
    held = book.of(scheme.supernet.version)
    if held is not None:
        if renumber:
            held = _consistent(fleet, scheme, held)
        else:
            _check_held(scheme, held)
    slots, departed_slots, pools = _lease_slots(fleet, scheme, held)
    blocks, departed_blocks = _lease_blocks(fleet, scheme, hosts, held, avoid)
    return Leases(scheme.supernet, scheme.host_prefix_length, pools, slots, blocks, departed_slots, departed_blocks)


def _consistent(fleet: Fleet, scheme: Scheme, held: Leases) -> Leases | None:
    """The leases without those that contradict the declaration; None if all do."""
    if (scheme.supernet, scheme.host_prefix_length) != (held.supernet, held.host_prefix_length):
        return None
    reserved = {
        host: block
        for host, blocks in fleet.reservations.items()
        for block in blocks
        if block.version == held.supernet.version
    }
    blocks = {host: block for host, block in held.blocks.items() if reserved.get(host, block) == block}
    departed = {host: block for host, block in held.departed_blocks.items() if reserved.get(host, block) == block}
    return dataclasses.replace(held, blocks=blocks, departed_blocks=departed)


def _check_held(scheme: Scheme, held: Leases) -> None:
    version = scheme.supernet.version
    if scheme.supernet != held.supernet:
        raise InvalidValue(
            PREFIX + _suffixed("supernet", version),
            str(scheme.supernet),
            f"the lock file holds leases from {held.supernet}. Set it to that, or " + _RENUMBER,
        )
    if scheme.host_prefix_length != held.host_prefix_length:
        raise InvalidValue(
            PREFIX + _suffixed("host_prefix_length", version),
            scheme.host_prefix_length,
            f"hosts hold leases of /{held.host_prefix_length} blocks, and leases do not move. Set it to "
            f"{held.host_prefix_length}. For networks that do not fit, pin a subnet outside of the supernet, or "
            + _RENUMBER,
        )


def _lease_slots(fleet: Fleet, scheme: Scheme, held: Leases | None) -> tuple[dict[str, Slot], dict[str, Slot], Slot]:
    version = scheme.supernet.version
    block = block_size(version, scheme.host_prefix_length)
    # The upper half belongs to the engines' pools from the start. If a later network took a part of it, every engine of
    # the fleet would need a restart, since dockerd reads default-address-pools only at start.
    pools = held.pools if held else Slot(block // 2, scheme.host_prefix_length + 1, version)
    known: dict[str, Slot] = {**held.departed_slots, **held.slots} if held else {}
    slots: dict[str, Slot] = {}
    taken = sorted([*known.values(), pools])
    docker0 = Network(DEFAULT_BRIDGE, PREFIX + "default_bridge", DEFAULT_BRIDGE, scheme.network_prefix_length)
    for network in (docker0, *fleet.networks):
        if network.subnets:
            continue
        length = network.prefix_length if version == 4 else LENGTH_V6
        slot = known.get(network.name)
        if slot is None:
            slot = _first_free(length, taken, block, version)
            if slot is None:
                raise _no_room(network, length, taken, block, held)
            known[network.name] = slot
            bisect.insort(taken, slot)
        elif slot.length != length and network is not docker0:
            raise InvalidValue(
                f"{network.path}.prefix_length",
                length,
                f"network {network.name!r} holds a lease of /{slot.length}, and leases do not move. Set "
                f"prefix_length to {slot.length}, or declare a new network of /{length}",
            )
        slots[network.name] = slot
    return slots, {name: slot for name, slot in known.items() if name not in slots}, pools


def _first_free(length: int, taken: list[Slot], block: int, version: int) -> Slot | None:
    size = block_size(version, length)
    offset = 0
    for slot in taken:
        if offset + size <= slot.offset:
            break
        offset = max(offset, -(-slot.end // size) * size)
    return Slot(offset, length, version) if offset + size <= block else None


def _no_room(network: Network, length: int, taken: list[Slot], block: int, held: Leases | None) -> InvalidValue:
    """Return the error for a network that does not fit, with the changes that free space for it."""
    version = taken[0].version
    free: list[Prefix] = []
    offset = 0
    for slot in taken:
        free += aligned_blocks(version, offset, slot.offset)
        offset = slot.end
    free += aligned_blocks(version, offset, block)
    remedies = []
    if free and version == 4:
        longest = min(gap.length for gap in free)
        if longest <= 30:
            remedies.append(f"set its prefix_length to {longest} or longer")
    departed = sorted(held.departed_slots) if held else []
    if departed:
        remedies.append(
            f"reclaim the lease of a departed network ({', '.join(departed)}) with -e {PREFIX}reclaim={departed[0]}"
        )
    remedies.append("pin it to one host with subnet (outside of the supernet) and hosts")
    return InvalidValue(
        network.path,
        network.name,
        f"no /{length} is free in the hosts' blocks, which hold {len(taken) - 1} leased networks and the engines' "
        f"pools. To make it fit, {', or '.join(remedies)}",
    )


def _lease_blocks(
    fleet: Fleet, scheme: Scheme, hosts: t.Sequence[str], held: Leases | None, avoid: t.Collection[Prefix]
) -> tuple[dict[str, Prefix], dict[str, Prefix]]:
    version = scheme.supernet.version
    known: dict[str, Prefix] = {**held.departed_blocks, **held.blocks} if held else {}
    holders = {block.address: host for host, block in known.items()}
    reserved: dict[str, Prefix] = {}
    for host, blocks_of_host in fleet.reservations.items():
        variable = f"{PREFIX}reservations.{host}"
        for block in blocks_of_host:
            if block.version != version:
                continue
            reserved[host] = block
            if known.get(host, block) != block:
                raise InvalidValue(
                    variable,
                    str(block),
                    f"the host holds a lease of {known[host]}, and leases do not move. Remove the reservation, "
                    f"or add -e {PREFIX}renumber=true to move the host, which recreates its networks",
                    host,
                )
            holder = holders.setdefault(block.address, host)
            if holder != host:
                raise InvalidValue(variable, str(block), f"is leased to host {holder}. Reserve another block", host)
    blocks: dict[str, Prefix] = {}
    step = block_size(version, scheme.host_prefix_length)
    address = scheme.supernet.address
    avoided = {block.address for block in avoid if block.version == version}
    for host in hosts:
        found = known.get(host) or reserved.get(host)
        if found is None:
            while address in holders or address in avoided:
                address += step
            if not scheme.supernet.has(address):
                raise _no_block(scheme, host, held)
            found = Prefix(version, address, scheme.host_prefix_length)
            holders[address] = host
        blocks[host] = found
    return blocks, {host: block for host, block in known.items() if host not in blocks}


def _no_block(scheme: Scheme, host: str, held: Leases | None) -> InvalidValue:
    version = scheme.supernet.version
    count = 1 << (scheme.host_prefix_length - scheme.supernet.length)
    departed = sorted(held.departed_blocks) if held else []
    reclaim = (
        f"Reclaim the block of a departed host ({', '.join(departed[:5])}) with -e {PREFIX}reclaim={departed[0]}, or "
        "use "
        if departed
        else "Use "
    )
    return InvalidValue(
        PREFIX + _suffixed("supernet", version),
        str(scheme.supernet),
        f"is too small: all {count} blocks of /{scheme.host_prefix_length} are leased or reserved. {reclaim}a larger "
        f"supernet or a longer {PREFIX}{_suffixed('host_prefix_length', version)} for a new fleet",
        host,
    )
