# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy line: which new flows are allowed. policy_parser.py parses it."""

from __future__ import annotations

import dataclasses
import typing as t

# The name that policy and lock file use for the default bridge; Docker's own name for that network is "bridge".
DEFAULT_BRIDGE = "docker0"
ANY = "any"
# The ends of policy lines that are not networks, with Cilium's names.
HOST = "host"
WORLD = "world"
# The addresses at which clouds serve a host's metadata, credentials included, by IP version.
CLOUD_METADATA = {4: "169.254.169.254", 6: "fd00:ec2::254"}


@dataclasses.dataclass(frozen=True)
class PolicyLine:
    """Allow new flows of ``protocol`` from any of ``sources`` to ``ports`` of any of ``targets``.

    An end is a network's name, ``docker0``, ``host`` (the host that a container runs on), ``world`` (all addresses
    outside of the fleet) or a block of outside addresses as text. ``protocol`` is tcp, udp, icmp or any; ``ports`` are
    inclusive ranges, empty for all. Replies are always allowed.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    protocol: str
    ports: tuple[tuple[int, int], ...]
    path: str

    def __str__(self) -> str:
        what = self.protocol
        if self.ports:
            what += "/" + ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ports)
        return f"{', '.join(self.sources)} -> {', '.join(self.targets)}: {what}"

    def covers(self, protocol: str, port: int | None) -> bool:
        """Whether the line allows this protocol and port (None: a protocol without ports)."""
        return self.protocol in ("any", protocol) and (
            not self.ports or (port is not None and any(low <= port <= high for low, high in self.ports))
        )


def is_block(end: str) -> bool:
    """Whether a line's end is a block of outside addresses: only these contain a slash."""
    return "/" in end


def is_outside(end: str) -> bool:
    """Whether a line's end is ``host``, ``world`` or a block of outside addresses."""
    return end in (HOST, WORLD) or is_block(end)


def merged(ranges: t.Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sort the ranges and join overlapping and adjacent ones."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)
