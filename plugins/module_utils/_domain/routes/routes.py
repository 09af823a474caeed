# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to the other hosts of the fleet (backend host_gw): one for each block, by way of its underlay address."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import ROUTE_PROTOCOL

_HEAD = """\
# Written by fleetnet.docker: routes to the other hosts' blocks, for ip -batch.
"""


class Route(t.NamedTuple):
    """How a block of another host is reached: the host's name, its address for us, and the block. One IP version."""

    host: str
    gateway: str
    block: Prefix


def parse_peers(items: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[Route]:
    """The ways to the peers of ``host``, itself left out; InvalidValue names the entry of the list that is wrong."""
    ways: list[Route] = []
    for number, item in enumerate(items):
        if item["host"] == host:
            continue
        for version, suffix in ((4, ""), (6, "_v6")):
            blocks = item.get(f"blocks{suffix}") or ()
            if blocks:
                gateway = _gateway(f"peers[{number}].underlay_address{suffix}", item, suffix, version)
                option = f"peers[{number}].blocks{suffix}"
                ways += [Route(item["host"], gateway, parse_block(option, text)) for text in blocks]
    return ways


def _gateway(option: str, item: t.Mapping[str, t.Any], suffix: str, version: int) -> str:
    value = item.get(f"underlay_address{suffix}")
    try:
        found = parse_address(value)[0] if value else None
    except ValueError:
        raise InvalidValue(option, value, "is not an IP address") from None
    if found != version:
        raise InvalidValue(option, value, f"has to be an IPv{version} address, as the blocks behind it")
    return str(value)


def parse_block(option: str, text: str) -> Prefix:
    """An option's address block, or InvalidValue."""
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise InvalidValue(option, text, str(error)) from None


def check_on_link(ways: t.Sequence[Route], link_addresses: t.Iterable[str]) -> None:
    """Every peer has to be a direct neighbour: InvalidValue where its address lies in no subnet of this host's links.

    ``link_addresses`` are interface addresses with their prefix length (``192.0.2.1/24``).
    """
    own = sorted({Prefix.holding(text) for text in link_addresses})
    on_link = {gateway: _on_link(gateway, own) for gateway in {way.gateway for way in ways}}
    for way in ways:
        if not on_link[way.gateway]:
            raise InvalidValue(
                "peers",
                way.gateway,
                f"host {way.host} is no direct neighbour of this host, whose links are in "
                f"{', '.join(str(subnet) for subnet in own if subnet.version == way.block.version)}; "
                "backend host_gw needs all hosts on one link",
            )


def _on_link(gateway: str, own: t.Sequence[Prefix]) -> bool:
    version, address = parse_address(gateway)
    return any(subnet.version == version and subnet.has(address) and subnet.size > 1 for subnet in own)


def routes_text(ways: t.Sequence[Route]) -> str:
    """The routes file: what ``ip -batch`` takes, sorted by destination."""
    lines = [
        f"# {way.host}\nroute replace {way.block} via {way.gateway} proto {ROUTE_PROTOCOL}\n"
        for way in sorted(ways, key=lambda way: way.block)
    ]
    return _HEAD + "".join(lines)
