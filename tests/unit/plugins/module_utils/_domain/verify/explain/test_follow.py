# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to causes: one case per hop and fault. The words are tested in test_text.py."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONTENT,
    DIFFERENT,
    FILE,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    Explanation,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint

from .damaged_hosts import (
    LOST,
    OURS,
    SWITCH,
    TO,
    UNSET,
    VETH,
    WEB,
    WEB1,
    WEB2,
    C,
    K,
    both,
    damaged,
    differs,
    drop,
    find,
    find_causes,
    good,
    in_ipv6,
    interface,
    links,
    no_forward,
    rp_filter,
    rule,
    step,
    there,
    verdict_of,
)


def stopped_bridge(*set_down: str) -> t.Callable[[dict[str, t.Any]], None]:
    """The bridge is down, its only port is disabled, and ``set_down`` are bridges that are set down."""

    def damage(data: dict[str, t.Any]) -> None:
        links(data)["fn-web"].update(state="down")
        port = {"name": "veth1", "bridge": "fn-web", "state": "disabled", "isolated": False}
        data["state"].update(bridge_ports=[port], disabled_bridges=list(set_down))

    return damage


CASES: dict[str, tuple[dict[str, t.Any], Cause]] = {
    "a drop in raw": (
        {"h2": drop("ip raw", "PREROUTING", "ip saddr 10.64.1.2 drop")},
        Cause(C.DROPPED, "h2", rule("ip raw", "PREROUTING", "ip saddr 10.64.1.2 drop"), Owner.FOREIGN),
    ),
    "a drop by Docker": (
        {"h1": drop("ip filter", "DOCKER", "drop")},
        Cause(C.DROPPED, "h1", rule("ip filter", "DOCKER", "drop"), Owner.DOCKER),
    ),
    "a policy": (
        {"h1": drop("ip filter", "FORWARD", "")}, Cause(C.NOT_ACCEPTED, "h1", rule("ip filter", "FORWARD", "")),
    ),
    "a policy of another table, whatever differs": (
        {"h1": both(drop("inet other", "c", ""), differs(OURS))},
        Cause(C.NOT_ACCEPTED, "h1", rule("inet other", "c", "")),
    ),
    "our own rules": (
        {"h1": both(drop("ip fleetnet", "between", "drop"), differs(OURS))},
        Cause(C.DROPPED, "h1", rule("ip fleetnet", "between", "drop"), Owner.OURS, (OURS,)),
    ),
    "our own chain": (
        {"h1": drop("ip raw", "FLEETNET-RAW", "drop")},
        Cause(C.DROPPED, "h1", rule("ip raw", "FLEETNET-RAW", "drop"), Owner.OURS),
    ),
    "no route": ({"h1": no_forward(error="Network is unreachable")}, Cause(C.NO_ROUTE, "h1", TO)),
    "no route of ours": (
        {"h1": both(no_forward(error="Network is unreachable"), differs(OURS, LOST, SWITCH))},
        Cause(C.NO_ROUTE, "h1", TO, None, (LOST, SWITCH)),
    ),
    "no route, or no forwarding": ({"h1": no_forward(error="No route to host")}, Cause(C.UNREACHABLE, "h1", TO)),
    "a blackhole": (
        {"h1": no_forward(error="Invalid argument")}, Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "blackhole"}),
    ),
    "a prohibit route": (
        {"h1": no_forward(type="prohibit")}, Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "prohibit"}),
    ),
    "rp_filter": (
        {"h2": both(no_forward(error="Invalid cross-device link", iif="eth0"), rp_filter(all=0, eth0=1))},
        Cause(C.REVERSE_PATH, "h2", {**TO, "interface": "eth0", "sysctls": ["net.ipv4.conf.eth0.rp_filter"]}),
    ),
    "another error": (
        {"h1": no_forward(error="File exists")}, Cause(C.LOOKUP_FAILED, "h1", {**TO, "error": "File exists"}),
    ),
    "forwarding off": (
        {"h1": both(no_forward(dev="eth0"), differs(OURS, SWITCH),
                    lambda data: data["network_info"]["forwarding"].update(ipv4=False))},
        Cause(C.NOT_FORWARDING, "h1", {"sysctl": "net.ipv4.ip_forward"}, None, (SWITCH,)),
    ),
    "a wrong next hop": (
        {"h1": both(lambda data: there(data)["lookup"].update(gateway="192.0.2.9"), differs(LOST, SWITCH))},
        Cause(C.WRONG_NEXT_HOP, "h1", {**TO, "gateway": "192.0.2.9", "interface": "eth0", "target": "h2"}, None,
              (LOST,)),
    ),
    "a stale neighbour": (
        {"h1": lambda data: data["neighbours"][0].update(lladdr="02:ff"),
         "h2": lambda data: there(data).update(steps=None)},
        Cause(C.WRONG_NEIGHBOUR, "h1", {"address": "192.0.2.2", "observed": "02:ff", "target": "h2"}),
    ),
    "a stopped container": (
        {"h2": lambda data: data["network_info"].update(containers=[])},
        Cause(C.NOT_RUNNING, "h2", {"container": "web"}),
    ),
    "a container without an interface": (
        {"h2": lambda data: data["network_info"]["containers"][0].update(interfaces=[])},
        Cause(C.NO_INTERFACE, "h2", {"container": "web"}),
    ),
    "a container's interface down": (
        {"h2": lambda data: interface(data).update(state="down")}, Cause(C.INTERFACE_DOWN, "h2", WEB),
    ),
    "another address": (
        {"h1": lambda data: interface(data).update(addresses=["10.64.1.9/24"])},
        Cause(C.ADDRESS_MISSING, "h1", {**WEB, "address": "10.64.1.2", "observed": ["10.64.1.9/24"]}),
    ),
    "no default route": (
        {"h1": lambda data: interface(data).update(gateway=None)}, Cause(C.NO_DEFAULT_ROUTE, "h1", WEB),
    ),
    "a blocked port, the only one of its bridge": (
        {"h2": stopped_bridge()}, Cause(C.PORT_BLOCKED, "h2", {**VETH, "state": "disabled"}),
    ),
    "a bridge that is set down, which disables its ports": (
        {"h2": stopped_bridge("fn-web")},
        Cause(C.INTERFACE_DOWN, "h2", {"interface": "fn-web", "container": None}),
    ),
    "a bridge down": (
        {"h2": lambda data: links(data)["fn-web"].update(state="down")},
        Cause(C.INTERFACE_DOWN, "h2", {"container": None, "interface": "fn-web"}),
    ),
    "no peer": ({"h1": lambda data: interface(data).update(peer=None)}, Cause(C.NO_PEER, "h1", WEB)),
    "no port": ({"h1": lambda data: interface(data).update(bridge=None)}, Cause(C.NOT_ON_BRIDGE, "h1", VETH)),
    "a wrong bridge": (
        {"h1": lambda data: interface(data).update(bridge="eth0")},
        Cause(C.ON_ANOTHER_BRIDGE, "h1", {**VETH, "observed": "eth0"}),
    ),
    "a bridge without the gateway's address": (
        {"h2": both(lambda data: links(data)["fn-web"].update(addresses=["10.64.17.9/24"]), differs(UNSET, LOST))},
        Cause(C.NO_GATEWAY, "h2", {"container": "web", "bridge": "fn-web", "gateway": "10.64.17.1", "length": "24"},
              None, (UNSET,)),
    ),
    "no route to a bridge without its address": (
        {"h2": both(no_forward(error="Network is unreachable"), differs(OURS, UNSET))},
        Cause(C.NO_ROUTE, "h2", TO, None, (UNSET,)),
    ),
    "a wrong last neighbour": (
        {"h2": lambda data: data["neighbours"][1].update(lladdr="02:ff")},
        Cause(C.WRONG_NEIGHBOUR, "h2",
              {"address": "10.64.17.2", "observed": "02:ff", "container": "web", "mac": "aa:h2"}),
    ),
    "no ARP": (
        {"h2": lambda data: data["neighbours"][1].update(lladdr=None, state=["FAILED"])},
        Cause(C.NO_NEIGHBOUR, "h2", {"address": "10.64.17.2", "protocol": "ARP"}),
    ),
    "no ARP, and a failed entry that the kernel has deleted": (
        {"h2": lambda data: data["neighbours"].pop(1)},
        Cause(C.NO_NEIGHBOUR, "h2", {"address": "10.64.17.2", "protocol": "ARP"}),
    ),
    "a source rewritten": (
        {"h1": lambda data: there(data).update(steps=[step("ip nat", "POSTROUTING", "masquerade", "accept", "eth0")])},
        Cause(C.SOURCE_REWRITTEN, "h1", rule("ip nat", "POSTROUTING", "masquerade"), Owner.FOREIGN),
    ),
    "a destination rewritten": (
        {"h1": lambda data: there(data).update(steps=[step("ip nat", "DOCKER", "dnat to 10.9.9.9", "accept")])},
        Cause(C.REDIRECTED, "h1", rule("ip nat", "DOCKER", "dnat to 10.9.9.9"), Owner.DOCKER),
    ),
    "a source rewritten without a connection": (
        {"h1": lambda data: there(data).update(steps=[step("ip c", "c", "ip saddr set 10.9.9.9", "continue", "eth0")])},
        Cause(C.SOURCE_REWRITTEN, "h1", rule("ip c", "c", "ip saddr set 10.9.9.9"), Owner.FOREIGN),
    ),
    "a destination rewritten without a connection": (
        {"h1": lambda data: there(data).update(steps=[step("ip c", "c", "ip daddr set 10.9.9.9", "continue")])},
        Cause(C.REDIRECTED, "h1", rule("ip c", "c", "ip daddr set 10.9.9.9"), Owner.FOREIGN),
    ),
}  # fmt: skip


