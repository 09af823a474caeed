# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random descriptions of hosts whose networks overlap and contradict each other, for found_fleet."""

from __future__ import annotations

import ipaddress
import random
import typing as t

OPTIONS = {
    "com.docker.network.bridge.name": ["br-x", "fn-a", "fn-b", "docker0", "x" * 20, "br/1"],
    "com.docker.network.driver.mtu": ["1400", "1500", "9000", "60"],
    "com.docker.network.bridge.enable_icc": ["false", "true", "0"],
    "com.docker.network.bridge.enable_ip_masquerade": ["false", "true"],
    "com.docker.network.bridge.gateway_mode_ipv4": ["routed", "nat", "isolated", "unknown"],
    "com.docker.network.host_ipv4": ["192.0.2.9", "x"],
}
NAMES = ["a", "b", "c", "a_default", "e" * 30, "192.0.2.7", "host", "world"]
FIRST = ["172.16.0.0", "172.18.0.0", "172.19.0.0", "172.20.0.0", "10.0.1.0", "10.64.0.0", "192.168.1.0", "192.0.2.0"]
ROUTE = {"gateway": "192.0.2.9", "device": "eth0", "protocol": 3, "table": 254, "type": "unicast", "metric": 0}
DECLARED = [{}, {}, {"adopt": True}, {"network_prefix_length": 26}, {"backend": "none"}]


def random_hosts(seed: int) -> dict[str, t.Any]:
    """Two to four hosts with up to five networks each, and what is declared."""
    choose = random.Random(seed)
    hosts = {f"h{number}": _host(choose, number) for number in range(1, choose.randint(3, 5))}
    return {"hosts": hosts, "declared": choose.choice(DECLARED)}


def _host(choose: random.Random, number: int) -> dict[str, t.Any]:
    networks = [_network(choose) for _ in range(choose.randint(0, 5))]
    containers = [
        {
            "name": f"c{position}",
            "on": {network["name"]: network["subnets"][0]["gateway"] or "192.0.2.200"},
            "publishes": choose.choice([[], ["80/tcp"], ["22/tcp", "53/udp"]]),
            "fixed": choose.choice([[], [network["name"]]]),
        }
        for position, network in enumerate(networks)
    ]
    return {
        "address": choose.choice([f"192.0.2.{number}", f"192.168.1.{number}"]),
        "networks": networks,
        "containers": containers,
        "stopped": [{"name": "job", "networks": [network["name"]]} for network in networks[:1]],
        "routes": [{"destination": each, **ROUTE} for each in _some(choose, ["172.18.0.0/16", "10.0.0.0/8"])],
        "links": [{"name": "tun0", "addresses": [each]} for each in _some(choose, ["172.19.0.5/24", "10.64.3.1/24"])],
        "engine": choose.choice([{}, {}, {"firewall_backend": "nftables"}, {"version": "20.10.24"}]),
    }


def _network(choose: random.Random) -> dict[str, t.Any]:
    length = choose.choice([16, 16, 16, 20, 24, 28, 15, 12, 9])
    subnet = ipaddress.ip_network(f"{choose.choice(FIRST)}/{length}", strict=False)
    last = subnet.num_addresses - 1
    driver = choose.choice(["bridge"] * 8 + ["macvlan", "ipvlan", "overlay"])
    options = {key: choose.choice(values) for key, values in OPTIONS.items() if choose.random() < 0.15}
    block = {
        "subnet": str(subnet),
        "gateway": choose.choice([str(subnet[1]), str(subnet[1]), str(subnet[-2]), str(subnet[min(300, last)]), None]),
        "ip_range": choose.choice([None, f"{subnet[last // 2 + 1]}/{length + 1}"]),
        "aux_addresses": choose.choice([{}, {"vip": str(subnet[9]), "last": str(subnet[-1])}]),
    }
    return {
        "name": choose.choice(NAMES),
        "id": f"{choose.getrandbits(256):064x}",
        "driver": driver,
        "subnets": [block],
        "options": options if driver == "bridge" else {"parent": choose.choice(["eth0", "eth0.5"])},
        "internal": choose.random() < 0.1,
        "attachable": choose.random() < 0.3,
        "labels": choose.choice([{}, {"x": "y"}, {"a\\n": "{{ b }}"}]),
    }


def _some(choose: random.Random, values: list[str]) -> list[str]:
    return [value for value in values if choose.random() < 0.2]
