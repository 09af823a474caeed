# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that differ from the plan, and rules of Docker that are missing, although all probes pass."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import SYSCTL, VALUE, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import (
    HostFinding,
    Problem,
    find_changes,
    find_lost_addresses,
    find_lost_rules,
)

FORWARDING = Difference(SYSCTL, "net.ipv4.ip_forward", VALUE, "1", "0")
DIFFERENT = {"changed": True, "parts": {"bridge_routing": {"changed": True, "differences": [FORWARDING.to_data()]}},
             "differences": [FORWARDING.to_data()]}  # fmt: skip


def test_hosts_that_site_would_change():
    results = {
        "h1": {"changed": False, "parts": {}, "differences": []},
        "h2": DIFFERENT,
        "h3": {"failed": True, "msg": "networks: web: differs from its declaration."},
        "h4": {"unreachable": True, "msg": "timed out"},
    }
    assert [found for host, result in results.items() for found in find_changes(host, result)] == [
        HostFinding("h2", Problem.DIFFERS, ("change sysctl net.ipv4.ip_forward from 0 to 1",), (FORWARDING,)),
        HostFinding("h3", Problem.NOT_COMPARED, ("would fail: networks: web: differs from its declaration.",)),
        HostFinding("h4", Problem.NOT_COMPARED, ("unreachable: timed out",)),
    ]


RULE = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
BRIDGE = {"name": "bridge", "bridge": "docker0", "driver": "bridge", "internal": False, "managed": False,
          "options": {"com.docker.network.bridge.enable_ip_masquerade": "true"},
          "subnets": [{"subnet": "172.17.0.0/16"}, {"subnet": "fd00::/64"}]}  # fmt: skip
PORT = {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080, "nat_rules": [RULE],
        "proxy_pid": 7}  # fmt: skip
REPORT = {
    "engine": {"iptables": True, "firewall_backend": "iptables"},
    "networks": [BRIDGE],
    "containers": [{"name": "shop", "networks": [{"network": "bridge", "ipv4": "172.17.0.2/16"}], "ports": [PORT]}],
    "masquerade": ["172.17.0.0/16"],
    "forwarded": ["docker0"],
}
Change = t.Callable[[dict[str, t.Any]], object]
UNFORWARDED = HostFinding("h1", Problem.PORTS_NOT_FORWARDED, ("0.0.0.0:8080 of container shop",))
UNACCEPTED = HostFinding("h1", Problem.NOT_FORWARDED, ("bridge",))
UNMASQUERADED = HostFinding("h1", Problem.NOT_MASQUERADED, ("bridge",))


def lost(*changes: Change, slices: t.Mapping[str, t.Any] | None = None) -> list[HostFinding]:
    report = copy.deepcopy(REPORT)
    for change in changes:
        change(report)
    return find_lost_rules(slices or {}, {"h1": report})


def port(**values: t.Any) -> Change:
    return lambda report: report["containers"][0]["ports"][0].update(values)


def option(name: str, value: str) -> Change:
    return lambda report: report["networks"][0]["options"].update({f"com.docker.network.bridge.{name}": value})


def flushed(report: dict[str, t.Any]) -> None:
    report["containers"][0]["ports"][0]["nat_rules"] = []
    report["masquerade"] = []
    report["forwarded"] = []


def test_a_host_with_dockers_rules():
    assert lost() == []


def test_the_rules_are_missing_after_a_flush():
    assert lost(flushed) == [UNFORWARDED, UNMASQUERADED, UNACCEPTED]


@pytest.mark.parametrize(
    "changes",
    [
        [lambda report: report["engine"].update(iptables=None)],  # unknown
        [lambda report: report.pop("engine")],
        [option("gateway_mode_ipv4", "routed")],
        [option("gateway_mode_ipv4", "isolated")],
        [lambda report: report["networks"][0].update(driver="macvlan")],
    ],
)
def test_hosts_and_networks_without_nat(changes):
    assert lost(flushed, *changes) == []


def test_ports_of_ipv6_are_not_checked():
    """Engines before 27 write no rules of IPv6 by default, and docker-proxy forwards to IPv4."""
    assert lost(port(host_address="::", nat_rules=[])) == []
    assert lost(port(nat_rules=[]), lambda report: report["containers"][0]["networks"][0].update(ipv4=None)) == []


def test_networks_that_are_not_masqueraded_on_purpose():
    assert lost(flushed, option("enable_ip_masquerade", "false")) == [UNFORWARDED, UNACCEPTED]
    assert lost(flushed, lambda report: report["networks"][0].update(internal=True)) == [UNFORWARDED]


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.update(forwarded=None),
        lambda report: report.pop("forwarded"),
        lambda report: report["engine"].update(firewall_backend="nftables"),
        lambda report: report["engine"].update(firewall_backend="nftables+firewalld"),
        lambda report: report["networks"][0].update(internal=True),
        lambda report: report["networks"][0].update(subnets=[{"subnet": "fd00::/64"}]),
        option("gateway_mode_ipv4", "routed"),
    ],
)
def test_networks_whose_packets_need_no_rule_to_leave(change):
    assert lost(lambda report: report.update(forwarded=[]), change) == []
    assert lost(lambda report: report.update(forwarded=[])) == [UNACCEPTED]


def test_reports_without_masqueraded_subnets():
    assert lost(flushed, lambda report: report.pop("masquerade")) == [UNFORWARDED, UNACCEPTED]


def test_a_daemon_that_writes_no_rules():
    def off(report: dict[str, t.Any]) -> None:
        report["engine"]["iptables"] = False

    assert lost(flushed, off) == [HostFinding("h1", Problem.NO_ENGINE_RULES)]
    assert lost(flushed, off, slices={"h1": {"default_bridge": {"iptables": False}}}) == []
    assert lost(flushed, off, slices={"h1": {"default_bridge": {"iptables": True}}}) != []


GATEWAYS = {
    "networks": [
        {"name": "web", "driver": "bridge", "bridge": "fn-web", "options": {},
         "subnets": [{"subnet": "10.64.1.0/24", "gateway": "10.64.1.1"}, {"subnet": "fd00::/64", "gateway": "fd00::1"}]}
    ],
    "links": [{"name": "fn-web", "addresses": ["10.64.1.1/24"]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (lambda report: report["links"].reverse(), None),  # addresses of IPv6 are in the plan
        (lambda report: report["links"][0].update(addresses=["10.64.1.11/24"]), "10.64.1.1/24 dev fn-web"),
        (lambda report: report.update(links=[]), None),  # unknown, or the host does not have the bridge
        (lambda report: report.pop("networks"), None),
    ],
)
def test_bridges_without_the_gateways_of_their_networks(change, missing):
    report = copy.deepcopy(GATEWAYS)
    change(report)
    expected = [HostFinding("h1", Problem.NO_GATEWAY_ADDRESS, (missing,))] if missing else []
    assert find_lost_addresses({"h1": report}) == expected


@pytest.mark.parametrize(
    "change",
    [
        option("inhibit_ipv4", "true"),
        option("gateway_mode_ipv4", "isolated"),
        lambda report: report["networks"][0].update(driver="macvlan"),
        lambda report: report["networks"][0]["subnets"][0].update(gateway=None),
    ],
)
def test_bridges_that_need_no_gateway(change):
    report = copy.deepcopy(GATEWAYS)
    report["links"][0]["addresses"] = []
    change(report)
    assert find_lost_addresses({"h1": report}) == []
