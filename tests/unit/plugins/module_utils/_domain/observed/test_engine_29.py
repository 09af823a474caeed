# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers and rules of real engines 29.0 and 29.7 with both firewall backends (engine_29/*.json).

engine_29/record.py records them on a host on which engine_29/example.sh ran.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import parse_engine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.outgoing import masqueraded
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import (
    parse_dnat,
    published_ports,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import parse_handles
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import find_lost_rules

GOLDENS = sorted((Path(__file__).parent / "engine_29").glob("*.json"))

# The networks of engine_29/example.sh, as a user declares them.
DECLARED = [
    {"name": "cfg", "config_only": True, "ipam_config": [{"subnet": "10.77.4.0/24"}], "bridge_name": "br-made",
     "labels": {"of": "cfg"}},
    {"name": "made", "config_from": "cfg"},
    {"name": "dual", "bridge_name": "br-dual", "enable_ipv6": True,
     "ipam_config": [{"subnet": "10.77.5.0/24"}, {"subnet": "fd00:77:5::/64"}]},
    {"name": "open", "bridge_name": "br-open", "gateway_mode_ipv4": "nat-unprotected",
     "ipam_config": [{"subnet": "10.77.6.0/24"}]},
    {"name": "routed", "bridge_name": "br-routed", "gateway_mode_ipv4": "routed",
     "ipam_config": [{"subnet": "10.77.7.0/24"}]},
    {"name": "closed", "bridge_name": "br-closed", "internal": True, "ipam_config": [{"subnet": "10.77.8.0/24"}]},
    {"name": "apart", "bridge_name": "br-apart", "ipam_config": [{"subnet": "10.77.9.0/24"}],
     "driver_options": {"com.docker.network.bridge.enable_icc": "false"}},
]  # fmt: skip

# Container: port, protocol, address and port of the host, number of rules. The proxy serves IPv6 clients of a container
# without IPv6, which has no rule for them.
PUBLISHED = {
    "both": [
        (53, "udp", "0.0.0.0", 5353, 1),
        (53, "udp", "::", 5353, 1),
        (80, "tcp", "0.0.0.0", 8080, 1),
        (80, "tcp", "127.0.0.1", 8090, 1),
        (80, "tcp", "::", 8080, 1),
    ],
    # Gateway mode routed publishes nothing in IPv4; the proxy for IPv6 remains.
    "direct": [(80, "tcp", "::", 8082, 0)],
    "free": [(80, "tcp", "0.0.0.0", 8081, 1), (80, "tcp", "::", 8081, 0)],
    "published": [(80, "tcp", "0.0.0.0", 8083, 1), (80, "tcp", "::", 8083, 0)],
}


@pytest.fixture(params=GOLDENS, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(request.param.read_text())
    return found


def backend(golden: dict[str, t.Any], part: str) -> str:
    """The firewall backend in a report of the host."""
    answer = golden[part]["info"]
    engine = parse_engine({"Version": "29.0.0", "ApiVersion": "1.52"}, answer, iptables=None)
    return str(engine["firewall_backend"])


def test_all_engines_were_recorded() -> None:
    assert [path.stem for path in GOLDENS] == ["29.0_iptables", "29.0_nftables", "29.7_iptables", "29.7_nftables"]


def test_networks_as_declared_do_not_differ(golden: dict[str, t.Any]) -> None:
    """Whatever the engine leaves out or fills in: subnets of configurations, gateways, empty ranges."""
    networks = {network.name: network for network in parse_networks(golden["answers"]["networks"])}
    for item in parse_items(DECLARED):
        assert differences(item, networks[item.name], strict=True) == (), item.name


def test_a_configuration_has_the_subnets_of_its_network(golden: dict[str, t.Any]) -> None:
    listed = golden["answers"]["networks"]
    (cfg,) = (network for network in listed if network["Name"] == "cfg")
    assert cfg["IPAM"]["Config"] is None
    networks = {network.name: network for network in parse_networks(listed)}
    assert [str(block.subnet) for block in networks["cfg"].definition.blocks] == ["10.77.4.0/24"]
    (alone,) = parse_networks([cfg])
    assert (alone.blocks_known, alone.definition.blocks) == (False, ())


def test_published_ports_have_their_rules(golden: dict[str, t.Any]) -> None:
    rules = golden["rules"]
    # An engine with the iptables backend has no table of its own, and with nftables no chains of iptables.
    lines = [*rules["iptables -S"], *rules["ip6tables -S"]]
    if backend(golden, "answers") == "nftables":
        assert not any("DNAT" in line for line in lines)
        lines = [line.partition(" # handle ")[0] for line in rules["nft -a"]]
    dnat = [rule for rule in map(parse_dnat, lines) if rule]
    found: dict[str, list[t.Any]] = {}
    for container in golden["answers"]["containers"]:
        for port in published_ports(container, dnat, []):
            where = (port["port"], port["protocol"], port["host_address"], port["host_port"])
            found.setdefault(container["Names"][0][1:], []).append((*where, len(port["nat_rules"])))
    assert found == PUBLISHED


def nat_rules(golden: dict[str, t.Any]) -> list[str]:
    rules = golden["rules"]
    return [
        *rules["iptables -S"],
        *rules["ip6tables -S"],
        *(line.partition(" # handle ")[0] for line in rules["nft -a"]),
    ]


def test_no_rule_of_the_engine_is_missing_until_they_are_flushed(golden: dict[str, t.Any]) -> None:
    def lost(rules: list[str]) -> dict[str, tuple[str, ...]]:
        containers = host.parse_containers(golden["answers"]["containers"])
        dnat = [rule for rule in map(parse_dnat, rules) if rule]
        by_id = {answer["Id"]: answer for answer in golden["answers"]["containers"]}
        for container in containers:
            container["ports"] = published_ports(by_id[container["id"]], dnat, [])
        report = {
            "engine": {"iptables": True},
            "networks": host.parse_networks(golden["answers"]["networks"]),
            "containers": containers,
            "masquerade": masqueraded(rules),
        }
        return {found.problem.value: found.values for found in find_lost_rules({}, {"h1": report})}

    assert lost(nat_rules(golden)) == {}
    found = lost([])
    assert set(found) == {"ports_not_forwarded", "not_masqueraded"}
    assert "0.0.0.0:8080 of container both" in found["ports_not_forwarded"]
    assert not any("container direct" in port for port in found["ports_not_forwarded"])
    assert {"bridge", "dual", "open", "apart"} <= set(found["not_masqueraded"])
    assert not {"routed", "closed", "cfg"} & set(found["not_masqueraded"])


def test_the_backend_with_firewalld(golden: dict[str, t.Any]) -> None:
    plain = backend(golden, "answers")
    assert backend(golden, "firewalld") == f"{plain}+firewalld"
    assert ("table ip docker-bridges" in golden["firewalld"]["tables"]) == (plain == "nftables")


def test_rules_are_found_by_their_handle(golden: dict[str, t.Any]) -> None:
    """Both listings of nft name the same rules, and traces name a rule by its handle."""
    handles = parse_handles("\n".join(golden["rules"]["nft -a"]))
    rules = [entry["rule"] for entry in golden["rules"]["nft -j"] if "rule" in entry]
    assert set(handles) >= {(f"{rule['family']} {rule['table']}", rule["chain"], str(rule["handle"])) for rule in rules}
    if backend(golden, "answers") == "nftables":
        texts = {text for (table, chain, _handle), text in handles.items() if chain == "raw-PREROUTING"}
        assert 'ip daddr 10.77.5.2 iifname != "br-dual" counter drop comment "DROP DIRECT ACCESS"' in texts
        assert not any("10.77.6.2" in text for text in texts), "nat-unprotected networks are not protected"
