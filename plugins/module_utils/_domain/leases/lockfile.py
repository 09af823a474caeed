# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the lock file: leases as YAML for code review, one line per host and one per network.

It is read line by line, not by a YAML parser. So each error has a line number, and what YAML accepts silently is
rejected: a duplicate key (after a merge of two branches), a missing end (after an interrupted write).
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    overlapping,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook, Leases, Slot

FORMAT = 1

_HEAD = """\
---
# The address leases of the fleet, written by fleetnet.docker. Keep this file under version control, next to the
# inventory: without it, hosts and networks get other addresses. The lines under departed keep the addresses of those
# that are no longer declared; docker_fleet_reclaim releases them.
docker_fleet_leases:  # an empty group for Ansible, so that this file may be in an inventory folder
  vars:
"""
_WRAPPER = ("docker_fleet_leases", "vars")
_INDENT = "    "
# YAML's mark for the end of a document. It distinguishes a truncated file from a small fleet.
_END = "..."

# KEY: VALUE, with at most two levels of indentation, a quoted key where YAML needs it, and a trailing comment.
_LINE = re.compile(
    r"(?P<indent> *)"
    r"(?:'(?P<single>(?:[^']|'')+)'|\"(?P<double>[^\"\\]+)\"|(?P<plain>[^\s'\"#:{}\[\],&*!|>%@`-][^\s:#]*)):"
    r"(?: +(?P<value>[^\s#][^#]*?))? *(?:(?<= )#.*)?"
)
_SINGLES = ("format", "supernet", "host_prefix_length", "pools")
_SECTIONS = ("networks", "hosts")
_REMOVED = "removed_hosts"
_DEPARTED_SECTIONS = (*_SECTIONS, _REMOVED)


class BrokenLockFile(FleetnetError):
    """The lock file is invalid. It is never overwritten."""


def render(book: LeaseBook) -> str:
    """Return the text of the lock file. Equal leases give equal bytes."""
    families = book.families
    lines = [
        f"format: {FORMAT}",
        f"supernet: {' '.join(str(leases.supernet) for leases in families)}",
        f"host_prefix_length: {' '.join(str(leases.host_prefix_length) for leases in families)}",
        "# The engines' own networks (compose, docker network create), as an offset in the host's block.",
        f"pools: {' '.join(_offset(leases.pools) for leases in families)}",
        "# A network's offset in each host's block: its subnet is the block's first address plus the offset.",
        *_section("networks", _by_offset([leases.slots for leases in families]), ""),
        *_section("hosts", _by_name([leases.blocks for leases in families]), ""),
    ]
    if any(leases.departed_slots or leases.departed_blocks for leases in families):
        lines += [
            "departed:",
            *_section("networks", _by_offset([leases.departed_slots for leases in families]), "  "),
            *_departed_hosts(book),
        ]
    return _HEAD + "".join(f"{_INDENT}{line}\n" for line in lines) + f"{_END}\n"


def _departed_hosts(book: LeaseBook) -> list[str]:
    """Departed hosts that may use their blocks, and those that do not."""
    entries = _by_name([leases.departed_blocks for leases in book.families])
    in_use = [entry for entry in entries if entry[0] not in book.removed]
    removed = [entry for entry in entries if entry[0] in book.removed]
    lines = ["  # These may still use their blocks: remove_host has not reached them."] if in_use else []
    lines += _section("hosts", in_use, "  ")
    return lines + (_section(_REMOVED, removed, "  ") if removed else [])


def _offset(slot: Slot) -> str:
    if slot.version == 4:
        return f"{format_address(4, slot.offset)}/{slot.length}"
    # All four groups are written, for legibility: not ::1:0:0:0:0.
    return ":".join(f"{slot.offset >> shift & 0xFFFF:x}" for shift in (112, 96, 80, 64)) + f"::/{slot.length}"


def _by_offset(parts: list[t.Mapping[str, Slot]]) -> list[tuple[str, str]]:
    texts: dict[str, str] = {}
    places: dict[str, tuple[int, ...]] = {}
    for part in parts:
        for name, slot in part.items():
            texts[name] = f"{texts[name]} {_offset(slot)}" if name in texts else _offset(slot)
            places.setdefault(name, slot)
    return [(name, texts[name]) for name in sorted(texts, key=lambda name: (places[name], name))]


def _by_name(parts: list[t.Mapping[str, Prefix]]) -> list[tuple[str, str]]:
    texts: dict[str, str] = {}
    for part in parts:
        for name, block in part.items():
            texts[name] = f"{texts[name]} {block}" if name in texts else str(block)
    return sorted(texts.items())


