# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces are read for flows, and how the packets of a flow arrive."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow, TraceStep
from ansible_collections.fleetnet.docker.plugins.modules.packet_trace import destinations, incoming_of

CONTAINERS = [
    {"name": "web", "networks": [{"ipv4": "10.64.1.2/24", "ipv6": "fd00::2/64"}]},
    {"name": "db", "networks": [{"ipv4": "10.64.2.2/24", "ipv6": None}]},
    {"name": "host", "networks": []},
]


def test_containers_of_this_host_and_what_they_send_to():
    flows = [
        Flow("10.64.1.2", "10.64.17.2"), Flow("10.64.17.2", "10.64.1.2"), Flow("fd00::2", "fd00:11::2"),
        Flow("10.64.2.2", "10.64.1.2"),
    ]  # fmt: skip
    assert destinations(CONTAINERS, flows, ["db", "dns"]) == {
        "web": ["10.64.17.2", "fd00:11::2"],
        "db": ["10.64.1.2"],
        "dns": [],
    }
    assert destinations(CONTAINERS, flows[1:2], []) == {}


def step(table: str, rule: str, iif: str | None, oif: str | None = None) -> TraceStep:
    return TraceStep(table, "c", rule, "continue", iif, oif)


def test_the_interface_is_that_of_ip_and_the_mark_that_before_routing():
    steps = [
        step("bridge other", "", "veth1"),
        step("ip mangle", "meta mark set 0x00000004", "fn-web"),
        step("ip mangle", "meta mark set 0x00000005", "fn-web"),
        step("ip fleetnet", "meta mark set 0x02000000", "fn-web", "eth0"),
    ]
    assert incoming_of(steps) == ("fn-web", "0x00000005")
    assert incoming_of(steps[:1]) == (None, None)
    assert incoming_of([]) == (None, None)
