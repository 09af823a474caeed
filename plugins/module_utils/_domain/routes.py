# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to the other hosts of the fleet (backend host_gw): one for each block, by way of its underlay address."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.host_files import ROUTE_PROTOCOL

_HEAD = """\
# Written by fleetnet.docker: routes to the other hosts' blocks, for ip -batch.
"""


class Peer(t.NamedTuple):
    """Another host: its name, its address for us, and the blocks behind it."""

    host: str
    underlay_address: str
    blocks: tuple[Prefix, ...]


def parse_peers(items: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[Peer]:
    """The peers of ``host`` from the fleet's list, itself left out; InvalidValue names the entry that is wrong."""
    peers: list[Peer] = []
    for number, item in enumerate(items):
        if item["host"] == host:
            continue
        try:
            version = parse_address(item["underlay_address"])[0]
        except ValueError:
            raise InvalidValue(
                f"peers[{number}].underlay_address", item["underlay_address"], "is not an IP address"
            ) from None
        if version != 4:
            raise InvalidValue(
                f"peers[{number}].underlay_address", item["underlay_address"], "has to be IPv4, as the blocks behind it"
            )
        blocks = tuple(parse_block(f"peers[{number}].blocks", text) for text in item["blocks"])
        peers.append(Peer(item["host"], item["underlay_address"], blocks))
    return peers


def parse_block(option: str, text: str) -> Prefix:
    """An option's address block, or InvalidValue."""
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise InvalidValue(option, text, str(error)) from None


def check_on_link(peers: t.Sequence[Peer], link_addresses: t.Iterable[str]) -> None:
    """Every peer has to be a direct neighbour: InvalidValue where its address lies in no subnet of this host's links.

    ``link_addresses`` are interface addresses with their prefix length (``192.0.2.1/24``).
    """
    subnets = {ipaddress.ip_interface(text).network for text in link_addresses}
    own = sorted({Prefix(net.version, int(net.network_address), net.prefixlen) for net in subnets if net.version == 4})
    for peer in peers:
        address = parse_address(peer.underlay_address)[1]
        if not any(subnet.has(address) and subnet.length < 32 for subnet in own):
            raise InvalidValue(
                "peers",
                peer.underlay_address,
                f"host {peer.host} is no direct neighbour of this host, whose links are in "
                f"{', '.join(str(subnet) for subnet in own)}; backend host_gw needs all hosts on one link",
            )


def routes_text(peers: t.Sequence[Peer]) -> str:
    """The routes file: what ``ip -batch`` takes, sorted by destination."""
    routes = sorted((block, peer.underlay_address, peer.host) for peer in peers for block in peer.blocks)
    lines = [f"# {host}\nroute replace {block} via {via} proto {ROUTE_PROTOCOL}\n" for block, via, host in routes]
    return _HEAD + "".join(lines)
