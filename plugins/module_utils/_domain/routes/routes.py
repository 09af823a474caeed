# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to the other hosts of the fleet: one per block, through the underlay address of its host."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    parse_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FOLDER

ROUTES_FILE = f"{FOLDER}/routes"

_HEAD = """\
# Written by fleetnet.docker: routes to the other hosts' blocks, for ip -batch.
"""


class Route(t.NamedTuple):
    """The route to a block of another host: the host's name, its address as gateway, and the block. One IP version."""

    host: str
    gateway: str
    block: Prefix


def parse_peers(items: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[Route]:
    """Return the routes to all peers but ``host`` itself. Raises InvalidValue if an entry is invalid."""
    routes: list[Route] = []
    for number, item in enumerate(items):
        if item["host"] == host:
            continue
        for version, suffix in ((4, ""), (6, "_v6")):
            blocks = item.get(f"blocks{suffix}") or ()
            if blocks:
                gateway = _gateway(f"peers[{number}].underlay_address{suffix}", item, suffix, version)
                option = f"peers[{number}].blocks{suffix}"
                routes += [Route(item["host"], gateway, parse_block(option, text)) for text in blocks]
    return routes


def _gateway(option: str, item: t.Mapping[str, t.Any], suffix: str, version: int) -> str:
    value = item.get(f"underlay_address{suffix}")
    try:
        found = parse_address(value)[0] if value else None
    except ValueError:
        raise InvalidValue(option, value, "is not a valid IP address") from None
    if found != version:
        raise InvalidValue(option, value, f"must be an IPv{version} address, like the blocks behind it")
    return str(value)


def check_on_link(routes: t.Sequence[Route], link_addresses: t.Iterable[str]) -> None:
    """Raise InvalidValue if a gateway is not in a subnet of this host's interfaces.

    ``link_addresses`` are interface addresses with their prefix length (``192.0.2.1/24``).
    """
    own = sorted({Prefix.holding(text) for text in link_addresses})
    on_link = {gateway: _on_link(gateway, own) for gateway in {route.gateway for route in routes}}
    for route in routes:
        if not on_link[route.gateway]:
            subnets = ", ".join(str(subnet) for subnet in own if subnet.version == route.block.version)
            raise InvalidValue(
                "peers",
                route.gateway,
                f"host {route.host} is not a direct neighbor of this host, whose interfaces are in {subnets}. "
                "Backend host_gw requires all hosts on one L2 segment",
            )


def _on_link(gateway: str, own: t.Sequence[Prefix]) -> bool:
    version, address = parse_address(gateway)
    return any(subnet.version == version and subnet.has(address) and subnet.size > 1 for subnet in own)


def routes_text(routes: t.Sequence[Route]) -> str:
    """The routes file for ``ip -batch``, sorted by destination."""
    lines = [
        f"# {route.host}\nroute replace {route.block} via {route.gateway} proto {ROUTE_PROTOCOL}\n"
        for route in sorted(routes, key=lambda route: route.block)
    ]
    return _HEAD + "".join(lines)
