# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to peers: the routes file, and the peers that are rejected."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import (
    check_on_link,
    parse_peers,
    routes_text,
)


def peer(host="h2", underlay_address="192.0.2.2", blocks=("10.64.16.0/20",)):
    return {"host": host, "underlay_address": underlay_address, "link": "default", "blocks": list(blocks)}


def test_one_route_per_block_sorted_by_destination_without_the_host_itself():
    peers = [peer("h3", "192.0.2.3", ["10.64.32.0/20", "172.30.1.0/24"]), peer(), peer("h1", "192.0.2.1")]
    text = routes_text(parse_peers(peers, "h1"))
    assert [line for line in text.splitlines() if line.startswith("route")] == [
        "route replace 10.64.16.0/20 via 192.0.2.2 proto 213",
        "route replace 10.64.32.0/20 via 192.0.2.3 proto 213",
        "route replace 172.30.1.0/24 via 192.0.2.3 proto 213",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (peer(underlay_address="h2"), "peers[0].underlay_address: 'h2': is not a valid IP address."),
        (
            peer(underlay_address="fd00::2"),
            "peers[0].underlay_address: 'fd00::2': must be an IPv4 address, like the blocks behind it.",
        ),
        (
            peer(blocks=["10.64.16.1/20"]),
            "peers[0].blocks: '10.64.16.1/20': has host bits set. Use 10.64.16.0/20.",
        ),
    ],
)
def test_bad_peer(entry, message):
    with pytest.raises(InvalidValue) as caught:
        parse_peers([entry], "h1")
    assert str(caught.value) == message


def test_ipv6_blocks_have_an_ipv6_gateway():
    dual = {**peer(), "underlay_address_v6": "fd00::2", "blocks_v6": ["fd64:0:0:10::/60"]}
    routes = parse_peers([dual], "h1")
    assert [f"{route.block} via {route.gateway}" for route in routes] == [
        "10.64.16.0/20 via 192.0.2.2",
        "fd64:0:0:10::/60 via fd00::2",
    ]
    check_on_link(routes, ["192.0.2.1/24", "fd00::1/64"])
    with pytest.raises(
        InvalidValue, match="'fd00::2': host h2 is not a direct neighbor of this host, whose interfaces are in "
    ):
        check_on_link(routes, ["192.0.2.1/24", "fe80::1/64"])
    with pytest.raises(InvalidValue, match=r"underlay_address_v6: None: must be an IPv6 address"):
        parse_peers([{**dual, "underlay_address_v6": None}], "h1")


def test_a_peer_must_be_a_direct_neighbor():
    peers = parse_peers([peer()], "h1")
    check_on_link(peers, ["127.0.0.1/8", "192.0.2.1/24", "fe80::1/64"])
    with pytest.raises(InvalidValue) as caught:
        check_on_link(peers, ["127.0.0.1/8", "198.51.100.1/24"])
    assert str(caught.value) == (
        "peers: '192.0.2.2': host h2 is not a direct neighbor of this host, whose interfaces are in 127.0.0.0/8, "
        "198.51.100.0/24. Backend host_gw requires all hosts on one L2 segment."
    )