UNSEEN = {"steps": None}
# Where the packet was last seen; nothing explains its loss.
LOCATIONS: dict[str, tuple[dict[str, t.Any], Location]] = {
    "nothing arrives at the other host": ({"h2": lambda data: there(data).update(UNSEEN)}, Location("h1", "h2")),
    "own gateway": ({"h2": lambda data: interface(data).update(gateway="10.64.17.9")}, Location("h2", None)),
    "no fault": ({}, Location("h2", None)),
    # A difference from the plan is a finding of its own, and does not explain a loss.
    "differences from the plan": ({"h2": differs(OURS, LOST)}, Location("h2", None)),
    "no packet": ({host: lambda data: there(data).update(UNSEEN) for host in ("h1", "h2")}, Location(None, "h1")),
    "only the other host saw it": ({"h1": lambda data: there(data).update(UNSEEN)}, Location("h2", None)),
}


@pytest.mark.parametrize("name", LOCATIONS)
def test_the_location_of_a_blocked_probe(name):
    damage, location = LOCATIONS[name]
    assert find(K.BLOCKED, **damage) == Explanation((), location)


def test_the_location_of_an_answer():
    """The probe arrived, so a fault on its path there does not explain that no answer returns."""
    damage = {"h1": drop("ip raw", "PREROUTING", "drop")}
    assert find(K.NO_ANSWER, **damage) == Explanation((), Location("h1", None, answer=True))


