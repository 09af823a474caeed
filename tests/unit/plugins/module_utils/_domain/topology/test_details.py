# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared and observed, for people."""

from __future__ import annotations

import re

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.details import details_of, search_terms
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import Node

from ..planning import assert_golden
from .fleets import Fleet

# A host as network_info reports it, with each of its keys.
HOST = {
    "engine": "28.5.2", "firewall_backend": "iptables",
    "forwarding": {"ipv4": True, "ipv6": False, "bridge_nf_call_iptables": None, "rp_filter": {"all": 0, "eth0": 2}},
    "firewall": {
        "forward_policy": {"ipv4": "DROP", "ipv6": None}, "tables": ["ip nat", "inet fleetnet"], "owned": True,
        "rules": [{"family": "ipv4", "table": "raw", "rule": "-A PREROUTING -j FLEETNET"}],
        "services": {"firewalld": False, "ufw": True},
        "units": [{"name": "fleetnet-reconciler.service", "active": True, "enabled": False}],
    },
}  # fmt: skip
NETWORK = {
    "name": "web", "id": "0123456789abcdef0123", "driver": "bridge", "internal": False, "ipv6": True, "mtu": 1450,
    "labels": {"io.fleetnet.managed": "true"}, "options": {"com.docker.network.bridge.name": "fn-web"},
    "subnets": [
        {"subnet": "10.64.1.0/24", "gateway": "10.64.1.1", "ip_range": "10.64.1.128/25",
         "aux_addresses": {"lb_1": "10.64.1.9"}},
        {"subnet": "fd00::/64", "gateway": None, "ip_range": None, "aux_addresses": {}},
    ],
    "default_address_pools": [{"base": "10.64.8.0/21", "size": 24}],
    "a_key_of_tomorrow": [{"depth": [{"x": 1}, 2]}],
}  # fmt: skip
CONTAINER = {
    "name": "shop", "id": "f" * 64, "pid": 4711, "mode": "user-defined", "namespace": 4026532,
    "shares_namespace_with": ["sidecar"],
    "networks": [
        {"network": "web", "ipv4": "10.64.1.2/24", "ipv6": None, "mac": "02:42:0a:40:01:02", "gateway": "10.64.1.1",
         "ipv6_gateway": None, "aliases": ["shop", "www"]},
        {"network": "none", "ipv4": None, "ipv6": None, "mac": None, "gateway": None, "ipv6_gateway": None,
         "aliases": None},
    ],
    "interfaces": [
        {"name": "lo", "index": 1, "mac": None, "mtu": 65536, "state": "unknown", "addresses": ["127.0.0.1/8"],
         "network": None, "gateway": None, "gateway_v6": None, "peer": None, "bridge": None},
        {"name": "eth0", "index": 7, "mac": "02:42:0a:40:01:02", "mtu": 1450, "state": "up",
         "addresses": ["10.64.1.2/24"], "network": "web", "gateway": "10.64.1.1", "gateway_v6": None, "peer": "veth1",
         "bridge": "fn-web"},
    ],
    "ports": [
        {"port": 80, "protocol": "tcp", "host_address": address, "host_port": 8080, "nat_rules": ["-A DOCKER ..."],
         "proxy_pid": None}
        for address in ("0.0.0.0", "::")
    ],
}  # fmt: skip


def node(kind, declared, observed):
    return Node(f"{kind}/a", kind, "a", declared=declared, observed=observed)


def test_golden():
    cases = {
        "host": node("host", {"underlay_address": "192.0.2.1", "link": "l1", "block_v6": "fd00::/48"}, HOST),
        "network": node("network", {"name": "web", "mtu": 1450, "masquerade": False, "driver_options": {}}, NETWORK),
        "container": node("container", None, CONTAINER),
    }
    found = {name: {title: dict(rows) for title, rows in details_of(each)} for name, each in cases.items()}
    assert_golden("topology_details.yml", found)


def test_no_path_of_keys_is_shown():
    """Labels are words. Names such as interfaces.0.index are for programs."""
    fleet = Fleet()
    fleet.reports["h1"].update(containers=[CONTAINER], firewall=HOST["firewall"])
    found = [row for each in build(fleet.hosts, fleet.peers, fleet.reports).nodes for _title, rows in details_of(each)
             for row in rows]  # fmt: skip
    assert len(found) > 50
    for label, lines in found:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 ]*", label), label
        assert lines
        assert not [line for line in lines if re.search(r"[a-z_]\.\d+\.[a-z]|None|True|False|[{}\[\]]", line)], lines


def test_a_container_is_found_by_its_addresses_and_names():
    assert search_terms(node("container", None, CONTAINER)) == [
        "10.64.1.2/24", "02:42:0a:40:01:02", "shop", "www",
    ]  # fmt: skip
    assert search_terms(node("network", NETWORK, NETWORK)) == []
