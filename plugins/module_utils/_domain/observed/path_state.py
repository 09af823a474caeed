# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse what else decides about packets on a host: routing rules, bridge ports, queues, connections, listeners. Pure.

The structures are dictionaries (TypedDict), as in host.py.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import RouteReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import (
    block_or_none,
    number_or_none,
    reads,
    text_or_none,
)

Json = t.Dict[str, t.Any]

# Actions of routing rules, which `ip -N` prints as numbers (include/uapi/linux/fib_rules.h).
_ACTIONS = {"6": "blackhole", "7": "unreachable", "8": "prohibit"}
# What a rule may depend on besides addresses, the incoming interface and the mark.
_OTHER_SELECTORS = ("not", "ipproto", "sport", "dport", "oif", "tos", "uid_start", "tun_id", "l3mdev", "goto")
_PROCESS = re.compile(r'"([^"]*)",pid=(\d+)')
_PROTOCOLS = ("tcp", "udp")
# These queueing disciplines drop packets because they are configured to. Others do so if a link is too slow.
_DROPPING = ("netem", "tbf", "htb", "blackhole", "ingress", "clsact", "plug")


class RoutingRuleReport(t.TypedDict):
    """A rule of ``ip rule``. ``other`` is True if it depends on more than what is read here."""

    version: int
    priority: int
    source: str | None
    destination: str | None
    incoming: str | None
    mark: int | None
    mask: int | None
    table: int | None
    action: str | None
    other: bool


class BridgePortReport(t.TypedDict):
    name: str
    bridge: str
    state: str
    isolated: bool


class QueueReport(t.TypedDict):
    """A queueing discipline. ``lost`` are the packets that it dropped, None if unknown."""

    link: str
    kind: str
    handle: str
    lost: int | None


class ListenerReport(t.TypedDict):
    protocol: str
    address: str
    port: int
    process: str
    pid: int


class ConnectionsReport(t.TypedDict):
    """Connection tracking. ``lost`` are the packets that it dropped; all are None if unknown."""

    count: int | None
    most: int | None
    lost: int | None


class ChainReport(t.TypedDict):
    """A base chain that filters, as ``nft`` lists it."""

    table: str
    name: str
    hook: str
    device: str | None
    policy: str
    rules: list[str]


class PathState(t.TypedDict):
    """What decides about packets on a host besides its rules for IP."""

    routing_rules: list[RoutingRuleReport]
    routes: list[RouteReport]
    bridge_ports: list[BridgePortReport]
    disabled_bridges: list[str]
    forwarding: dict[str, bool]
    connections: ConnectionsReport
    queues: list[QueueReport]
    frame_chains: list[ChainReport]
    listeners: list[ListenerReport]


class LookupReport(t.TypedDict, total=False):
    """What ``ip route get`` prints, or its error."""

    destination: str
    error: str
    type: str
    gateway: str
    dev: str


class NeighbourReport(t.TypedDict):
    """An entry of a neighbour table, as ``ip neigh`` prints it."""

    dst: str


class NamespaceReport(t.TypedDict):
    """What decides about packets in the network namespace of a container."""

    container: str
    chains: list[ChainReport]
    embedded_dns: bool
    neighbours: list[NeighbourReport]
    queues: list[QueueReport]
    lookups: list[LookupReport]


@reads("ip rule show")
def parse_routing_rules(rules: t.Sequence[Json], version: int) -> list[RoutingRuleReport]:
    """Parse ``ip -N -json -4|-6 rule show``, in the kernel's order."""
    return [
        {
            "version": version,
            "priority": int(rule["priority"]),
            "source": _block(rule, "src"),
            "destination": _block(rule, "dst"),
            "incoming": text_or_none(rule.get("iif")),
            "mark": _mark(rule.get("fwmark")),
            "mask": _mark(rule.get("fwmask")),
            "table": number_or_none(rule.get("table")),
            "action": _ACTIONS.get(str(rule.get("action")), text_or_none(rule.get("action"))),
            "other": any(key in rule for key in _OTHER_SELECTORS),
        }
        for rule in rules
    ]


def _block(rule: Json, key: str) -> str | None:
    if rule.get(key) in (None, "all"):
        return None
    length = rule.get(f"{key}len")
    return block_or_none(rule[key] if length is None else f"{rule[key]}/{length}")


def _mark(value: object) -> int | None:
    return int(str(value), 0) if value is not None else None


@reads("bridge link show")
def parse_bridge_ports(ports: t.Sequence[Json]) -> list[BridgePortReport]:
    """Parse ``bridge -json -details link show``."""
    return [
        {
            "name": str(port["ifname"]),
            "bridge": str(port["master"]),
            "state": str(port.get("state", "forwarding")),
            "isolated": bool(port.get("isolated", False)),
        }
        for port in ports
        if port.get("master")
    ]


@reads("ip link show type bridge")
def parse_disabled_bridges(bridges: t.Sequence[Json]) -> list[str]:
    """Parse ``ip -json link show type bridge``: the bridges that are set down.

    An enabled bridge is down, too, if none of its ports forwards.
    """
    return [str(bridge["ifname"]) for bridge in bridges if bridge and "UP" not in bridge["flags"]]


@reads("tc qdisc show")
def parse_queues(queues: t.Sequence[Json]) -> list[QueueReport]:
    """Parse ``tc -s -json qdisc show``: queueing disciplines that can drop packets by their configuration."""
    return [
        {
            "link": str(queue["dev"]),
            "kind": str(queue["kind"]),
            "handle": str(queue.get("handle", "")),
            "lost": number_or_none(queue.get("drops")),
        }
        for queue in queues
        if queue["kind"] in _DROPPING
    ]


def lost_since(queues: t.Sequence[QueueReport], before: t.Mapping[str, int]) -> list[QueueReport]:
    """The queues with what they dropped since they had dropped ``before`` (by :func:`queue_key`)."""
    found: list[QueueReport] = []
    for queue in queues:
        lost = queue["lost"]
        found.append({**queue, "lost": None if lost is None else max(0, lost - before.get(queue_key(queue), 0))})
    return found


def queue_key(queue: QueueReport) -> str:
    return f"{queue['link']} {queue['kind']} {queue['handle']}"


@reads("/proc/net/stat/nf_conntrack")
def parse_dropped_connections(text: str) -> int:
    """The packets that connection tracking dropped, of all processors; 0 if the kernel tracks none."""
    lines = [line.split() for line in text.splitlines()]
    if not lines or "drop" not in lines[0]:
        return 0
    column = lines[0].index("drop")
    return sum(int(words[column], 16) for words in lines[1:] if words)


@reads("ss")
def parse_listeners(text: str) -> list[ListenerReport]:
    """Parse ``ss -Hlntup``: the processes that listen for TCP and UDP."""
    found: list[ListenerReport] = []
    for line in text.splitlines():
        words = line.split(None, 6)
        process = _PROCESS.search(words[6]) if len(words) > 6 else None
        if len(words) < 5 or words[0] not in _PROTOCOLS or process is None:
            continue
        address, _colon, port = words[4].rpartition(":")
        address = address.partition("%")[0].strip("[]")
        found.append(
            {
                "protocol": words[0],
                "address": address,
                "port": int(port),
                "process": process[1],
                "pid": int(process[2]),
            }
        )
    return found


@reads("ip route get")
def only_route(routes: t.Any) -> Json:
    """The route that ``ip -json route get`` prints."""
    (route,) = routes
    return dict(route)


@reads("ip neigh show")
def parse_neighbours(entries: t.Any) -> list[Json]:
    """The entries that ``ip -json neigh show`` prints."""
    return [dict(each) for each in entries]