@pytest.mark.parametrize("name", CASES)
def test_a_blocked_probe(name):
    damage, cause = CASES[name]
    assert find_causes(K.BLOCKED, **damage) == [cause]


@pytest.mark.parametrize("name", CASES)
def test_a_blocked_probe_of_ipv6(name):
    damage, cause = CASES[name]
    evidence = {host: Evidence.from_data(in_ipv6(data)) for host, data in damaged(**damage).items()}
    ends = (end._replace(address=in_ipv6(end.address)) for end in (WEB1, WEB2))
    differences = tuple(Difference.from_data(in_ipv6(each.to_data())) for each in cause.differences)
    expected = cause._replace(values=in_ipv6(cause.values), differences=differences)
    assert explain(verdict_of(K.BLOCKED, *ends), evidence) == Explanation((expected,))


def test_an_answer_that_does_not_return_is_followed_back():
    def damage(data):
        back = next(flow for flow in data["flows"] if flow["source"] == WEB2.address)
        back.update(steps=[step("ip mangle", "FORWARD", "drop", "drop", "eth0")])

    dropped = Cause(C.DROPPED, "h2", rule("ip mangle", "FORWARD", "drop"), Owner.FOREIGN)
    assert find_causes(K.NO_ANSWER, h2=damage) == [dropped]
    # What is on the path there does not explain it.
    assert find_causes(K.NO_ANSWER, h1=drop("ip raw", "PREROUTING", "drop"), h2=damage) == [dropped]


