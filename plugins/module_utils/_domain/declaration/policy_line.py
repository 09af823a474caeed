# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy line: which new flows are allowed, parsed to a frozen record."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    ANY,
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    Network,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest

POLICY_KEYS = ("from", "ports", "protocol", "to")
# An end that starts like an address is parsed as one.
_LIKE_AN_ADDRESS = re.compile(r"^[0-9a-fA-F.:]+(/\d*)?$")


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


def parse_policy(
    items: t.Sequence[t.Any], path: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]
) -> tuple[PolicyLine, ...]:
    """Parse the policy lines; append one for each open network. Raises InvalidValue with the line's path."""
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
            f"{outside[0]!r} and {outside[-1]!r} are both outside of the fleet's networks. Name a network at one end.",
        )
    ports = _parse_ports(fields)
    protocol = fields.choice("protocol", ("any", "icmp", "tcp", "udp"), "tcp" if ports else "any")
    if ports and protocol not in ("tcp", "udp"):
        raise fields.fail("ports", f"requires protocol tcp or udp, and the protocol is {protocol}.")
    return PolicyLine(sources, targets, protocol, ports, path)


def _parse_end(
    fields: Fields, key: str, name: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]
) -> str:
    known = [*(network.name for network in networks), ANY, DEFAULT_BRIDGE, HOST, WORLD]
    if name in known:
        return name
    if not _LIKE_AN_ADDRESS.match(name) or not set(name) & set(".:"):
        raise fields.fail(key, f"{name!r} is not a declared network; {nearest(name, known)}")
    try:
        block = Prefix.parse(name) if "/" in name else single(*parse_address(name))
    except ValueError as error:
        raise fields.refuse(key, name, f"{error}.") from None
    if block.version not in [supernet.version for supernet in supernets]:
        raise fields.refuse(key, name, f"requires an IPv{block.version} supernet. Leave it out.")
    if block.length == 0:
        raise fields.refuse(key, name, f"contains every address. Use {WORLD!r} for the outside of the fleet.")
    for supernet in supernets:
        if supernet.contains(block):
            raise fields.refuse(key, name, f"is in the supernet {supernet}. Name the networks instead.")
    for network in networks:
        for subnet in network.subnets:
            if subnet.contains(block):
                raise fields.refuse(
                    key, name, f"is in the subnet {subnet} of network {network.name}. Name the network instead."
                )
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
            raise fields.fail("ports", f"{entry!r} is not a valid port (1 to 65535) or range (8000-8010).")
        ranges.append((low, high))
    return merged(ranges)


def merged(ranges: t.Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sort the ranges and join overlapping and adjacent ones."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)
