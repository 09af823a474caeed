# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of nftables as nft prints them, and whether they drop a packet."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import (
    Chain,
    dropping_rule,
    parse_chains,
)

LISTING = """\
table ip filter {
\tset known {
\t\ttype ipv4_addr
\t\telements = { 10.0.0.1, 10.0.0.2 }
\t}

\tchain OUTPUT {
\t\ttype filter hook output priority filter; policy drop;
\t\tip saddr 10.1.0.0/16 tcp dport { 80, 90-99 } counter packets 0 bytes 0 drop comment "a b"
\t\tip daddr @known drop
\t}

\tchain helper {
\t\tdrop
\t}
}
table ip nat {
\tchain POSTROUTING {
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tdrop
\t}
}
table netdev edge {
\tchain in {
\t\ttype filter hook ingress device "eth0" priority filter; policy accept;
\t\tarp operation request drop
\t}

\tchain many {
\t\ttype filter hook ingress devices = { "eth1" } priority 5; policy accept;
\t}
}
table inet both {
\tchain device {
\t\ttype filter hook ingress device "eth2" priority filter; policy accept;
\t}

\tchain host {
\t\ttype filter hook input priority filter; policy drop;
\t}
}
"""


def test_base_chains_that_filter():
    assert parse_chains(LISTING, ("ip",), 9) == [
        Chain(
            "ip filter",
            "OUTPUT",
            "output",
            None,
            "drop",
            ('ip saddr 10.1.0.0/16 tcp dport { 80, 90-99 } drop comment "a b"', "ip daddr @known drop"),
        )
    ]
    assert parse_chains(LISTING, ("netdev",), 9) == [
        Chain("netdev edge", "in", "ingress", "eth0", "accept", ("arp operation request drop",)),
        Chain("netdev edge", "many", "ingress", "eth1", "accept", ()),
        Chain("inet both", "device", "ingress", "eth2", "accept", ()),
    ]
    assert parse_chains(LISTING, ("inet",), 9) == [Chain("inet both", "host", "input", None, "drop", ())]


def test_a_chain_with_too_many_rules_is_left_out():
    assert parse_chains(LISTING, ("ip",), 1) == []


def test_a_chain_as_data():
    chain = parse_chains(LISTING, ("netdev",), 9)[0]
    assert Chain.from_data(chain.to_data()) == chain


FACTS = {
    "ip saddr": {"10.1.2.3"},
    "ip daddr": {"10.2.0.1"},
    "tcp dport": {"95"},
    "udp dport": set(),
    "ct state": {"new"},
    "iifname": {"eth0", "br0"},
    "ether type": {"ip"},
}


@pytest.mark.parametrize(
    ("rule", "drops"),
    [
        ("drop", True),
        ("counter drop", True),
        ("reject", True),
        ("counter reject with icmp port-unreachable", True),
        ('log prefix "gone: " drop', True),
        ('ip saddr 10.1.0.0/16 drop comment "ours"', True),
        ("ip saddr 10.1.2.3 ip daddr 10.2.0.1 tcp dport 95 drop", True),
        ("tcp dport { 80, 90-99 } drop", True),
        ('iifname "eth*" drop', True),
        ('iifname { "eth0", "eth1" } drop', True),
        ("ct state new,untracked drop", True),
        ("ether type ip drop", True),
        ("ip saddr != 10.9.0.0/16 drop", True),
        # It does not match.
        ("ip saddr 10.9.0.0/16 drop", False),
        ("ip saddr != 10.1.0.0/16 drop", False),
        ("tcp dport { 80, 90-94 } drop", False),
        ("udp dport 53 drop", False),
        ("udp dport != 53 drop", False),
        ("ct state established,related drop", False),
        ('oifname "eth9" drop', False),
        # It matches, and does not drop.
        ("accept", False),
        ("ip saddr 10.1.2.3 counter", False),
        # Whether it matches or drops is not known.
        ("limit rate 5/second drop", False),
        ("ip saddr @known drop", False),
        ("meta mark 0x5 drop", False),
        ("ip saddr 10.1.2.3  drop", False),
        ("jump helper", False),
        ("queue num 0", False),
        ("meta skuid 1000 drop", False),
        ("xt match statistic drop", False),
        ("ip saddr vmap { 10.1.2.3 : drop }", False),
    ],
)
def test_a_rule_that_drops_a_packet(rule, drops):
    chain = Chain("ip filter", "c", "output", None, "accept", ("ip daddr 10.9.9.9 accept", rule))
    assert dropping_rule(chain, FACTS) == (rule if drops else None)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ((), ""),
        (("tcp dport 22 accept",), ""),
        (("ip saddr 10.1.0.0/16 return", "accept"), ""),
        (("ip saddr 10.1.0.0/16 accept",), None),
        (("meta mark 0x5 accept",), None),
        (("jump helper",), None),
    ],
)
def test_a_policy_that_drops_a_packet(rules, found):
    """A rule that is not known may accept it."""
    assert dropping_rule(Chain("ip filter", "c", "output", None, "drop", rules), FACTS) == found