def test_an_answer_by_another_is_explained_by_a_redirection():
    steps = [step("ip nat", "c", "dnat to 10.9.9.9", "accept"), step("ip raw", "c", "drop", "drop")]
    (cause,) = find_causes(K.ANSWERED_BY_ANOTHER, h1=lambda data: there(data).update(steps=steps))
    assert cause.kind is C.REDIRECTED


def test_a_packet_that_is_too_big_names_the_interfaces_that_are_too_small():
    def small(data):
        links(data)["fn-web"].update(mtu=1300)
        interface(data).update(mtu=1400)

    assert find_causes(K.BLOCKED, 1500, h2=small) == [
        Cause(C.SMALL_MTU, "h2", {**WEB, "mtu": 1400}),
        Cause(C.SMALL_MTU, "h2", {"interface": "fn-web", "container": None, "mtu": 1300}),
    ]
    assert find(K.BLOCKED, 1300, h2=small) == Explanation((), Location("h2", None))


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_a_rewritten_source_names_the_rule(family):
    masquerade = step("ip nat", "POSTROUTING", "ip saddr 10.64.0.0/12 masquerade", "accept", "eth0")
    own = step(f"{family} fleetnet", "postrouting", f"{family} saddr X snat to {family} saddr", "accept", "eth0")
    found = find_causes(K.SOURCE_REWRITTEN, h1=lambda data: there(data).update(steps=[own, masquerade]))
    expected = rule("ip nat", "POSTROUTING", "ip saddr 10.64.0.0/12 masquerade")
    assert found == [Cause(C.SOURCE_REWRITTEN, "h1", expected, Owner.FOREIGN)]
    assert find_causes(K.SOURCE_REWRITTEN, h1=differs(OURS)) == []  # it does not change a source


@pytest.mark.parametrize("kind", [K.LEAK, K.ARRIVES_THOUGH_DENIED])
def test_a_leak_names_what_accepts_the_packet(kind):
    accepted = rule("ip fleetnet", "allowed", "accept")
    assert find_causes(kind) == [Cause(C.ACCEPTED, host, accepted, Owner.OURS) for host in ("h1", "h2")]

    def gone(data):
        there(data).update(steps=[])
        data["network_info"]["firewall"]["owned"] = False

    assert find_causes(kind, h1=gone, h2=differs(OURS)) == [
        Cause(C.TABLE_NOT_LOADED, "h1", {"table": "ip fleetnet"}),
        Cause(C.DIFFERENT, "h2", {}, None, (OURS,)),
    ]


