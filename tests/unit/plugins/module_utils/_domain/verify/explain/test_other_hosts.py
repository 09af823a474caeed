# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between two hosts: which of both is at fault, and what a host reports about itself does not blame another one."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    Explanation,
    Location,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain

from .damaged_hosts import WEB1, WEB2, C, K, damaged, find, in_ipv6, links, rule, there, verdict_of


def unseen(data: dict[str, t.Any]) -> None:
    there(data).update(steps=None)


def silent_underlay(data: dict[str, t.Any]) -> None:
    """The host does not know the MAC address of the other host."""
    data["neighbours"][0].update(lladdr=None, state=["FAILED"])


def hidden_address(data: dict[str, t.Any]) -> None:
    links(data)["eth0"]["addresses"] = []


def test_a_host_that_does_not_answer_another_is_not_a_cause():
    """Which of both is at fault is not known. Both may lie."""
    found = find(K.BLOCKED, h1=silent_underlay, h2=unseen)
    assert found == Explanation((), Location("h1", "h2", unresolved="192.0.2.2"))


def test_a_rule_of_the_other_host_that_drops_arp():
    text = "arp saddr ip 192.0.2.1 drop"

    def dropping(data: dict[str, t.Any]) -> None:
        unseen(data)
        data["state"]["frame_chains"] = [
            {"table": "arp filter", "name": "c", "hook": "input", "device": None, "policy": "accept", "rules": [text]}
        ]

    cause = Cause(C.FRAMES_DROPPED, "h2", {**rule("arp filter", "c", text), "protocol": "ARP"})
    assert find(K.BLOCKED, h1=silent_underlay, h2=dropping) == Explanation((cause,))


@pytest.mark.parametrize(
    ("text", "drops"),
    [
        ("icmpv6 type nd-neighbor-solicit drop", True),
        ("meta l4proto ipv6-icmp counter drop", True),
        ('iifname "eth9" icmpv6 type nd-neighbor-solicit drop', False),
        ("ip6 saddr fd00::/8 drop", False),
        ("icmpv6 type echo-request drop", False),
        ("tcp dport 22 drop", False),
    ],
)
def test_a_rule_that_drops_neighbor_solicitations(text, drops):
    hosts = damaged(h1=silent_underlay, h2=unseen)
    evidence = {host: in_ipv6(data) for host, data in hosts.items()}
    evidence["h2"]["state"]["frame_chains"] = [
        {"table": "ip6 filter", "name": "c", "hook": "input", "device": None, "policy": "accept", "rules": [text]}
    ]
    ends = [end._replace(address=in_ipv6(end.address)) for end in (WEB1, WEB2)]
    found = explain(verdict_of(K.BLOCKED, *ends), {host: Evidence.from_data(data) for host, data in evidence.items()})
    values = {**rule("ip6 filter", "c", text), "protocol": "neighbor solicitations"}
    assert found.causes == ((Cause(C.FRAMES_DROPPED, "h2", values),) if drops else ())


def test_a_host_that_hides_its_address_does_not_blame_the_route_to_it():
    hosts = {host: Evidence.from_data(data) for host, data in damaged(h2=hidden_address).items()}
    (cause,) = explain(verdict_of(K.BLOCKED, WEB1, WEB2), hosts).causes
    assert (cause.kind, cause.host) == (C.WRONG_NEXT_HOP, "h1")
    hosts["h2"] = dataclasses.replace(hosts["h2"], declared=("192.0.2.2",))
    assert explain(verdict_of(K.BLOCKED, WEB1, WEB2), hosts) == Explanation((), Location("h2", None))


def test_a_duplicate_address_of_the_underlay_is_that_of_the_host_that_must_not_have_it():
    hosts = damaged(h2=unseen)
    third = copy.deepcopy(hosts["h2"])
    evidence = {host: Evidence.from_data(data) for host, data in {**hosts, "h3": third}.items()}
    (cause,) = explain(verdict_of(K.BLOCKED, WEB1, WEB2), evidence).causes
    assert cause == Cause(C.DUPLICATE_ADDRESS, "h3", {"address": "192.0.2.2", "owners": ["host h2", "host h3"]})


def test_a_host_that_hides_its_mac_address_does_not_blame_those_that_know_it():
    def other_mac(data: dict[str, t.Any]) -> None:
        unseen(data)
        links(data)["eth0"]["mac"] = "02:ff"

    hosts = damaged(h2=other_mac)
    evidence = {host: Evidence.from_data(data) for host, data in hosts.items()}
    (cause,) = explain(verdict_of(K.BLOCKED, WEB1, WEB2), evidence).causes
    assert (cause.kind, cause.host) == (C.WRONG_NEIGHBOUR, "h1")
    third = copy.deepcopy(hosts["h1"])
    links(third)["eth0"]["addresses"] = ["192.0.2.3/24"]
    evidence["h3"] = Evidence.from_data(third)
    assert explain(verdict_of(K.BLOCKED, WEB1, WEB2), evidence) == Explanation((), Location("h1", "h2"))
