# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs print about routing rules, bridge ports, queues, connections and listeners."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import path_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import Unreadable

EMPTY = dict.fromkeys(("source", "destination", "incoming", "mark", "mask", "table", "action"))


def a_rule(priority, **values):
    return {"version": 4, "priority": priority, "other": False, **EMPTY, **values}


def test_routing_rules():
    """As ``ip -N -json rule show`` prints them."""
    rules = [
        {"priority": 0, "src": "all", "table": "255"},
        {"priority": 97, "not": None, "src": "10.1.1.1", "ipproto": "ipproto-6", "dport": 80, "table": "9"},
        {"priority": 98, "src": "all", "dst": "10.8.0.0", "dstlen": 16, "action": "8"},
        {"priority": 99, "src": "all", "fwmark": "0x5", "fwmask": "0xff", "action": "6"},
        {"priority": 100, "src": "10.9.0.2", "iif": "lo", "table": "77"},
    ]
    assert path_state.parse_routing_rules(rules, 4) == [
        a_rule(0, table=255),
        a_rule(97, source="10.1.1.1", table=9, other=True),
        a_rule(98, destination="10.8.0.0/16", action="prohibit"),
        a_rule(99, mark=5, mask=255, action="blackhole"),
        a_rule(100, source="10.9.0.2", incoming="lo", table=77),
    ]


def test_bridge_ports():
    ports = [
        {"ifname": "veth1", "master": "fn-web", "state": "forwarding", "isolated": True},
        {"ifname": "veth2", "master": "fn-web", "state": "disabled"},
        {"ifname": "vxlan0", "state": "forwarding"},
    ]
    assert path_state.parse_bridge_ports(ports) == [
        {"name": "veth1", "bridge": "fn-web", "state": "forwarding", "isolated": True},
        {"name": "veth2", "bridge": "fn-web", "state": "disabled", "isolated": False},
    ]


def test_disabled_bridges():
    bridges = [
        {"ifname": "fn-web", "flags": ["NO-CARRIER", "BROADCAST", "UP"]},
        {"ifname": "fn-db", "flags": ["BROADCAST"]},
        {},  # some versions of iproute2 print one for each other interface
    ]
    assert path_state.parse_disabled_bridges(bridges) == ["fn-db"]


def test_queues_and_what_they_lost():
    queues = path_state.parse_queues(
        [
            {"kind": "noqueue", "handle": "0:", "dev": "br0", "drops": 0},
            {"kind": "netem", "handle": "8001:", "dev": "eth0", "drops": 7},
            {"kind": "clsact", "handle": "ffff:", "dev": "eth0"},
            {"kind": "fq_codel", "handle": "0:", "dev": "eth1", "drops": 3},
            {"kind": "tbf", "handle": "1:", "dev": "eth1", "drops": 3},
        ]
    )
    assert [(each["link"], each["kind"], each["lost"]) for each in queues] == [
        ("eth0", "netem", 7),
        ("eth0", "clsact", None),
        ("eth1", "tbf", 3),
    ]
    before = {"eth0 netem 8001:": 5, "eth1 tbf 1:": 9}  # tbf was replaced, and counts from 0 again
    assert [each["lost"] for each in path_state.lost_since(queues, before)] == [2, None, 0]


def test_dropped_connections():
    head = "entries  clashres found new invalid insert insert_failed drop early_drop"
    one, other = (
        "00000002  00000000 00000000 00000000 00000000 00000000 00000000 0000000a 00000000",
        "2 0 0 0 0 0 0 1 0",
    )
    assert path_state.parse_dropped_connections(f"{head}\n{one}\n{other}\n") == 11
    assert path_state.parse_dropped_connections("") == 0
    assert path_state.parse_dropped_connections("entries found\n1 2\n") == 0


def test_listeners():
    text = """\
tcp   LISTEN 0      4096          0.0.0.0:8080       0.0.0.0:*    users:(("docker-proxy",pid=12,fd=4))
tcp   LISTEN 0      4096             [::]:8080          [::]:*    users:(("docker-proxy",pid=13,fd=4))
udp   UNCONN 0      0       127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=9,fd=14))
tcp   LISTEN 0      128                *:22                *:*
"""
    assert [tuple(each.values()) for each in path_state.parse_listeners(text)] == [
        ("tcp", "0.0.0.0", 8080, "docker-proxy", 12),
        ("tcp", "::", 8080, "docker-proxy", 13),
        ("udp", "127.0.0.53", 53, "systemd-resolve", 9),
    ]


@pytest.mark.parametrize(
    ("parse", "output"),
    [
        (lambda output: path_state.parse_routing_rules(output, 4), [{"src": "all"}]),
        (path_state.parse_bridge_ports, [{"master": "fn-web"}]),
        (path_state.parse_disabled_bridges, [{"ifname": "fn-web"}]),
        (path_state.parse_queues, [{"kind": "netem"}]),
        (path_state.parse_dropped_connections, "drop\nx\n"),
        (path_state.parse_listeners, 'tcp LISTEN 0 5 0.0.0.0:http 0.0.0.0:* users:(("a",pid=1,fd=2))'),
    ],
)
def test_output_of_another_form(parse, output):
    with pytest.raises(Unreadable):
        parse(output)
