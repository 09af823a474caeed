# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets for the topology's tests: a real plan, with reports and verdicts of its hosts, and damage."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import peers, slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import (
    CoverageFile,
    parse_coverage,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage_report import coverage_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import MOST_PAIRS, make_probes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.text import entry
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, judge

from ..planning import plan_of

Data = dict[str, t.Any]

TWO_NETWORKS: Data = {"networks": ["web", "db"], "policy": [{"from": "web", "to": "db", "ports": [5432]}]}


class Fleet:
    """Hosts ``h1``, ``h2`` ... of a declaration, with ``containers`` on each host, in turn on each network. Damage
    changes its reports and the results of its probes."""

    def __init__(self, hosts: int = 3, containers: int = 2, declared: Data | None = None) -> None:
        plan = plan_of(
            {"supernet": "10.64.0.0/10", **(declared or TWO_NETWORKS)},
            {f"h{number}": {"ansible_host": f"198.51.100.{number}", "link": "l1"} for number in range(1, hosts + 1)},
        )
        self.policy = plan.policy
        self.hosts = slices(plan)
        self.peers = peers(plan)
        self.reports = {name: _report(part, self.peers, name, containers) for name, part in self.hosts.items()}
        self.leaks: set[tuple[str, str]] = set()

    # --- damage -------------------------------------------------------------------------------------------------------

    def delete_route(self, host: str, towards: str) -> None:
        block = self.hosts[towards]["block"]
        routes = self.reports[host]["routes"]
        routes[:] = [route for route in routes if route["destination"] != block]

    def leak(self, source: str, target: str) -> None:
        """All packets from a host's containers to another host's pass, declared or not."""
        self.leaks.add((source, target))

    def remove_network(self, host: str, name: str) -> None:
        report = self.reports[host]
        report["networks"] = [item for item in report["networks"] if item["name"] != name]
        report["containers"] = [item for item in report["containers"] if item["networks"][0]["network"] != name]

    def add_network(self, host: str, name: str, subnet: str) -> None:
        self.reports[host]["networks"].append(_network(name, [{"subnet": subnet, "gateway": None}], managed=False))

    def stop_container(self, host: str, name: str) -> None:
        report = self.reports[host]
        report["containers"] = [item for item in report["containers"] if item["name"] != name]

    def network(self, host: str, name: str) -> Data:
        return next(item for item in self.reports[host]["networks"] if item["name"] == name)

    def container(self, host: str, name: str) -> Data:
        return next(item for item in self.reports[host]["containers"] if item["name"] == name)

    # --- verification -------------------------------------------------------------------------------------------------

    def verdicts(self, most: int = 3, pairs: int = MOST_PAIRS) -> list[Data]:
        """The entries of ``reachability.json``, for at most ``most`` containers per network and host."""
        return [entry(verdict) for verdict in self._judged(most, pairs)]

    def coverage(self, most: int = 3, pairs: int = MOST_PAIRS) -> CoverageFile:
        """The document ``coverage.json`` of the same verification."""
        endpoints = find_endpoints(self.policy, self.reports, most)
        found = measure(self.policy, endpoints, self._judged(most, pairs))
        return parse_coverage({**found.to_data(), "text": coverage_lines(found)})

    def _judged(self, most: int, pairs: int) -> list[Verdict]:
        found = []
        for probe in make_probes(self.policy, find_endpoints(self.policy, self.reports, most), pairs):
            passes = self._passes(probe)
            outcome = {"outcome": "reply" if passes else "timeout", "reached": passes, "detail": None}
            found.append(judge(probe, outcome, [probe.source.address] if passes else []))
        return found

    def _passes(self, probe: Probe) -> bool:
        ends = probe.source.host, probe.target.host
        if ends[0] != ends[1] and not (self._has_route(*ends) and self._has_route(*reversed(ends))):
            return False
        return probe.declared_by is not None or ends in self.leaks

    def _has_route(self, host: str, towards: str) -> bool:
        block = self.hosts[towards]["block"]
        return any(route["destination"] == block for route in self.reports[host]["routes"])


