# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing nft's trace. The text is from nft 1.1 on a host with engine 26.1."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import (
    Flow,
    TraceStep,
    parse_handles,
    parse_trace,
)

ENDS = "ether saddr 02:42:0a:40:11:02 ip saddr 10.64.17.2 ip daddr 10.64.33.2 ip ttl 63 icmp type echo-request"
TRACE = f"""\
trace id 5d1 inet fleetnet_trace pre packet: iif "fn-web" {ENDS}
trace id 5d1 inet fleetnet_trace pre rule ip saddr 10.64.17.2 ip daddr 10.64.33.2 meta nftrace set 1 (verdict continue)
trace id 5d1 inet fleetnet_trace pre policy accept
trace id 5d1 ip nat PREROUTING packet: iif "fn-web" {ENDS}
trace id 5d1 ip nat PREROUTING policy accept
trace id 9bb ip fleetnet forward packet: iif "fn-web" oif "eth0" {ENDS}
trace id 9bb ip fleetnet between rule ip saddr & 0.0.15.0 . ip daddr & 0.0.15.0 vmap @pairs (verdict goto allowed)
trace id 9bb ip filter FORWARD packet: iif "fn-web" oif "eth0" {ENDS}
trace id 9bb ip filter FORWARD rule ip protocol icmp counter packets 80 bytes 27104 drop (verdict drop)
trace id 7aa ip mangle FORWARD packet: iif "fn-web" oif "eth0" {ENDS}
trace id 7aa ip mangle FORWARD unknown rule handle 2 (verdict drop)
trace id 7ab ip mangle FORWARD unknown rule handle 3 (verdict drop)
"""
LISTING = """\
table ip mangle { # handle 9
    chain FORWARD { # handle 1
        type filter hook forward priority mangle; policy accept;
        ip daddr 10.64.33.2 counter packets 1 bytes 84 drop # handle 2
    }
}
"""
FLOW = Flow("10.64.17.2", "10.64.33.2")


def test_a_flow_has_the_steps_of_all_its_packets():
    found = parse_trace(TRACE, parse_handles(LISTING))
    assert found == {
        FLOW: [
            TraceStep("ip nat", "PREROUTING", "", "accept", "fn-web", None),
            TraceStep("ip fleetnet", "between", "ip saddr & 0.0.15.0 . ip daddr & 0.0.15.0 vmap @pairs", "goto allowed",
                      "fn-web", "eth0"),
            TraceStep("ip filter", "FORWARD", "ip protocol icmp drop", "drop", "fn-web", "eth0"),
            TraceStep("ip mangle", "FORWARD", "ip daddr 10.64.33.2 drop", "drop", "fn-web", "eth0"),
        ]
    }  # fmt: skip


def test_a_deleted_rule_is_shown_by_its_handle():
    assert parse_trace(TRACE, {})[FLOW][-1].rule == "handle 2"


def test_a_packet_that_matched_no_rule_has_no_steps():
    assert parse_trace(TRACE.splitlines()[0], {}) == {FLOW: []}
    assert parse_trace("", {}) == {}


@pytest.mark.parametrize(
    ("verdict", "drops", "accepts"),
    [
        ("drop", True, False),
        ("accept", False, True),
        ("goto allowed", False, True),
        ("jump x", False, False),
        ("", False, False),
    ],
)
def test_verdicts_of_steps(verdict, drops, accepts):
    step = TraceStep("ip fleetnet", "between", "a rule", verdict, None, None)
    assert (step.drops, step.accepts) == (drops, accepts)


SET = "ip daddr 10.64.33.2 ip daddr set 10.64.1.2"
CHANGED = f"""\
trace id 5d1 inet fleetnet_trace prerouting packet: iif "fn-web" {ENDS}
trace id 5d1 ip other c packet: iif "fn-web" {ENDS.replace("daddr 10.64.33.2", "daddr 10.64.1.2")}
trace id 5d1 ip other c rule {SET} (verdict continue)
trace id 5d1 ip other c policy accept
"""


def test_a_rule_that_sets_an_address_belongs_to_the_flow_before_it():
    """Its packet is shown as the rule leaves it."""
    changing = TraceStep("ip other", "c", SET, "continue", "fn-web", None)
    assert parse_trace(CHANGED, {}) == {
        FLOW: [changing],
        Flow("10.64.17.2", "10.64.1.2"): [changing._replace(rule="", verdict="accept")],
    }


FRAMES = f"""\
trace id 5d1 bridge fleetnet_trace prerouting packet: iif "veth1" {ENDS}
trace id 5d1 bridge fleetnet_trace prerouting rule ip saddr 10.64.17.2 meta nftrace set 1 (verdict continue)
trace id 5d1 bridge other c packet: iif "veth1" {ENDS}
trace id 5d1 bridge other c rule ip saddr 10.64.17.2 counter packets 1 bytes 84 drop (verdict drop)
"""


def test_rules_for_frames():
    assert parse_trace(FRAMES, {}) == {
        FLOW: [TraceStep("bridge other", "c", "ip saddr 10.64.17.2 drop", "drop", "veth1", None)]
    }


def test_a_frame_that_only_a_bridge_saw_was_not_routed():
    """The bridge forwards it to another of its ports."""
    assert parse_trace("\n".join(FRAMES.splitlines()[:2]), {}) == {}


@pytest.mark.parametrize(
    ("rule", "mark"),
    [
        ("ip saddr 10.64.1.2 meta mark set 0x00000005", "0x00000005"),
        ("ct mark set 7", "7"),
        ("meta mark set meta mark & 0xffffff00 | 0x5", None),
        ("meta mark 0x5 drop", None),
    ],
)
def test_the_mark_that_a_rule_sets(rule, mark):
    assert TraceStep("ip t", "c", rule, "continue", None, None).marks == mark
