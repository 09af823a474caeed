# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file's text: leases as YAML made for code review, one line a host and one a network."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    overlapping,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import Leases, Slot

FORMAT = 1
_KEYS = ("departed", "format", "host_prefix_length", "hosts", "networks", "pools", "supernet")

_HEAD = """\
---
# The address leases of the fleet, written by fleetnet.docker. Keep this file under version control beside the
# inventory: it is what keeps every address where it is. A line under departed holds the addresses of a host or network
# that is no longer declared; delete the line to give them free.
"""


class BrokenLockFile(FleetnetError):
    """The lock file cannot be understood; it is never overwritten."""


def render(leases: Leases) -> str:
    """The text of the lock file; the same leases give the same bytes."""
    lines = [
        f"format: {FORMAT}",
        f"supernet: {leases.supernet}",
        f"host_prefix_length: {leases.host_prefix_length}",
        "# What the engines' own networks (compose, docker network create) get, as an offset in the host's block.",
        f"pools: {_offset(leases.pools)}",
        "# A network's offset in every host's block: its subnet there is the block's first address plus the offset.",
        *_section("networks", _by_offset(leases.slots), ""),
        *_section("hosts", _by_name(leases.blocks), ""),
    ]
    if leases.departed_slots or leases.departed_blocks:
        lines += [
            "departed:",
            *_section("networks", _by_offset(leases.departed_slots), "  "),
            *_section("hosts", _by_name(leases.departed_blocks), "  "),
        ]
    return _HEAD + "\n".join(lines) + "\n"


def _offset(slot: Slot) -> str:
    return f"{format_address(4, slot.offset)}/{slot.length}"


def _by_offset(slots: t.Mapping[str, Slot]) -> list[tuple[str, str]]:
    return [(name, _offset(slot)) for name, slot in sorted(slots.items(), key=lambda item: (item[1], item[0]))]


def _by_name(blocks: t.Mapping[str, Prefix]) -> list[tuple[str, str]]:
    return [(name, str(block)) for name, block in sorted(blocks.items())]


def _section(name: str, entries: list[tuple[str, str]], indent: str) -> list[str]:
    if not entries:
        return [f"{indent}{name}: {{}}"]
    return [f"{indent}{name}:", *(f"{indent}  {_key(key)}: {value}" for key, value in entries)]


def _key(name: str) -> str:
    """A name as a YAML key; quoted unless it can be nothing else than text."""
    plain = name[0].isalpha() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if plain and name.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n"):
        return name
    return "'" + name.replace("'", "''") + "'"


def parse(document: object, path: str) -> Leases:
    """What a YAML parser read from the lock file at ``path`` to Leases; BrokenLockFile says which line's key is wrong."""
    try:
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise InvalidValue(
                "format", document.get("format"), f"is not {FORMAT}; this release of fleetnet.docker reads no other"
            )
        fields = Fields(document, "", _KEYS)
        departed = Fields(fields.mapping("departed"), "departed", ("hosts", "networks"))
        leases = Leases(
            supernet=fields.prefix("supernet", version=4),
            host_prefix_length=fields.integer("host_prefix_length", low=8, high=30),
            pools=_slot(fields, "pools"),
            slots=_slots(fields),
            blocks=_blocks(fields),
            departed_slots=_slots(departed),
            departed_blocks=_blocks(departed),
        )
        _check(leases)
    except InvalidValue as error:
        raise BrokenLockFile(
            f"the lock file {path} cannot be used and was left as it is: {error}. Restore it from version control"
        ) from error
    return leases


def _slots(fields: Fields) -> dict[str, Slot]:
    values = fields.mapping("networks")
    inner = Fields(values, fields.at("networks"), list(values))
    return {name: _slot(inner, name) for name in values}


def _slot(fields: Fields, key: str) -> Slot:
    prefix = fields.prefix(key, version=4)
    return Slot(prefix.address, prefix.length)


def _blocks(fields: Fields) -> dict[str, Prefix]:
    values = fields.mapping("hosts")
    inner = Fields(values, fields.at("hosts"), list(values))
    return {name: inner.prefix(name, version=4) for name in values}


def _check(leases: Leases) -> None:
    """What the rest of the plan relies on: blocks inside the supernet and disjoint, slots inside a block and disjoint."""
    blocks = [(block, name) for part in (leases.blocks, leases.departed_blocks) for name, block in part.items()]
    for block, name in blocks:
        if block.length != leases.host_prefix_length or not leases.supernet.contains(block):
            raise InvalidValue(
                f"hosts.{name}", str(block), f"is no block of /{leases.host_prefix_length} inside {leases.supernet}"
            )
    inside = Prefix(4, 0, leases.host_prefix_length)
    slots = [(leases.pools, "pools")]
    slots += [(slot, name) for part in (leases.slots, leases.departed_slots) for name, slot in part.items()]
    places = [(Prefix(4, slot.offset, slot.length), name) for slot, name in slots]
    for place, name in places:
        if not inside.contains(place):
            raise InvalidValue(f"networks.{name}", str(place), f"lies outside of a block of /{inside.length}")
    for what, entries in (("hosts", blocks), ("networks", places)):
        for (first, first_name), (second, second_name) in overlapping(entries):
            raise InvalidValue(
                f"{what}.{second_name}", str(second), f"overlaps {first} of {first_name}; a lease belongs to one only"
            )
