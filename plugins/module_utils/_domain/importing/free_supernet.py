# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Propose a supernet, and subnets for single networks, that overlap nothing that the hosts report. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import LENGTH_V6
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.findings import DEFAULT_ROUTE_LENGTH
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

# In the order of preference. Docker takes its default pools from 172.16.0.0/12 and 192.168.0.0/16.
_CANDIDATES = tuple(
    Prefix.parse(text)
    for text in (
        *(f"10.{second}.0.0/12" for second in (64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 48, 32, 16, 0)),
        *(f"10.{second}.0.0/10" for second in (64, 128, 192, 0)),
        *(f"172.{second}.0.0/14" for second in (28, 24, 20, 16)),
        "100.64.0.0/10",
        "192.168.0.0/16",
    )
)
# Prefix lengths of networks and of hosts' blocks, in the order of preference. The first of each are the defaults.
_CANDIDATES_V6 = (Prefix.parse("fd00::/8"),)
# docker0, at least one network of /24, and the same number of addresses for the engine's pools
_HOST_LENGTHS = (20, 21, 22)
# A larger IPv4 subnet is not proposed, and a smaller one not needed.
_WIDEST, _SMALLEST = 16, 24


class Taken(t.NamedTuple):
    """A block that a host uses, and what it is."""

    block: Prefix
    host: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.block}) of host {self.host}"


class Space(t.NamedTuple):
    """A supernet with the prefix length of hosts' blocks.

    ``taken`` are the reasons against others; None if leases hold it already.
    """

    supernet: Prefix
    host_length: int
    taken: tuple[tuple[Prefix, Taken], ...] | None = None

    def variables(self) -> dict[str, t.Any]:
        """The variables of the declaration, without prefix; those of defaults are left out."""
        return {"supernet": str(self.supernet), **length_variables(self.host_length)}


def length_variables(host_length: int) -> dict[str, t.Any]:
    """The variable of a prefix length of hosts' blocks; none for the default."""
    return {} if host_length == _HOST_LENGTHS[0] else {"host_prefix_length": host_length}


def taken_blocks(host: Host, report: Report) -> t.Iterator[Taken]:
    """The blocks that a host uses or reaches, and those of the networks that are declared for it."""
    name = host.name
    for declared in host.networks:
        for subnet in declared.subnets:
            yield Taken(subnet, name, f"network {declared.name}")
    for network in report.get("networks", ()):
        for each in network["subnets"]:
            if each["subnet"] is not None:
                yield Taken(Prefix.parse(each["subnet"]), name, f"Docker network {quoted_name(network['name'])}")
    for link in report.get("links", ()):
        for address in link["addresses"]:
            yield Taken(Prefix.holding(address), name, f"interface {link['name']}")
    for route in report.get("routes", ()):
        block = Prefix.holding(route["destination"])
        if block.length > DEFAULT_ROUTE_LENGTH[block.version]:
            yield Taken(block, name, "a route")
    control = report.get("control_path")
    for what, addresses in (
        ("name server", report.get("resolver", ())),
        ("the Ansible controller", [control["client"]] if control else []),
        ("the underlay", host.addresses),
    ):
        for address in addresses:
            yield Taken(single(*parse_address(address.split("%", maxsplit=1)[0])), name, what)


def free_space(taken: t.Iterable[Taken], hosts: int) -> Space:
    """A supernet for a fleet with twice this number of hosts. Networks keep their subnets, and need no part of it.

    Raises InvalidValue if the hosts use all private blocks.
    """
    used = [each for each in taken if each.block.version == 4]
    reasons: dict[Prefix, Taken] = {}
    for length in _HOST_LENGTHS:
        for candidate in _CANDIDATES:
            if not _has_room(candidate, length, 2 * hosts):
                continue
            hit = next((each for each in used if each.block.overlaps(candidate)), None)
            if hit is None:
                return Space(candidate, length, tuple(reasons.items()))
            reasons.setdefault(candidate, hit)
    raise InvalidValue(
        PREFIX + "supernet",
        None,
        "is missing, and no private block is free on all hosts and large enough. Set it to a block of addresses that "
        f"no host uses, or examine what the hosts report: {'; '.join(dict.fromkeys(map(str, reasons.values())))}",
    )


def fitting_length(supernet: Prefix, hosts: int) -> int:
    """The prefix length of hosts' blocks in a declared supernet; the default if no length has room for these hosts.

    That of the largest blocks with room for twice the hosts, or otherwise for the hosts.
    """
    for wanted in (2 * hosts, hosts):
        for length in _HOST_LENGTHS:
            if _has_room(supernet, length, wanted):
                return length
    return _HOST_LENGTHS[0]


def _has_room(supernet: Prefix, length: int, hosts: int) -> bool:
    return length >= supernet.length and hosts <= 1 << (length - supernet.length)


def subnet_length(version: int, addresses: int) -> int:
    """The prefix length of a subnet for twice this number of addresses, from 16 to 24 in IPv4."""
    if version == 6:
        return LENGTH_V6
    return max(_WIDEST, min(_SMALLEST, 32 - (2 * addresses + 2).bit_length()))


def take_subnet(free: FreeBlocks, version: int, length: int) -> Prefix | None:
    """A private subnet that is free, and no longer so after that; None if none is."""
    candidates = _CANDIDATES if version == 4 else _CANDIDATES_V6
    return next(filter(None, (free.take(candidate, length) for candidate in candidates)), None)