def _report(part: Data, every_peer: t.Sequence[Data], name: str, containers: int) -> Data:
    """The result of ``network_info`` on a host that is as planned."""
    gateway, _slash, length = part["default_bridge"]["bip"].partition("/")
    networks = [_network("bridge", [{"subnet": f"{gateway[:-1]}0/{length}", "gateway": gateway}], managed=False)]
    networks += [_network(item["name"], item["ipam_config"], managed=True) for item in part["networks"]]
    found = []
    for number in range(containers):
        count = len(part["networks"])
        item = part["networks"][number % count]
        place = item["ipam_config"][0]["gateway"].rpartition(".")[0]
        found.append(
            {
                "name": f"{item['name']}-{number // count + 1}", "id": f"{number:064x}", "pid": 1000 + number,
                "mode": "user-defined",
                "networks": [
                    {"network": item["name"], "ipv4": f"{place}.{number // count + 2}/24", "ipv6": None,
                     "mac": "02:42:00:00:00:00", "gateway": f"{place}.1", "ipv6_gateway": None, "aliases": []}
                ],
            }
        )  # fmt: skip
    return {
        "engine": {"version": "28.5.2", "firewall_backend": "iptables"},
        "networks": networks,
        "containers": found,
        "links": [
            {"name": "eth0", "index": 2, "kind": None, "mtu": 1500, "state": "up", "master": None, "mac": None,
             "addresses": [f"{part['underlay_address']}/24"]}
        ],
        "routes": [
            {"destination": block, "gateway": peer["underlay_address"], "device": "eth0", "protocol": 213,
             "table": 254, "type": "unicast", "metric": None}
            for peer in every_peer if peer["host"] != name for block in peer["blocks"]
        ],
        "forwarding": {"ipv4": True, "ipv6": False},
    }  # fmt: skip


def _network(name: str, blocks: t.Sequence[Data], managed: bool) -> Data:
    return {
        "name": name, "driver": "bridge", "bridge": "docker0" if name == "bridge" else f"fn-{name}", "managed": managed,
        "internal": False, "options": {}, "labels": {},
        "subnets": [{"subnet": block["subnet"], "gateway": block["gateway"]} for block in blocks],
    }  # fmt: skip


def damaged() -> Fleet:
    """Three hosts with one damage of each kind that the topology shows."""
    fleet = Fleet(hosts=3, containers=4)
    fleet.delete_route("h2", towards="h1")
    fleet.leak("h1", "h3")
    fleet.remove_network("h3", "db")
    fleet.add_network("h1", "compose_default", "172.20.0.0/16")
    fleet.network("h2", "web")["subnets"][0]["subnet"] = "10.99.0.0/24"
    return fleet


# A shop: ten networks, and lines between them, with the hosts, the world and outside addresses.
SHOP: Data = {
    "host_prefix_length": 19,
    "networks": [
        "web", "api", "db", {"name": "cache", "open": True}, "queue", "search", {"name": "scratch", "local": True},
        "logs", "metrics", {"name": "backup", "egress": "policy", "ingress": "policy"},
    ],
    "policy": [
        {"from": "web", "to": "api", "ports": [8080, "9000-9010"]},
        {"from": "api", "to": ["db", "queue"], "ports": 5432},
        {"from": "api", "to": "search", "ports": 9200},
        {"from": "any", "to": "logs", "protocol": "udp", "ports": 514},
        {"from": "metrics", "to": "any", "ports": 9100},
        {"from": "world", "to": "web", "ports": [80, 443]},
        {"from": "192.0.2.0/24", "to": "web", "ports": 22},
        {"from": "backup", "to": "203.0.113.7", "ports": 443},
        {"from": "backup", "to": "db"},
        {"from": "metrics", "to": "host", "protocol": "icmp"},
        {"from": "host", "to": "metrics", "ports": 3000},
        {"from": "docker0", "to": "queue", "ports": 5672},
    ],
}  # fmt: skip


def shop(hosts: int = 30) -> Fleet:
    """Ten networks on each host, and a policy with every kind of end."""
    return Fleet(hosts, 10, SHOP)
