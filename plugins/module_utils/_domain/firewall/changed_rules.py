# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules and elements of a table or chain differ from the plan, by their listings. Pure.

Whether they differ is decided by the part's script on the host; this names what does.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CHAIN,
    CONTENT,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import RAW_CHAIN
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER

_MOST = 5  # changes that a difference names, of each direction
_CONTAINERS = ("chain", "set", "map")
_ELEMENTS = "elements = {"


class Listing(t.NamedTuple):
    """Where the planned listing is, and the command that lists what the host has."""

    file: str
    command: tuple[str, ...]


def listing_of(difference: Difference) -> Listing | None:
    """How to list both; None if the difference is not about rules."""
    if difference.key != CONTENT or difference.kind not in (TABLE, CHAIN):
        return None
    first, _blank, second = difference.name.partition(" ")
    if difference.kind == TABLE:
        return Listing(f"{STATE_FOLDER}/firewall.{first}", ("nft", "-s", "list", "table", first, second))
    table = "raw" if second == RAW_CHAIN else "filter"
    return Listing(f"{STATE_FOLDER}/firewall.{first}.{second}", (first, "-w", "-t", table, "-S", second))


def with_changes(difference: Difference, planned: str, live: str) -> Difference:
    """The difference with what is missing as its declared value, and what is unexpected as its observed one.

    Unchanged if all rules are there, in another order.
    """
    parse = _parts_of_table if difference.kind == TABLE else _rules_of_chain
    wanted, found = collections.Counter(parse(planned)), collections.Counter(parse(live))
    missing, unexpected = list((wanted - found).elements()), list((found - wanted).elements())
    if not missing and not unexpected:
        return difference
    return difference._replace(declared=_first(missing), observed=_first(unexpected))


def _first(changes: t.Sequence[str]) -> list[str]:
    more = len(changes) - _MOST
    return [*changes[:_MOST], *([f"{more} more"] if more > 0 else [])]


def _rules_of_chain(listing: str) -> list[str]:
    return [line for line in listing.splitlines() if line.strip()]


@reads("nft list table")
def _parts_of_table(listing: str) -> list[str]:
    """Rules, elements and definitions, each with the chain or set that it belongs to."""
    found: list[str] = []
    place, elements = "", None
    for line in listing.splitlines():
        text = line.strip()
        words = text.split()
        if elements is not None or text.startswith(_ELEMENTS):
            elements = f"{elements or ''} {text[len(_ELEMENTS) :] if elements is None else text}"
            if text.endswith("}"):
                if not place.split()[1].startswith(PREFIX):  # the reconciler fills it
                    found += [f"element {each.strip()} of {place}" for each in elements.rstrip("} ").split(",")]
                elements = None
        elif words[:1] and words[0] in _CONTAINERS and text.endswith("{"):
            place = " ".join(words[:2])
        elif words[:1] == ["flags"] and "dormant" in text and not place:
            found.append("flag dormant of the table, whose rules do not apply")
        elif text and text != "}" and words[0] not in ("table", "flags"):
            found.append(f"rule '{text}' of {place}" if place.startswith("chain ") else f"'{text}' of {place}")
    return found
