# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of two hosts without faults, and damage to it."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ADDRESS,
    CONTENT,
    DIFFERENT,
    ROUTE,
    STATE,
    SYSCTL,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

WEB1, WEB2 = Endpoint("h1", "web", "web", "10.64.1.2"), Endpoint("h2", "web", "web", "10.64.17.2")
UNDERLAY = {"h1": "192.0.2.1", "h2": "192.0.2.2"}
C, K = CauseKind, VerdictKind
OURS = Difference(TABLE, "ip fleetnet", CONTENT, None, DIFFERENT)
UNSET = Difference(ADDRESS, "10.64.17.1/24 dev fn-web", STATE, "present", None)
LOST = Difference(ROUTE, "10.64.16.0/20 via 192.0.2.2", STATE, "present", None)
SWITCH = Difference(SYSCTL, "net.ipv4.ip_forward", "value", "1", "0")


def step(table: str, chain: str, rule: str, verdict: str, oif: str | None = None) -> dict[str, t.Any]:
    return {"table": table, "chain": chain, "rule": rule, "verdict": verdict, "iif": "fn-web", "oif": oif}


PASSED = [step("ip fleetnet", "allowed", "accept", "accept", "eth0")]


def link(name: str, mac: str, kind: str | None = None, master: str | None = None, *addresses: str) -> dict[str, t.Any]:
    return {"name": name, "mac": mac, "kind": kind, "master": master, "mtu": 1500, "state": "up",
            "addresses": list(addresses)}  # fmt: skip


STATE: dict[str, t.Any] = {
    "routing_rules": [], "routes": [], "bridge_ports": [], "disabled_bridges": [], "forwarding": {}, "queues": [],
    "frame_chains": [], "listeners": [], "connections": {"count": 1, "most": 100, "lost": 0},
}  # fmt: skip


def good(end: Endpoint, other: Endpoint) -> dict[str, t.Any]:
    """Evidence of a host without faults."""
    gateway = end.address.rpartition(".")[0] + ".1"
    flows = [
        {"source": end.address, "destination": other.address, "steps": PASSED,
         "lookup": {"dst": other.address, "gateway": UNDERLAY[other.host], "dev": "eth0", "iif": "fn-web"}},
        {"source": other.address, "destination": end.address, "steps": PASSED,
         "lookup": {"dst": end.address, "dev": "fn-web", "iif": "eth0"}},
    ]  # fmt: skip
    interface = {
        "name": "eth0", "mac": f"aa:{end.host}", "mtu": 1500, "state": "up", "addresses": [f"{end.address}/24"],
        "gateway": gateway, "peer": "veth1", "bridge": "fn-web",
    }  # fmt: skip
    networks = [{"network": "web", "gateway": gateway}]
    return {
        "flows": flows,
        "checks": [],
        "neighbours": [
            {"dst": UNDERLAY[other.host], "lladdr": f"02:{other.host}", "state": ["REACHABLE"]},
            {"dst": end.address, "lladdr": f"aa:{end.host}", "state": ["REACHABLE"]},
        ],
        "state": copy.deepcopy(STATE),
        "namespaces": [
            {
                "container": "web",
                "chains": [],
                "embedded_dns": True,
                "queues": [],
                "neighbours": [{"dst": gateway, "lladdr": "02:b", "state": ["REACHABLE"]}],
                "lookups": [{"destination": other.address, "gateway": gateway, "dev": "eth0"}],
            },
        ],
        "network_info": {
            "networks": [{"name": "web", "bridge": "fn-web"}],
            "containers": [{"name": "web", "networks": networks, "interfaces": [interface]}],
            "links": [
                link("eth0", f"02:{end.host}", None, None, f"{UNDERLAY[end.host]}/24"),
                link("fn-web", "02:b", "bridge", None, f"{gateway}/24"),
                link("veth1", "02:c", "veth", "fn-web"),
            ],
            "forwarding": {"ipv4": True, "ipv6": False},
            "firewall": {"owned": True, "tables": ["ip fleetnet", "ip filter"]},
        },
    }


