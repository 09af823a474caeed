# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which differences can cut the path to a host."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import (
    ENGINE,
    FIREWALLD_RULES,
    FORWARDING,
    NETWORKS,
    ROUTES,
    RULES,
    Risk,
    risks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    AS_PLANNED,
    CONTENT,
    DIFFERENT,
    KINDS,
    PRESENT,
    STATE,
    Difference,
)

CASES = {
    "route": (Difference("route", "10.64.0.0/20 via 192.0.2.1", STATE, PRESENT, None), ROUTES),
    "removed route": (Difference("route", "10.64.0.0/20 via 192.0.2.1", STATE, None, PRESENT), ROUTES),
    "file of routes": (Difference("file", "/etc/fleetnet/routes", CONTENT, AS_PLANNED, DIFFERENT), ROUTES),
    "script of routes": (Difference("file", "/etc/fleetnet/apply-routes", STATE, PRESENT, None), ROUTES),
    "bridge addresses": (Difference("file", "/etc/fleetnet/bridge-addresses", STATE, PRESENT, None), ROUTES),
    "address": (Difference("address", "fd00::1 dev fn-web", STATE, PRESENT, None), ROUTES),
    "tables": (Difference("file", "/etc/fleetnet/firewall.nft", CONTENT, AS_PLANNED, DIFFERENT), RULES),
    "removed tables": (Difference("file", "/etc/fleetnet/firewall.nft", STATE, None, PRESENT), RULES),
    "table": (Difference("table", "ip fleetnet", STATE, PRESENT, None), RULES),
    "chain": (Difference("chain", "iptables FORWARD", "policy", "ACCEPT", "DROP"), RULES),
    "jump": (Difference("jump", "iptables DOCKER-USER -> FLEETNET-FORWARD", STATE, PRESENT, None), RULES),
    "zone": (Difference("file", "/etc/fleetnet/firewalld.fleetnet-own.xml", STATE, PRESENT, None), FIREWALLD_RULES),
    "installed zone": (Difference("firewalld", "zones/fleetnet-own.xml", STATE, PRESENT, None), FIREWALLD_RULES),
    "sysctl": (Difference("sysctl", "net.ipv4.ip_forward", "value", "1", "0"), FORWARDING),
    "file of sysctls": (Difference("file", "/etc/sysctl.d/60-fleetnet.conf", STATE, PRESENT, None), FORWARDING),
    "docker0": (Difference("daemon", "bip", "value", "10.64.0.1/24", None), ENGINE),
    "new network": (Difference("network", "web", STATE, PRESENT, None), NETWORKS),
    "subnet": (Difference("network", "web", "ipam_config[0].subnet", "10.64.1.0/24", "10.1.0.0/24"), NETWORKS),
    "removed network": (Difference("network", "web", STATE, None, PRESENT), None),
    "label": (Difference("network", "web", "labels.a", "b", None), None),
    "endpoint": (Difference("network", "web", "connected.shop", "10.64.1.2", None), None),
    "unit": (Difference("unit", "fleetnet-routes.service", STATE, "enabled and active", "disabled"), None),
    "reconciler": (Difference("file", "/etc/fleetnet/python/one.py", CONTENT, AS_PLANNED, DIFFERENT), None),
    "mode": (Difference("file", "/etc/fleetnet/routes", "mode", "0644", "0600"), None),
    "container": (Difference("container", "shop", STATE, "running", "stopped"), None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_difference_is_a_risk_or_none(case: str) -> None:
    difference, kind = CASES[case]
    assert risks([difference]) == (() if kind is None else (Risk(kind, (difference.name,)),))


def test_each_kind_of_difference_has_a_case() -> None:
    assert {difference.kind for difference, _kind in CASES.values()} == set(KINDS)


def test_risks_are_ordered_and_each_name_counts_once() -> None:
    found = risks(
        [
            Difference("network", "web", "ipam_config[0].subnet", "a", "b"),
            Difference("network", "web", "ipam_config[0].gateway", "a", "b"),
            *(Difference("route", name, STATE, PRESENT, None) for name in "abcd"),
        ]
    )
    assert list(map(str, found)) == ["routes (a, b, c and 1 more)", "networks (web)"]
