# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what else decides about packets on a host, and in the network namespaces of its containers.

All lists are bounded: a host has thousands of routes and ports at most, and evidence about a few flows needs fewer.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import ContainerReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.path_state import (
    PathState,
    QueueReport,
    lost_since,
    only_route,
    parse_bridge_ports,
    parse_disabled_bridges,
    parse_dropped_connections,
    parse_listeners,
    parse_neighbours,
    parse_queues,
    parse_routing_rules,
    queue_key,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import number_or_none
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import parse_chains
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import (
    Namespace,
    NamespaceGone,
    own_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import (
    CommandFailed,
    Commands,
    run_json,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import read_routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules

Json = t.Dict[str, t.Any]

_MOST = 2000  # of routes, rules, ports and listeners
_MOST_RULES = 500  # of a chain
_MOST_NAMESPACES = 32
_MOST_DESTINATIONS = 8  # of a container
_NAME_SERVER = "127.0.0.11"
_FRAMES = ("bridge", "netdev", "arp")
_PACKETS = ("ip", "ip6", "inet")
# Neighbors of IPv6 resolve addresses by ICMP: its rules at these hooks.
_RESOLVES_IPV6, _OWN_PACKETS = ("ip6", "inet"), ("prerouting", "input", "output", "postrouting")


def read_counters(commands: Commands, root: str = "/") -> Json:
    """The counters of dropped packets, whose increase :func:`read_path_state` returns."""
    return {
        "queues": {queue_key(queue): queue["lost"] or 0 for queue in _queues(commands)},
        "connections": _dropped_connections(root),
    }


def read_path_state(commands: Commands, before: Json | None, root: str = "/") -> PathState:
    """What decides about packets on the host besides its rules for IP. ``before`` are the counters at the start."""
    queues = _queues(commands)
    chains = parse_chains(_ruleset(commands), (*_FRAMES, *_RESOLVES_IPV6), _MOST_RULES)
    return {
        "routing_rules": [
            rule
            for version in (4, 6)
            for rule in parse_routing_rules(
                _json(commands, "ip", "-N", "-json", f"-{version}", "rule", "show"), version
            )
        ][:_MOST],
        "routes": read_routes(commands)[:_MOST],
        "bridge_ports": parse_bridge_ports(_json(commands, "bridge", "-json", "-details", "link", "show"))[:_MOST],
        "disabled_bridges": parse_disabled_bridges(_json(commands, "ip", "-json", "link", "show", "type", "bridge"))[
            :_MOST
        ],
        "forwarding": _forwarding(root),
        "connections": {
            "count": _number(root, "net/netfilter/nf_conntrack_count"),
            "most": _number(root, "net/netfilter/nf_conntrack_max"),
            "lost": None if before is None else max(0, _dropped_connections(root) - before["connections"]),
        },
        "queues": [] if before is None else lost_since(queues, before["queues"])[:_MOST],
        "frame_chains": [chain.to_data() for chain in chains if chain.family in _FRAMES or chain.hook in _OWN_PACKETS],
        "listeners": _listeners(commands)[:_MOST],
    }


def read_namespaces(
    commands: Commands, containers: t.Sequence[ContainerReport], destinations: t.Mapping[str, t.Sequence[str]]
) -> list[Json]:
    """What decides about packets in the namespaces of containers: ``destinations`` by the name of the container."""
    found: list[Json] = []
    for container in containers:
        if container["name"] not in destinations or container["pid"] is None or len(found) >= _MOST_NAMESPACES:
            continue
        try:
            namespace = Namespace.of_process(container["pid"])
        except NamespaceGone:
            continue
        with contextlib.closing(namespace):
            if namespace.id == own_id():
                continue
            # Programs of the host run in the namespace; nothing of the container runs.
            with namespace.entered():
                inside = _read_namespace(commands, destinations[container["name"]])
        found.append({"container": container["name"], **inside})
    return found


def _read_namespace(commands: Commands, destinations: t.Sequence[str]) -> Json:
    ruleset = _ruleset(commands)
    dns = _NAME_SERVER in ruleset or any(_NAME_SERVER in line for line in list_rules(commands, 4, "nat"))
    return {
        "chains": [chain.to_data() for chain in parse_chains(ruleset, _PACKETS, _MOST_RULES)],
        "embedded_dns": dns,
        "neighbours": read_neighbours(commands)[:_MOST],
        "queues": _queues(commands)[:_MOST],
        "lookups": [
            {"destination": destination, **route_get(commands, destination)}
            for destination in destinations[:_MOST_DESTINATIONS]
        ],
    }


def read_neighbours(commands: Commands) -> list[Json]:
    """The neighbour table of the current namespace, as ``ip neigh`` reports it."""
    return parse_neighbours(run_json(commands, "ip", "-json", "neigh", "show"))


def route_get(commands: Commands, *arguments: str) -> Json:
    """The output of ``ip route get``, or ``error``."""
    try:
        return only_route(run_json(commands, "ip", "-json", "route", "get", *arguments))
    except CommandFailed as failure:
        return {"error": failure.output.partition("\n")[0].replace("RTNETLINK answers: ", "")}


def _ruleset(commands: Commands) -> str:
    program = commands.find("nft")
    with contextlib.suppress(CommandFailed):
        return commands.run(program, "-s", "list", "ruleset") if program else ""
    return ""


def _json(commands: Commands, *argv: str) -> list[t.Any]:
    """What a program prints; nothing if the host does not have it, or its version lacks an option."""
    if commands.find(argv[0]) is None:
        return []
    with contextlib.suppress(CommandFailed):
        listed = run_json(commands, *argv)
        return listed if isinstance(listed, list) else []
    return []


def _queues(commands: Commands) -> list[QueueReport]:
    return parse_queues(_json(commands, "tc", "-s", "-json", "qdisc", "show"))


def _listeners(commands: Commands) -> list[t.Any]:
    if commands.find("ss") is None:
        return []
    with contextlib.suppress(CommandFailed):
        return list(parse_listeners(commands.run("ss", "-Hlntup")))
    return []


def _forwarding(root: str) -> dict[str, bool]:
    """Whether interfaces forward IPv4. For IPv6 the kernel forwards on all interfaces or none."""
    folder = os.path.join(root, "proc/sys/net/ipv4/conf")
    names = sorted(os.listdir(folder))[:_MOST] if os.path.isdir(folder) else []
    found = {name: _number(root, f"net/ipv4/conf/{name}/forwarding") for name in names}
    return {name: value != 0 for name, value in found.items() if value is not None}


def _number(root: str, name: str) -> int | None:
    return number_or_none((read_text(os.path.join(root, "proc/sys", name)) or "").strip())


def _dropped_connections(root: str) -> int:
    return parse_dropped_connections(read_text(os.path.join(root, "proc/net/stat/nf_conntrack")) or "")


def parse_counters(text: str | None) -> Json | None:
    """Parse the counters that were saved at the start; None if the file is missing or invalid."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"queues", "connections"} <= set(found) else None