def test_a_leak_within_one_bridge():
    other = Endpoint("h1", "web2", "web", "10.64.1.3")
    data = good(WEB1, other)
    neighbour = copy.deepcopy(data["network_info"]["containers"][0])
    neighbour["name"] = "web2"
    neighbour["interfaces"][0]["addresses"] = ["10.64.1.3/24"]
    data["network_info"]["containers"].append(neighbour)
    data["flows"][0]["steps"] = []
    found = explain(verdict_of(K.LEAK, WEB1, other), {"h1": Evidence.from_data(data)})
    assert found == Explanation((Cause(C.SAME_BRIDGE, "h1", {"bridge": "fn-web"}),))


@pytest.mark.parametrize("kind", [K.AS_DECLARED, K.NOT_TRIED, K.NAME_UNRESOLVED, K.NAME_RESOLVES_ELSEWHERE])
def test_verdicts_that_packets_do_not_explain(kind):
    assert find_causes(kind, h1=drop("ip raw", "PREROUTING", "drop")) == []


def test_an_untraced_probe_has_no_cause():
    def untraced(data):
        data["flows"] = []

    assert find_causes(K.BLOCKED, h1=untraced) == []
    assert explain(verdict_of(K.BLOCKED, WEB1, WEB2), {}) == Explanation()


IPV6 = Difference(TABLE, "ip6 fleetnet", CONTENT, None, DIFFERENT)


def test_differences_of_rules_belong_to_a_drop_by_them():
    """Neither a route nor the table of IPv6 explains a drop of IPv4, and ours do not explain a drop by others."""
    found = differs(OURS, LOST, IPV6)
    (cause,) = find_causes(K.BLOCKED, h1=both(drop("ip fleetnet", "between", "drop"), found))
    assert cause.differences == (OURS,)
    (cause,) = find_causes(K.BLOCKED, h1=both(drop("ip filter", "FORWARD", ""), found))
    assert (cause.kind, cause.differences) == (C.NOT_ACCEPTED, (OURS,))
    (cause,) = find_causes(K.BLOCKED, h1=both(drop("ip raw", "PREROUTING", "drop"), found))
    assert cause.differences == ()
    assert find_causes(K.LEAK, h1=differs(LOST, IPV6))[0].kind is C.ACCEPTED


FILE_DIFFERS = Difference(FILE, "/etc/fleetnet/firewall.nft", CONTENT, None, DIFFERENT)


def test_a_drop_by_rules_that_are_older_than_the_declaration_is_not_as_planned():
    found = differs(FILE_DIFFERS, Difference(FILE, "/etc/fleetnet/ip6tables.rules", CONTENT, None, DIFFERENT))
    (cause,) = find_causes(K.BLOCKED, h1=both(drop("ip fleetnet", "between", "drop"), found))
    assert cause.differences == (FILE_DIFFERS,)


def down(data):
    interface(data).update(state="down")


def test_faults_at_both_ends_and_rules_that_drop_are_all_named():
    found = find_causes(K.BLOCKED, h1=both(down, drop("ip raw", "PREROUTING", "drop")), h2=down)
    assert [(cause.kind, cause.host) for cause in found] == [
        (C.INTERFACE_DOWN, "h1"),
        (C.DROPPED, "h1"),
        (C.INTERFACE_DOWN, "h2"),
    ]


def test_a_consequence_of_a_fault_is_not_a_cause():
    """Without the bridge, the host has no route to the container and does not know its MAC address."""
    lost = both(
        lambda data: links(data)["fn-web"].update(state="down"),
        no_forward(error="Network is unreachable"),
        lambda data: data["neighbours"][1].update(lladdr=None, state=["FAILED"]),
    )
    assert [cause.kind for cause in find_causes(K.BLOCKED, h2=lost)] == [C.INTERFACE_DOWN]


def test_the_default_route_of_the_target_matters_to_the_answer_only():
    def lost(data):
        interface(data).update(gateway=None)

    assert find_causes(K.BLOCKED, h2=lost) == []
    assert [cause.kind for cause in find_causes(K.NO_ANSWER, h2=lost)] == [C.NO_DEFAULT_ROUTE]
