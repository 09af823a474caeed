# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of the generations that hosts return to, put back into the lock file. Pure.

Leases do not move, so that the lock file mostly has them still. They are missing if a name was reclaimed since, and
differ if the fleet was renumbered. What a host reports is data of its own: its block must be free, and all hosts that
have a network must agree about its place.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, overlapping
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, named_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.addresses import HostAddresses
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook, Leases, Slot

_FROM_VERSION_CONTROL = "Restore the lock file of that time from version control, and run playbooks/rollback.yml again."

Addresses = t.Mapping[str, HostAddresses]


def restored(book: LeaseBook, addresses: Addresses) -> LeaseBook:
    """The leases with those of ``addresses``: of each host that returns to a generation, and of its networks.

    Raises FleetnetError if a lease cannot be put back: another host or network holds the addresses, hosts disagree, or
    the supernet is another one.
    """
    families = tuple(_restored(leases, addresses) for leases in book.families)
    moved = {
        host for before, after in zip(book.families, families) for host in after.blocks if host not in before.blocks
    }
    return LeaseBook(families, book.removed.difference(moved))


def _restored(leases: Leases, addresses: Addresses) -> Leases:
    blocks = _blocks(leases, addresses)
    held = {**leases.departed_blocks, **leases.blocks}
    changed = {host: block for host, block in blocks.items() if held.get(host) != block}
    after_blocks = {**leases.blocks, **changed}
    departed_blocks = {host: block for host, block in leases.departed_blocks.items() if host not in changed}

    slots = _slots(leases.supernet.version, blocks, addresses)
    held_slots = {**leases.departed_slots, **leases.slots}
    changed_slots = {name: slot for name, slot in slots.items() if held_slots.get(name) != slot}
    _require_all_hosts(leases, changed_slots, held_slots, addresses)
    # The declaration decides whether a network is departed. The next plan reads both.
    after_slots = {**leases.slots, **{name: slot for name, slot in changed_slots.items() if name in leases.slots}}
    departed_slots = {
        **leases.departed_slots,
        **{name: slot for name, slot in changed_slots.items() if name not in leases.slots},
    }
    after = dataclasses.replace(
        leases,
        blocks=after_blocks,
        departed_blocks=departed_blocks,
        slots=after_slots,
        departed_slots=departed_slots,
    )
    _check(after, {*changed, *changed_slots})
    return after


def _blocks(leases: Leases, addresses: Addresses) -> dict[str, Prefix]:
    """The block that each host had in the supernet."""
    found = {}
    for host, each in addresses.items():
        own = [block for block in each.blocks if block.version == leases.supernet.version]
        inside = [block for block in own if leases.supernet.contains(block)]
        fitting = [block for block in inside if block.length == leases.host_prefix_length]
        if own and len(fitting) != 1:
            raise FleetnetError(
                f"host {host}: block {' and '.join(map(str, own))}: the generation has another supernet or block size "
                f"than the lock file, which leases /{leases.host_prefix_length} blocks of {leases.supernet}. "
                f"{_FROM_VERSION_CONTROL}"
            )
        if fitting:
            found[host] = fitting[0]
    return found


def _slots(version: int, blocks: t.Mapping[str, Prefix], addresses: Addresses) -> dict[str, Slot]:
    """The place of each network in its hosts' blocks. Raises FleetnetError if hosts disagree."""
    found: dict[str, tuple[Slot, str]] = {}
    for host, block in blocks.items():
        for name, subnets in addresses[host].subnets.items():
            for subnet in subnets:
                if not block.contains(subnet):
                    continue  # a pinned subnet
                slot = Slot(subnet.address - block.address, subnet.length, version)
                first, first_host = found.setdefault(name, (slot, host))
                if first != slot:
                    raise FleetnetError(
                        f"hosts {first_host} and {host}: network {name!r}: their generations have it at different "
                        f"places of their blocks ({blocks[first_host].at(first.offset, first.length)}, {subnet}). "
                        "Choose a run after which both had the same, or one of the hosts with --limit."
                    )
    return {name: slot for name, (slot, _host) in found.items()}


def _require_all_hosts(
    leases: Leases, changed: t.Collection[str], held: t.Collection[str], addresses: Addresses
) -> None:
    """Raise FleetnetError if a network moves and a host of the fleet keeps the newer generation."""
    others = [host for host in leases.blocks if host not in addresses]
    moves = sorted(name for name in changed if name in held)
    if moves and others:
        raise FleetnetError(
            f"network {moves[0]!r}: it moves back to its former place in the blocks of all hosts, and "
            f"{named_hosts(others)} would keep the newer one. Run playbooks/rollback.yml for the whole fleet, without "
            "--limit."
        )


def _check(leases: Leases, restored_names: t.Collection[str]) -> None:
    """Raise FleetnetError if two hosts hold one block, or two networks the same addresses."""
    blocks = [(block, host) for part in (leases.blocks, leases.departed_blocks) for host, block in part.items()]
    inside = Prefix(leases.supernet.version, 0, leases.host_prefix_length)
    places = [
        (inside.at(slot.offset, slot.length), name)
        for part in (leases.slots, leases.departed_slots)
        for name, slot in part.items()
    ]
    places.append((inside.at(leases.pools.offset, leases.pools.length), "pools"))
    for kind, entries in (("host", blocks), ("network", places)):
        for (first, first_name), (second, second_name) in overlapping(entries):
            mine, other = (first_name, second_name) if first_name in restored_names else (second_name, first_name)
            raise FleetnetError(
                f"{kind} {mine!r}: {second if kind == 'host' else _place(first, second)}: the lock file leases it to "
                f"{other!r} since. Leases do not move: choose a newer run."
            )


def _place(first: Prefix, second: Prefix) -> str:
    return f"the place {second if first.contains(second) else first} in each block"
