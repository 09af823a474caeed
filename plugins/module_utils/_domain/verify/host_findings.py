# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs on hosts whatever the probes say: from the plan, and the rules that Docker must have written. Pure.

The differences from the plan are those of ``host_slice`` in check mode, so a run of ``site.yml`` agrees with them.
"""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.preview import change_lines

Data = t.Mapping[str, t.Any]

_MASQUERADES = "com.docker.network.bridge.enable_ip_masquerade"
_GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
# A bridge with this option has no address.
_INHIBITED = "com.docker.network.bridge.inhibit_ipv4"
# Modes in which the engine writes no NAT rules.
_WITHOUT_NAT = ("routed", "isolated")


class Problem(str, enum.Enum):
    """What is wrong with a host; each comment names the values."""

    DIFFERS = "differs"  # changes: what site.yml would change, as text
    NOT_COMPARED = "not_compared"  # changes: why not, as text
    NO_ENGINE_RULES = "no_engine_rules"
    PORTS_NOT_FORWARDED = "ports_not_forwarded"  # ports, each with its container, as text
    NOT_MASQUERADED = "not_masqueraded"  # networks
    NOT_FORWARDED = "not_forwarded"  # networks
    NO_GATEWAY_ADDRESS = "no_gateway_address"  # addresses with their bridges, as ``ip address add`` accepts them


class HostFinding(t.NamedTuple):
    """A host that is not as declared."""

    host: str
    problem: Problem
    values: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return {
            "host": self.host,
            "problem": self.problem.value,
            "values": list(self.values),
            "differences": [difference.to_data() for difference in self.differences],
        }

    @classmethod
    def from_data(cls, data: Data) -> HostFinding:
        """The inverse of :meth:`to_data`."""
        differences = tuple(Difference.from_data(item) for item in data["differences"])
        return cls(data["host"], Problem(data["problem"]), tuple(data["values"]), differences)


def find_changes(host: str, result: Data) -> list[HostFinding]:
    """Return what ``site.yml`` would change on a host, or that this is not known; empty if it would change nothing.

    ``result`` is that of ``host_slice`` in check mode, also if it failed.
    """
    lines = tuple(change_lines(result, host))
    if result.get("failed") or result.get("unreachable"):
        return [HostFinding(host, Problem.NOT_COMPARED, lines)]
    if lines:
        differences = tuple(Difference.from_data(item) for item in result.get("differences") or ())
        return [HostFinding(host, Problem.DIFFERS, lines, differences)]
    return []


def find_lost_rules(slices: t.Mapping[str, Data], reports: t.Mapping[str, Data]) -> list[HostFinding]:
    """Return the hosts on which rules of the engine are missing; ``reports`` are results of ``network_info``.

    After a flush of all rules by another program, the engine does not restore them. Published ports then still work for
    some clients, by docker-proxy, and with the address of the host.
    """
    found = []
    for host, report in reports.items():
        writes = report.get("engine", {}).get("iptables")
        if writes is False and slices.get(host, {}).get("default_bridge", {}).get("iptables") is not False:
            found.append(HostFinding(host, Problem.NO_ENGINE_RULES))
        if writes is not True:  # or unknown
            continue
        networks = {network["name"]: network for network in report.get("networks", ())}
        ports = tuple(_without_rule(report.get("containers", ()), networks))
        if ports:
            found.append(HostFinding(host, Problem.PORTS_NOT_FORWARDED, ports))
        if "masquerade" in report:
            missing = tuple(_not_masqueraded(networks.values(), report["masquerade"]))
            if missing:
                found.append(HostFinding(host, Problem.NOT_MASQUERADED, missing))
        # With nftables, the engine has no rules of iptables.
        if report.get("forwarded") is not None and not str(report["engine"]["firewall_backend"]).startswith("nftables"):
            missing = tuple(_not_forwarded(networks.values(), report["forwarded"]))
            if missing:
                found.append(HostFinding(host, Problem.NOT_FORWARDED, missing))
    return found


def find_lost_addresses(reports: t.Mapping[str, Data]) -> list[HostFinding]:
    """Return the hosts on which bridges lack the IPv4 address that is the gateway of their network.

    The engine restores it only when it starts. The plan has the addresses of IPv6, which the kernel removes itself.
    """
    found = []
    for host, report in reports.items():
        links = {link["name"]: link["addresses"] for link in report.get("links", ())}
        missing = tuple(
            f"{subnet['gateway']}/{subnet['subnet'].partition('/')[2]} dev {network['bridge']}"
            for network in report.get("networks", ())
            if network["bridge"] in links and _has_gateway(network)
            for subnet in network["subnets"]
            if subnet["gateway"] and subnet["subnet"] and ":" not in subnet["subnet"]
            if subnet["gateway"] not in [address.partition("/")[0] for address in links[network["bridge"]]]
        )
        if missing:
            found.append(HostFinding(host, Problem.NO_GATEWAY_ADDRESS, missing))
    return found


def _has_gateway(network: Data) -> bool:
    options = network["options"]
    inhibited = options.get(_INHIBITED, "false").lower() == "true" or options.get(_GATEWAY_MODE) == "isolated"
    return network["driver"] == "bridge" and not inhibited


def _without_rule(containers: t.Iterable[Data], networks: t.Mapping[str, Data]) -> t.Iterator[str]:
    """Published ports of IPv4 without a NAT rule. Engines before 27 write no rules of IPv6 by default."""
    for container in containers:
        attached = [networks.get(each["network"], {}) for each in container["networks"] if each.get("ipv4")]
        if not any(_has_nat(network) for network in attached):
            continue
        for port in container.get("ports") or ():
            if ":" not in port["host_address"] and not port["nat_rules"]:
                yield f"{port['host_address']}:{port['host_port']} of container {container['name']}"


def _has_nat(network: Data) -> bool:
    return bool(network) and network["driver"] == "bridge" and network["options"].get(_GATEWAY_MODE) not in _WITHOUT_NAT


def _not_masqueraded(networks: t.Iterable[Data], masqueraded: t.Collection[str]) -> t.Iterator[str]:
    for network in networks:
        wanted = network["options"].get(_MASQUERADES, "true").lower() == "true"
        if not _has_nat(network) or network["internal"] or not wanted:
            continue
        subnets = [each["subnet"] for each in network["subnets"] if ":" not in each["subnet"]]
        if any(subnet not in masqueraded for subnet in subnets):
            yield network["name"]


def _not_forwarded(networks: t.Iterable[Data], interfaces: t.Collection[str]) -> t.Iterator[str]:
    for network in networks:
        ipv4 = any(":" not in each["subnet"] for each in network["subnets"])
        if _has_nat(network) and not network["internal"] and ipv4 and network["bridge"] not in interfaces:
            yield network["name"]
