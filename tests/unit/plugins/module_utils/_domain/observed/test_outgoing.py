# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of rules that change the source address, and the interfaces of rules that accept packets."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.outgoing import forwarded, masqueraded


@pytest.mark.parametrize(
    ("rule", "subnet"),
    [
        ("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "172.17.0.0/16"),
        ("-A POSTROUTING -s 172.18.0.0/16 ! -o br-a -j SNAT --to-source 192.0.2.1", "172.18.0.0/16"),
        ("-A POSTROUTING -s fd00:1::/64 ! -o br-a -j MASQUERADE", "fd00:1::/64"),
        ('oifname != "docker0" ip saddr 172.17.0.0/16 counter masquerade comment "MASQUERADE"', "172.17.0.0/16"),
        ('oifname != "br-a" ip6 saddr fd00:1::/64 counter packets 1 bytes 2 masquerade', "fd00:1::/64"),
        ("ip saddr 172.19.0.0/16 snat to 192.0.2.1", "172.19.0.0/16"),
        # Others
        ("-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", "172.17.0.2/32"),
        ("-A POSTROUTING -o eth0 -j MASQUERADE", None),
        ("ip saddr 10.64.0.0/12 snat to ip saddr", None),  # a source that stays as it is
        ("-A DOCKER -s 172.17.0.0/16 -j RETURN", None),
        ("-A POSTROUTING -s 999.1.1.1/77 -j MASQUERADE", None),
        ("", None),
    ],
)
def test_the_subnet_of_a_rule(rule, subnet):
    assert masqueraded([rule]) == ([subnet] if subnet else [])


def test_each_subnet_is_named_once():
    rule = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    assert masqueraded([rule, "-A X", rule]) == ["172.17.0.0/16"]


BEFORE_28 = [
    "-P INPUT ACCEPT",
    "-P FORWARD DROP",
    "-N DOCKER",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A FORWARD -i fn-web ! -o fn-web -j ACCEPT",
    "-A FORWARD -i fn-db -o fn-db -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
]
SINCE_28 = [
    "-P FORWARD DROP",
    "-N DOCKER-FORWARD",
    "-N DOCKER-OTHER",
    "-A FORWARD -j DOCKER-FORWARD",
    "-A DOCKER-FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A DOCKER-FORWARD -i fn-web -j ACCEPT",
    "-A DOCKER-OTHER -i fn-db -j ACCEPT",
]


@pytest.mark.parametrize(
    ("rules", "interfaces"),
    [
        (BEFORE_28, ["docker0", "fn-web"]),
        (SINCE_28, ["docker0", "fn-web"]),
        ([rule for rule in SINCE_28 if rule != "-A FORWARD -j DOCKER-FORWARD"], []),
        (["-P FORWARD DROP"], []),
        ([*SINCE_28, "-A DOCKER-FORWARD -j FORWARD"], ["docker0", "fn-web"]),
        ([*SINCE_28, "-A DOCKER-FORWARD -i fn-db -p tcp -j ACCEPT"], ["docker0", "fn-web"]),
        (["-P FORWARD ACCEPT"], None),
        ([*SINCE_28, "-A DOCKER-FORWARD -j ACCEPT"], None),
        ([], None),
    ],
)
def test_the_interfaces_from_which_packets_are_forwarded(rules, interfaces):
    assert forwarded(rules) == interfaces
