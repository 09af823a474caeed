# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that put containers on an L2 segment of the hosts: no two of them assign one address there.

Engines do not know of each other. So each host's engine must have addresses of its own.
"""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, named_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks

# The example of a message contains the ranges of at most this many hosts.
_MOST_IN_AN_EXAMPLE = 4
_LONGEST = {4: 30, 6: 126}


class _Pool(t.NamedTuple):
    """The addresses that the engine of a host assigns on a network: ``block``, all or a part of ``subnet``."""

    block: Prefix
    subnet: Prefix
    network: Network
    host: Host

    def fail(self, reason: str, host: str | None) -> InvalidValue:
        return InvalidValue(f"{self.network.path}.ip_range", str(self.block), reason, host)

    def reserved(self) -> list[Prefix]:
        """Addresses that the engine does not assign."""
        _subnet, _range, gateway, aux = self.network.block(self.subnet, self.host.name)
        return [single(*address) for address in ([gateway] if gateway else []) + list(aux.values())]


def check_segments(
    networks: t.Sequence[Network],
    hosts: t.Sequence[Host],
    carriers: t.Mapping[str, t.Collection[str]],
    departed: t.Collection[str],
) -> None:
    """Raise InvalidValue if the engines of two hosts would assign one address on a segment, or one the address of a
    host.

    ``networks`` are those of the whole fleet. Hosts with the same ``link`` are on one segment. Departed hosts may have
    ranges. O(hosts x networks x log).
    """
    for network in networks:
        if network.host_ranges:
            _check_names(network, {*carriers[network.name], *departed})
    segments: dict[str, list[_Pool]] = {}
    for host in hosts:
        fleet_wide = [network for network in networks if host.name in carriers[network.name]]
        for network in (*fleet_wide, *host.networks):
            if network.on_a_segment:
                segments.setdefault(host.link, []).extend(
                    _Pool(network.ip_range(subnet, host.name) or subnet, subnet, network, host)
                    for subnet in network.subnets
                )
    for link, pools in segments.items():
        pools.sort(key=lambda pool: (pool.block.version, pool.block.address, pool.block.length, pool.host.name))
        on_it = [host for host in hosts if host.link == link]
        # Blocks are aligned: if any two overlap, so do two neighbors.
        for first, second in zip(pools, pools[1:]):
            if first.host is not second.host and first.block.overlaps(second.block):
                raise _shared(first, second, pools, on_it)
        _check_addresses(pools, on_it)


def _check_names(network: Network, valid: t.Collection[str]) -> None:
    for name in network.host_ranges:
        if name not in valid:
            raise InvalidValue(
                f"{network.path}.ip_range", name, f"is not a host that carries the network. {nearest(name, valid)}"
            )


def _shared(first: _Pool, second: _Pool, pools: list[_Pool], hosts: list[Host]) -> InvalidValue:
    """The error for two hosts whose engines would assign the same addresses."""
    network = second.network
    if first.network is not network or network in second.host.networks:
        return second.fail(
            f"overlaps {first.block} of {first.network.path} on host {first.host.name}, whose engine would assign the "
            "same addresses on this segment. Set ip_range to another part of the subnet",
            second.host.name,
        )
    names = []
    taken = [single(version, address) for version, address, _name in _addresses(hosts)]
    for pool in pools:
        taken += pool.reserved()
        if pool.network is network and pool.block.overlaps(first.block):
            names.append(pool.host.name)
        else:
            taken.append(pool.block)
    return second.fail(
        f"{named_hosts(names)} would assign the same addresses on one segment. Set ip_range to one range for each "
        f"host{_example(first.subnet, names, taken)}",
        None,
    )


def _example(subnet: Prefix, names: list[str], taken: list[Prefix]) -> str:
    """Ranges that the hosts could have: parts of the subnet that contain no address in use."""
    for length in range(subnet.length + 1, _LONGEST[subnet.version] + 1):
        free = FreeBlocks(taken)
        found = [free.take(subnet, length) for _name in names]
        if found[-1] is not None:
            pairs = [f"{name}: {block}" for name, block in zip(names, found)]
            more = ", ..." if len(pairs) > _MOST_IN_AN_EXAMPLE else ""
            return f", as in {{{', '.join(pairs[:_MOST_IN_AN_EXAMPLE])}{more}}}"
    return ", in a larger subnet"


def _addresses(hosts: list[Host]) -> list[tuple[int, int, str]]:
    """The hosts' addresses on their segment: IP version, integer, name of the host. Sorted."""
    texts = {(text, host.name) for host in hosts for text in (host.underlay, host.underlay_v6) if text}
    return sorted((*parse_address(text), name) for text, name in texts)


def _check_addresses(pools: list[_Pool], hosts: list[Host]) -> None:
    addresses = _addresses(hosts)
    for pool in pools:
        version, first = pool.block.version, pool.block.address
        reserved = pool.reserved()
        for number in range(bisect.bisect_left(addresses, (version, first, "")), len(addresses)):
            found, address, name = addresses[number]
            if found != version or not pool.block.has(address):
                break
            if single(version, address) not in reserved:
                text = format_address(version, address)
                raise pool.fail(
                    f"contains {text}, the address of host {name}, which the engine would assign to a container. "
                    "Use a range without it, or reserve it in aux_addresses",
                    pool.host.name,
                )