def there(data: dict[str, t.Any]) -> dict[str, t.Any]:
    """The flow from h1 to h2."""
    (found,) = (flow for flow in data["flows"] if flow["source"] == WEB1.address)
    return t.cast("dict[str, t.Any]", found)


def interface(data: dict[str, t.Any]) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", data["network_info"]["containers"][0]["interfaces"][0])


def links(data: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    return {each["name"]: each for each in data["network_info"]["links"]}


def find_causes(
    kind: VerdictKind, packet: int | None = None, **damage: t.Callable[[dict[str, t.Any]], object]
) -> list[Cause]:
    """The causes that are found if hosts (h1, h2) are damaged so."""
    return list(find(kind, packet, **damage).causes)


def find(kind: VerdictKind, packet: int | None = None, **damage: t.Callable[[dict[str, t.Any]], object]) -> Explanation:
    """The explanation if hosts (h1, h2) are damaged so."""
    evidence = {host: Evidence.from_data(data) for host, data in damaged(**damage).items()}
    return explain(verdict_of(kind, WEB1, WEB2, packet), evidence)


def verdict_of(kind: VerdictKind, source: Endpoint, target: Endpoint, packet: int | None = None) -> Verdict:
    return Verdict(Probe(source, target, "icmp", None, 0, "a line", packet), kind)


def differs(*differences: Difference) -> t.Callable[[dict[str, t.Any]], object]:
    """The host differs from its plan."""
    return lambda data: data["checks"].extend(each.to_data() for each in differences)


def both(*damage: t.Callable[[dict[str, t.Any]], object]) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: [each(data) for each in damage]


def damaged(**damage: t.Callable[[dict[str, t.Any]], object]) -> dict[str, dict[str, t.Any]]:
    hosts = {"h1": copy.deepcopy(good(WEB1, WEB2)), "h2": copy.deepcopy(good(WEB2, WEB1))}
    for host, do in damage.items():
        do(hosts[host])
    return hosts


# Values of IPv4, and those of IPv6 in their place.
IN_IPV6 = {
    "10.64.1.": "fd00:64:0:1::", "10.64.17.": "fd00:64:0:17::", "10.64.16.": "fd00:64:0:16::",
    "192.0.2.": "2001:db8::", "/24": "/64", "/32": "/128",
    "ip fleetnet": "ip6 fleetnet", "ip filter": "ip6 filter", "ip raw": "ip6 raw",
    "ip saddr": "ip6 saddr", "net.ipv4.ip_forward": "net.ipv6.conf.all.forwarding",
    "ARP": "neighbor solicitations",
}  # fmt: skip
SWAPPED = {"ipv4": "ipv6", "ipv6": "ipv4", "24": "64"}


def in_ipv6(value: t.Any) -> t.Any:
    """The same for IPv6."""
    if isinstance(value, str):
        for one, other in IN_IPV6.items():
            value = value.replace(one, other)
        return SWAPPED.get(value, value)
    if isinstance(value, dict):
        # An interface of a container has a gateway per version, a route only one.
        renamed = {"gateway": "gateway_v6" if "peer" in value else "ipv6_gateway" if "network" in value else "gateway"}
        return {renamed.get(key, in_ipv6(key)): in_ipv6(each) for key, each in value.items()}
    return [in_ipv6(each) for each in value] if isinstance(value, list) else value


def drop(table: str, chain: str, rule: str) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: there(data).update(steps=[step(table, chain, rule, "drop", "eth0")])


def no_forward(**lookup: t.Any) -> t.Callable[[dict[str, t.Any]], object]:
    """The packet arrives and is not forwarded."""
    return lambda data: there(data).update(steps=[step("ip nat", "PREROUTING", "", "accept")], lookup=lookup)


def rp_filter(**values: int) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: data["network_info"]["forwarding"].update(rp_filter=values)


TO = {"destination": WEB2.address}
WEB = {"container": "web", "interface": "eth0"}
VETH = {"container": "web", "interface": "veth1", "bridge": "fn-web"}


def rule(table: str, chain: str, text: str) -> dict[str, str]:
    return {"table": table, "chain": chain, "rule": text}
