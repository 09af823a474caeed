# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between what is declared for a host and what it has, as records. Pure.

Every part of a host returns its differences in this form; reports, drawings and explanations read the records. Only
:func:`sentence` turns one into text.
"""

from __future__ import annotations

import json
import typing as t

# Kinds of things that differ.
ADDRESS = "address"  # an address of a bridge
CHAIN = "chain"  # an iptables chain of this collection, or a built-in one
CONTAINER = "container"  # a container that an interrupted run stopped
DAEMON = "daemon"  # an option of the Docker daemon, by the value in effect
FILE = "file"  # a file of this collection on the host
FIREWALLD = "firewalld"  # a file of this collection in firewalld's configuration
JUMP = "jump"  # the iptables rule that jumps to a chain of this collection
NETWORK = "network"  # a Docker network
ROUTE = "route"
SYSCTL = "sysctl"
TABLE = "table"  # the nftables table of this collection
UNIT = "unit"  # a systemd unit of this collection
KINDS = (ADDRESS, CHAIN, CONTAINER, DAEMON, FILE, FIREWALLD, JUMP, NETWORK, ROUTE, SYSCTL, TABLE, UNIT)

CONNECTED = "connected"  # an option: the containers of a network

# Keys that are not options of the thing.
STATE = "state"  # whether it exists
VALUE = "value"  # of a thing that has one value: an option, a sysctl
CONTENT = "content"
MANAGED = "managed"  # whether this collection manages a network
MODE = "mode"  # of a file, as an octal number
POLICY = "policy"  # of a built-in chain of iptables
POSITION = "position"

# Values of these keys.
PRESENT = "present"
AS_PLANNED = "as planned"
DIFFERENT = "different"
FIRST = "first rule"
ACTIVE = "enabled and active"
RUNNING = "running"
STOPPED = "stopped"


class Difference(t.NamedTuple):
    """One thing on a host that is not as declared.

    ``kind`` is one of :data:`KINDS`, ``name`` identifies the thing (a network's name, a path, a route), ``key`` is the
    option that differs, or :data:`STATE`, :data:`VALUE`, :data:`CONTENT`, :data:`MODE` or :data:`POSITION`.
    ``declared`` and ``observed`` are JSON values; None means absent. For the content of a table or chain, they are
    lists of the parts that are missing and unexpected, as far as these are known.
    """

    kind: str
    name: str
    key: str
    declared: t.Any
    observed: t.Any

    def to_data(self) -> dict[str, t.Any]:
        """The record as a module returns it."""
        return dict(self._asdict())

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Difference:
        """The record that :meth:`to_data` returned."""
        return cls(data["kind"], data["name"], data["key"], data["declared"], data["observed"])


def parse_lines(text: str) -> list[Difference]:
    """Differences that a script on the host printed, one per line: the five fields separated by tabs, empty for None.

    Raises ValueError for any other line.
    """
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 5 or fields[0] not in KINDS:
            raise ValueError(f"unexpected output: {line!r}")
        kind, name, key, declared, observed = fields
        found.append(Difference(kind, name, key, declared or None, observed or None))
    return found


def missing(difference: Difference) -> bool:
    """Whether the thing is declared and does not exist."""
    return difference.key == STATE and difference.observed is None


def unexpected(difference: Difference) -> bool:
    """Whether the thing exists and is not declared."""
    return difference.key == STATE and difference.declared is None


def sentence(difference: Difference) -> str:
    """The difference as one line of text."""
    what = f"{difference.kind} {difference.name}"
    if missing(difference):
        return f"{what} is missing"
    if unexpected(difference):
        return f"{what} is not declared"
    if difference.key == CONTENT:
        return f"{what} differs from the plan{_changes(difference)}"
    if difference.key == POSITION:
        return f"{what} is not the {difference.declared}"
    values = f"declared {shown(difference.declared)}, observed {shown(difference.observed)}"
    return f"{what}: {values}" if difference.key == VALUE else f"{what}: {difference.key}: {values}"


def _changes(difference: Difference) -> str:
    """The parts that differ, if they are known."""
    known = {"missing": difference.declared, "unexpected": difference.observed}
    parts = [
        f"{word} {', '.join(map(str, values))}" for word, values in known.items() if isinstance(values, list) and values
    ]
    return f": {'; '.join(parts)}" if parts else ""


def shown(value: t.Any) -> str:
    """A value as text: strings as they are, everything else as JSON."""
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
