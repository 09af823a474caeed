# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports with their NAT rules and proxies, as engines of three generations report them."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import (
    Proxy,
    parse_dnat,
    parse_proxy,
    published_ports,
)

TO_WEB = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
TO_WEB_6 = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80"
LOCAL = "-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
NAME = "-A DOCKER ! -i br-1 -p udp -m udp --dport 5353 -j DNAT --to-destination 172.17.0.2:53"
OTHER = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.3:80"
NFT = 'tcp dport 8080 counter packets 0 bytes 0 dnat to 172.17.0.2:80 comment "DNAT"'
RULES = [parse_dnat(line) for line in (TO_WEB, TO_WEB_6, LOCAL, NAME, OTHER)]


def container(*ports):
    return {
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd00::2"}}},
        "Ports": [dict(zip(("PrivatePort", "Type", "IP", "PublicPort"), port, strict=False)) for port in ports],
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (TO_WEB, (TO_WEB, "tcp", None, 8080, "172.17.0.2", 80)),
        (TO_WEB_6, (TO_WEB_6, "tcp", None, 8080, "fd00::2", 80)),
        (LOCAL, (LOCAL, "tcp", "127.0.0.1", 8080, "172.17.0.2", 80)),
        (NAME, (NAME, "udp", None, 5353, "172.17.0.2", 53)),
        (NFT, (NFT.replace("counter packets 0 bytes 0 ", ""), "tcp", None, 8080, "172.17.0.2", 80)),
        ("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", None),
        ("-A DOCKER -i docker0 -j RETURN", None),
        ("-P PREROUTING ACCEPT", None),
    ],
)
def test_rules_that_forward_to_containers(line, found):
    assert parse_dnat(line) == found


def test_userland_proxies():
    arguments = [
        "-proto",
        "tcp",
        "-host-ip",
        "0.0.0.0",
        "-host-port",
        "8080",
        "-container-ip",
        "172.17.0.2",
        "-container-port",
        "80",
    ]
    assert parse_proxy(7, ["/usr/sbin/docker-proxy", *arguments]) == Proxy(7, "tcp", "0.0.0.0", 8080)
    # Engines from 28 on hand the socket over, by an argument without a value.
    assert parse_proxy(7, ["/usr/bin/docker-proxy", *arguments, "-use-listen-fd"]) == Proxy(7, "tcp", "0.0.0.0", 8080)
    assert parse_proxy(7, ["/usr/sbin/docker-proxy", "-version"]) is None
    assert parse_proxy(7, ["grep", "docker-proxy", *arguments]) is None
    assert parse_proxy(7, []) is None


def test_each_binding_has_its_own_rules_and_process():
    listed = container(
        (80, "tcp", "0.0.0.0", 8080), (80, "tcp", "::", 8080), (53, "udp", "127.0.0.1", 53), (443, "tcp")
    )
    proxies = [Proxy(7, "tcp", "0.0.0.0", 8080), Proxy(8, "tcp", "::", 8080), Proxy(9, "udp", "0.0.0.0", 53)]
    assert published_ports(listed, RULES, proxies) == [
        {"port": 53, "protocol": "udp", "host_address": "127.0.0.1", "host_port": 53, "nat_rules": [],
         "proxy_pid": None},
        {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080, "nat_rules": [TO_WEB],
         "proxy_pid": 7},
        {"port": 80, "protocol": "tcp", "host_address": "::", "host_port": 8080, "nat_rules": [TO_WEB_6],
         "proxy_pid": 8},
    ]  # fmt: skip


def test_a_rule_for_one_address_belongs_to_the_binding_of_that_address():
    (port,) = published_ports(container((80, "tcp", "127.0.0.1", 8080)), RULES, [])
    assert port["nat_rules"] == [LOCAL]
