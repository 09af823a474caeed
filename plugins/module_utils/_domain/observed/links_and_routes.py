# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Parse interfaces and routes as iproute2 reports them. Pure.

The structures are dictionaries (TypedDict), as in host.py.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import (
    address_or_none,
    interface_or_none,
    number_or_none,
    reads,
    text_or_none,
)

Json = t.Dict[str, t.Any]

TABLE_MAIN = 254
TABLE_LOCAL = 255

# rtnetlink's route types, which `ip -N` prints as numbers (include/uapi/linux/rtnetlink.h).
_ROUTE_TYPES = {
    "0": "unspec",
    "1": "unicast",
    "2": "local",
    "3": "broadcast",
    "4": "anycast",
    "5": "multicast",
    "6": "blackhole",
    "7": "unreachable",
    "8": "prohibit",
    "9": "throw",
    "10": "nat",
}


class LinkReport(t.TypedDict):
    name: str
    index: int
    kind: str | None
    mtu: int
    state: str
    master: str | None
    mac: str | None
    addresses: list[str]


class RouteReport(t.TypedDict):
    destination: str
    gateway: str | None
    device: str | None
    protocol: int | str
    table: int
    type: str
    metric: int | None


@reads("ip address show")
def parse_links(links: t.Sequence[Json]) -> list[LinkReport]:
    """Parse ``ip -json -details address show``, sorted by index."""
    return sorted((_link(link) for link in links), key=lambda link: link["index"])


def _link(link: Json) -> LinkReport:
    return {
        "name": link["ifname"],
        "index": link["ifindex"],
        "kind": (link.get("linkinfo") or {}).get("info_kind"),
        "mtu": link["mtu"],
        "state": str(link.get("operstate") or "UNKNOWN").lower(),
        "master": link.get("master"),
        "mac": link.get("address"),
        "addresses": [address for address in map(_address, link["addr_info"]) if address is not None],
    }


def _address(entry: Json) -> str | None:
    return interface_or_none(entry.get("local"), entry.get("prefixlen"))


@reads("ip route show")
def parse_routes(routes: t.Sequence[Json], family: int) -> list[RouteReport]:
    """Parse ``ip -N -json -details -4|-6 route show table all`` without the local table, in the kernel's order.

    ``family`` is 4 or 6. A route with several next hops gives one entry for each.
    """
    return [entry for route in routes if _table(route) != TABLE_LOCAL for entry in _route(route, family)]


def _table(route: Json) -> int:
    return int(route.get("table", TABLE_MAIN))


def _route(route: Json, family: int) -> t.Iterator[RouteReport]:
    kind = str(route.get("type", "1"))
    protocol = str(route.get("protocol", "0"))
    for hop in route.get("nexthops") or [route]:
        via = hop.get("via") or {}  # a next hop of the other family
        yield {
            "destination": _destination(route["dst"], family),
            "gateway": address_or_none(hop.get("gateway") or via.get("host")),
            "device": text_or_none(hop.get("dev")),
            "protocol": int(protocol) if protocol.isdigit() else protocol,
            "table": _table(route),
            "type": _ROUTE_TYPES.get(kind, kind),
            "metric": number_or_none(route.get("metric")),
        }


def _destination(text: str, family: int) -> str:
    if text == "default":
        return "0.0.0.0/0" if family == 4 else "::/0"
    return str(ipaddress.ip_network(str(text)))
