# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Propose a supernet that overlaps nothing that the hosts report. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.findings import DEFAULT_ROUTE_LENGTH
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

# In the order of preference. Docker takes its default pools from 172.16.0.0/12 and 192.168.0.0/16.
_CANDIDATES = tuple(
    Prefix.parse(text)
    for text in (
        *(f"10.{second}.0.0/12" for second in (64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 48, 32, 16, 0)),
        *(f"172.{second}.0.0/14" for second in (28, 24, 20, 16)),
        "100.64.0.0/10",
        "192.168.0.0/16",
    )
)
# Prefix lengths of networks and of hosts' blocks, in the order of preference. The first of each are the defaults.
_NETWORK_LENGTHS, _HOST_LENGTHS = (24, 25, 26, 27, 28), (20, 19, 18, 17, 16)


class Taken(t.NamedTuple):
    """A block that a host uses, and what it is."""

    block: Prefix
    host: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.block}) of host {self.host}"


class Space(t.NamedTuple):
    """A supernet with the prefix lengths of hosts' blocks and networks. ``taken`` are the reasons against others."""

    supernet: Prefix
    host_length: int
    network_length: int
    taken: tuple[tuple[Prefix, Taken], ...] = ()

    def variables(self) -> dict[str, t.Any]:
        """The variables of the declaration, without prefix; those of defaults are left out."""
        found: dict[str, t.Any] = {"supernet": str(self.supernet)}
        if self.host_length != _HOST_LENGTHS[0]:
            found["host_prefix_length"] = self.host_length
        if self.network_length != _NETWORK_LENGTHS[0]:
            found["network_prefix_length"] = self.network_length
        return found


def taken_blocks(host: Host, report: Report) -> t.Iterator[Taken]:
    """The IPv4 blocks that a host uses or reaches."""
    name = host.name
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


def free_space(taken: t.Iterable[Taken], hosts: int, networks: int) -> Space:
    """A supernet for a fleet with twice these numbers of hosts, and of networks with a subnet on each host.

    Raises InvalidValue if the hosts use all private blocks.
    """
    used = [each for each in taken if each.block.version == 4]
    reasons: list[tuple[Prefix, Taken]] = []
    for candidate in _CANDIDATES:
        hit = next((each for each in used if each.block.overlaps(candidate)), None)
        lengths = _lengths(candidate, 2 * hosts, 2 * (networks + 1))
        if hit is not None:
            reasons.append((candidate, hit))
        elif lengths is not None:
            return Space(candidate, *lengths, tuple(reasons))
    raise InvalidValue(
        PREFIX + "supernet",
        None,
        "is missing, and no private block is free on all hosts and large enough. Set it to a block of addresses that "
        "no host uses, or examine what the hosts report: "
        + "; ".join(dict.fromkeys(str(hit) for _block, hit in reasons)),
    )


def _lengths(supernet: Prefix, hosts: int, networks: int) -> tuple[int, int] | None:
    for network_length in _NETWORK_LENGTHS:
        for host_length in _HOST_LENGTHS:
            # half of a block is for the engine's pools
            if networks <= 1 << (network_length - host_length - 1) and hosts <= 1 << (host_length - supernet.length):
                return host_length, network_length
    return None
