# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of the policy: what a person wrote about who may open flows to whom, parsed to a frozen record."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fields import Fields, nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    ANY,
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    Network,
)

POLICY_KEYS = ("from", "ports", "protocol", "to")
# An end that begins like an address was meant as one.
_LIKE_AN_ADDRESS = re.compile(r"^[0-9a-fA-F.:]+(/\d*)?$")


@dataclasses.dataclass(frozen=True)
class PolicyLine:
    """One permission: new flows of ``protocol`` from any of ``sources`` to ``ports`` of any of ``targets``.

    An end is a network's name, ``docker0``, ``host`` (the host that a container runs on), ``world`` (all that is
    outside of the fleet's own addresses) or a block of outside addresses as text. ``protocol`` is tcp, udp, icmp or
    any; ``ports`` are inclusive ranges, empty for all. Replies always pass.
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
        """Whether the line speaks of this protocol and port (None: a protocol without ports)."""
        return self.protocol in ("any", protocol) and (
            not self.ports or (port is not None and any(low <= port <= high for low, high in self.ports))
        )


def is_block(end: str) -> bool:
    """Whether a line's end is a block of outside addresses; no network's name has a slash."""
    return "/" in end


def is_outside(end: str) -> bool:
    """Whether a line's end is no network: ``host``, ``world`` or a block of outside addresses."""
    return end in (HOST, WORLD) or is_block(end)


def parse_policy(
    items: t.Sequence[t.Any], path: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]
) -> tuple[PolicyLine, ...]:
    """The list of lines, and behind it one more for each network that is declared open; InvalidValue names the line."""
    anything = tuple(network.name for network in networks if network.routed)
    lines = [_parse_line(item, f"{path}[{number}]", networks, supernets, anything) for number, item in enumerate(items)]
    lines += [
        PolicyLine(anything, (network.name,), "any", (), f"{network.path}.open") for network in networks if network.open
    ]
    return tuple(lines)


def _parse_line(
    item: t.Any, path: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix], anything: tuple[str, ...]
) -> PolicyLine:
    fields = Fields(item, path, POLICY_KEYS)
    ends = []
    for key in ("from", "to"):
        found = [_parse_end(fields, key, name, networks, supernets) for name in fields.names(key)]
        ends.append(tuple(dict.fromkeys(end for name in found for end in (anything if name == ANY else (name,)))))
    sources, targets = ends
    outside = [end for end in (*sources, *targets) if is_outside(end)]
    if any(map(is_outside, sources)) and any(map(is_outside, targets)):
        raise fields.fail(
            "to",
            f"{outside[0]!r} and {outside[-1]!r} are both outside of the fleet's networks, and the policy is about "
            "these; name a network at one end",
        )
    ports = _parse_ports(fields)
    protocol = fields.choice("protocol", ("any", "icmp", "tcp", "udp"), "tcp" if ports else "any")
    if ports and protocol not in ("tcp", "udp"):
        raise fields.fail("ports", f"go with protocol tcp or udp, not with {protocol}")
    return PolicyLine(sources, targets, protocol, ports, path)


def _parse_end(
    fields: Fields, key: str, name: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]
) -> str:
    known = [*(network.name for network in networks), ANY, DEFAULT_BRIDGE, HOST, WORLD]
    if name in known:
        return name
    if not _LIKE_AN_ADDRESS.match(name) or not set(name) & set(".:"):
        raise fields.fail(key, f"no network {name!r} is declared; {nearest(name, known)}")
    try:
        block = Prefix.parse(name) if "/" in name else single(*parse_address(name))
    except ValueError as error:
        raise fields.refuse(key, name, str(error)) from None
    if block.version not in [supernet.version for supernet in supernets]:
        raise fields.refuse(key, name, f"the fleet has no IPv{block.version} supernet, so no container speaks to it")
    if block.length == 0:
        raise fields.refuse(key, name, f"is every address; write {WORLD!r} for what is outside of the fleet")
    for supernet in supernets:
        if supernet.contains(block):
            raise fields.refuse(key, name, f"lies in the supernet {supernet}; name the networks, not their addresses")
    for network in networks:
        for subnet in network.subnets:
            if subnet.contains(block):
                raise fields.refuse(key, name, f"lies in network {network.name} ({subnet}); name the network")
    return str(block)


def _parse_ports(fields: Fields) -> tuple[tuple[int, int], ...]:
    value = fields.raw("ports")
    if value is None:
        return ()
    entries = value if isinstance(value, (list, tuple)) else [value]
    ranges = []
    for entry in entries:
        found = re.match(r"^(\d+)(?:-(\d+))?$", str(entry)) if not isinstance(entry, bool) else None
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= 65535:
            raise fields.fail("ports", f"{entry!r} is no port (1 to 65535) and no range (8000-8010)")
        ranges.append((low, high))
    return merged(ranges)


def merged(ranges: t.Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, overlapping and adjoining ranges joined."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)
