# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Required kernel settings, and those that may have any value."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.sysctl import settings

SWITCHES = {
    "ipv4": False,
    "ipv6": True,
    "bridge_nf_call_iptables": True,
    "bridge_nf_call_ip6tables": None,
    "rp_filter": {"all": 0, "default": 1, "eth0": 1, "eth1": 2, "fn-web": 0, "lo": 1},
}


def reported(versions=(4,), drops=(), firewall="iptables", **switches):
    found = settings(versions, {**SWITCHES, **switches}, drops, firewall)
    assert all(setting["why"] for setting in found)
    return {setting["name"]: (setting["value"], setting["needed"]) for setting in found}


def test_forwarding_is_required_in_the_fleets_ip_versions_only():
    assert reported()["net.ipv4.ip_forward"] == ("0", "1")
    assert "net.ipv6.conf.all.forwarding" not in reported()
    assert reported((6,)) == {
        "net.ipv6.conf.all.forwarding": ("1", "1"),
        "net.bridge.bridge-nf-call-ip6tables": (None, None),
        "ip6tables FORWARD policy": ("ACCEPT", None),
    }


@pytest.mark.parametrize(("firewall", "needed"), [("iptables", None), ("nftables", "ACCEPT"), ("none", "ACCEPT")])
def test_iptables_policy_applies_if_the_engine_writes_no_rules(firewall, needed):
    assert reported(drops=(4,), firewall=firewall)["iptables FORWARD policy"] == ("DROP", needed)


def test_the_larger_rp_filter_value_is_reported_per_interface():
    strict = {"net.ipv4.conf.eth0.rp_filter"}
    assert {name for name in reported() if name.endswith("rp_filter")} == strict
    everywhere = reported(rp_filter={"all": 1, "eth0": 0, "eth1": 2})
    assert {name for name in everywhere if name.endswith("rp_filter")} == strict