def _section(name: str, entries: list[tuple[str, str]], indent: str) -> list[str]:
    if not entries:
        return [f"{indent}{name}: {{}}"]
    return [f"{indent}{name}:", *(f"{indent}  {_key(key)}: {value}" for key, value in entries)]


def _key(name: str) -> str:
    """A name as a YAML key; quoted unless it can only be text."""
    plain = name[0].isalpha() and name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if plain and name.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n"):
        return name
    return "'" + name.replace("'", "''") + "'"


class _Broken(Exception):
    """The error and its line number, counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason)


class _Entry(t.NamedTuple):
    """A value and its line number."""

    line: int
    value: str


Document = t.Dict[str, t.Dict[str, _Entry]]


def parse(text: str, path: str) -> LeaseBook:
    """Parse the text of the lock file at ``path``. Raises BrokenLockFile, which names the line."""
    lines = text.splitlines()
    try:
        return _book(_document(lines))
    except _Broken as error:
        shown = f" ({lines[error.line - 1].strip()[:80]!r})" if 0 < error.line <= len(lines) else ""
        raise BrokenLockFile(
            f"lock file {path}: line {error.line}{shown}: {error.reason}. The file was not changed. Restore it "
            "from version control."
        ) from error


def _document(lines: list[str]) -> Document:
    """The entries by section: "" for the top level, "hosts", "departed.hosts" and so on."""
    document: Document = {"": {}}
    section = ""
    wrapped = 0  # the number of wrapper keys read so far
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        if bare == _END and line == bare:
            if any(rest.strip() for rest in lines[number:]):
                raise _Broken(number + 1, f"is after the end of the file ({_END})")
            return document
        if not bare or bare[0] == "#" or (bare == "---" and not document[""]):
            continue
        if bare.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
            raise _Broken(number, "is a merge conflict marker. Keep the lines of both sides, each lease once")
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            raise _Broken(number, "is not KEY: VALUE")
        key = found["plain"] or found["double"] or found["single"].replace("''", "'")
        if wrapped < len(_WRAPPER):
            if (key, len(found["indent"]), found["value"]) != (_WRAPPER[wrapped], 2 * wrapped, None):
                raise _Broken(number, f"must be {_WRAPPER[wrapped]}:")
            wrapped += 1
            continue
        indent = len(found["indent"]) - len(_INDENT)
        section = _take(document, section, number, indent, key, found["value"] or "")
    if not lines:
        raise _Broken(1, "the file is empty")
    raise _Broken(len(lines), f"the end of the file ({_END}) is missing after this line; the file is truncated")


def _take(document: Document, section: str, number: int, indent: int, key: str, value: str) -> str:
    """Add one line to the document. Returns the section that the next line may belong to."""
    departed = section.startswith("departed")
    if indent == 0:
        where = ""
    elif indent == 2 and departed and key in _DEPARTED_SECTIONS and (not value or value == "{}"):
        where = "departed"
    elif section and section != "departed" and indent == 2 + 2 * departed:
        where = section
    else:
        raise _Broken(number, "has an invalid indentation")
    if where in ("", "departed"):
        known = (*_SINGLES, *_SECTIONS, "departed") if not where else _DEPARTED_SECTIONS
        if key not in known:
            raise _Broken(number, f"is not a valid key. Valid keys: {', '.join(known)}")
        section = key if not where else f"departed.{key}"
        if key not in _SINGLES and value not in ("", "{}"):
            raise _Broken(number, "starts a section and cannot have a value")
        if key == "format" and value != str(FORMAT):
            raise _Broken(number, _wrong_format(value))
    if key in document.setdefault(where, {}):
        raise _Broken(number, f"{key!r} duplicates line {document[where][key].line}. Keep one of the two")
    if where not in ("", "departed") and not value:
        raise _Broken(number, "has no value")
    document[where][key] = _Entry(number, value)
    return section


def _wrong_format(value: str) -> str:
    if value.isdigit() and int(value) > FORMAT:
        return (
            f"format {value} requires a newer release of fleetnet.docker; this release reads {FORMAT}. Upgrade the "
            "collection"
        )
    return f"is not a valid format; this release reads {FORMAT}"


def _book(document: Document) -> LeaseBook:
    top = document[""]
    for key in (*_SINGLES, *_SECTIONS):
        if key not in top:
            raise _Broken(max(entry.line for entry in top.values()) if top else 1, f"no {key} found")
    supernets = _prefixes(top["supernet"])
    if not supernets:
        raise _Broken(top["supernet"].line, "has no value")
    lengths = top["host_prefix_length"].value.split()
    if len(lengths) != len(supernets) or not all(length.isdigit() for length in lengths):
        raise _Broken(top["host_prefix_length"].line, "must be one number per supernet")
    pools = _prefixes(top["pools"])
    if sorted(pools) != sorted(supernets):
        raise _Broken(top["pools"].line, "must be one block per supernet")
    parts = {
        section: {key: _prefixes(entry) for key, entry in document.get(section, {}).items()}
        for section in (*_SECTIONS, *(f"departed.{name}" for name in _DEPARTED_SECTIONS))
    }
    for section, entries in parts.items():
        for name, values in entries.items():
            if not values or any(version not in supernets for version in values):
                raise _Broken(document[section][name].line, "has a block of an IP version without a supernet")
    for name in sorted(parts["departed.hosts"].keys() & parts[f"departed.{_REMOVED}"].keys()):
        line = document[f"departed.{_REMOVED}"][name].line
        raise _Broken(line, f"{name!r} is also in hosts. Keep one of the two")
    departed_hosts = {**parts["departed.hosts"], **parts[f"departed.{_REMOVED}"]}
    families = []
    for (version, supernet), length in sorted(zip(supernets.items(), lengths)):
        leases = Leases(
            supernet=supernet,
            host_prefix_length=int(length),
            pools=_slot(pools[version]),
            slots=_slots(parts["networks"], version),
            blocks=_blocks(parts["hosts"], version),
            departed_slots=_slots(parts["departed.networks"], version),
            departed_blocks=_blocks(departed_hosts, version),
        )
        _check(leases, document)
        families.append(leases)
    return LeaseBook(tuple(families), frozenset(parts[f"departed.{_REMOVED}"]))


def _prefixes(entry: _Entry) -> dict[int, Prefix]:
    """The blocks of a line by IP version."""
    found: dict[int, Prefix] = {}
    for text in entry.value.split():
        try:
            prefix = Prefix.parse(text)
        except ValueError as error:
            raise _Broken(entry.line, f"{text!r} {error}") from None
        if prefix.version in found:
            raise _Broken(entry.line, f"has two IPv{prefix.version} blocks")
        found[prefix.version] = prefix
    return found


def _slot(prefix: Prefix) -> Slot:
    return Slot(prefix.address, prefix.length, prefix.version)


def _slots(entries: t.Mapping[str, t.Mapping[int, Prefix]], version: int) -> dict[str, Slot]:
    return {name: _slot(prefixes[version]) for name, prefixes in entries.items() if version in prefixes}


def _blocks(entries: t.Mapping[str, t.Mapping[int, Prefix]], version: int) -> dict[str, Prefix]:
    return {name: prefixes[version] for name, prefixes in entries.items() if version in prefixes}


def _check(leases: Leases, document: Document) -> None:
    """Raise _Broken unless blocks are disjoint and inside the supernet, and slots disjoint and inside a block."""

    def line(section: str, name: str) -> int:
        for part in (section, f"departed.{section}", f"departed.removed_{section}"):
            if name in document.get(part, {}):
                return document[part][name].line
        return document[""]["pools"].line

    blocks = [(block, name) for part in (leases.blocks, leases.departed_blocks) for name, block in part.items()]
    for block, name in blocks:
        if block.length != leases.host_prefix_length or not leases.supernet.contains(block):
            raise _Broken(
                line("hosts", name), f"{block} is not a block of /{leases.host_prefix_length} inside {leases.supernet}"
            )
    for what, held, left in (
        ("hosts", leases.blocks.keys(), leases.departed_blocks.keys()),
        ("networks", leases.slots.keys(), leases.departed_slots.keys()),
    ):
        for name in sorted(held & left):
            parts = (f"departed.{what}", f"departed.removed_{what}")
            number = next(document[part][name].line for part in parts if name in document.get(part, {}))
            raise _Broken(number, f"{name!r} is also in {what}. Keep one of the two")
    inside = Prefix(leases.supernet.version, 0, leases.host_prefix_length)
    slots = [(leases.pools, "pools")]
    slots += [(slot, name) for part in (leases.slots, leases.departed_slots) for name, slot in part.items()]
    places = [(Prefix(slot.version, slot.offset, slot.length), name) for slot, name in slots]
    for place, name in places:
        if not inside.contains(place):
            raise _Broken(line("networks", name), f"{place} is outside of a block of /{inside.length}")
    for what, entries in (("hosts", blocks), ("networks", places)):
        for (first, first_name), (second, second_name) in overlapping(entries):
            raise _Broken(line(what, second_name), f"{second} overlaps {first} of {first_name}. Keep one of the two")
