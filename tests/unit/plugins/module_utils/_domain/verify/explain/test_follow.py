# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to causes: one case per hop and fault. The words are tested in test_text.py."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ADDRESS,
    CONTENT,
    DIFFERENT,
    ROUTE,
    STATE,
    SYSCTL,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

WEB1, WEB2 = Endpoint("h1", "web", "web", "10.64.1.2"), Endpoint("h2", "web", "web", "10.64.17.2")
UNDERLAY = {"h1": "192.0.2.1", "h2": "192.0.2.2"}
C, K = CauseKind, VerdictKind
OURS = Difference(TABLE, "ip fleetnet", CONTENT, None, DIFFERENT)
UNSET = Difference(ADDRESS, "10.64.17.1/24 dev fn-web", STATE, "present", None)
LOST = Difference(ROUTE, "10.64.16.0/20 via 192.0.2.2", STATE, "present", None)
SWITCH = Difference(SYSCTL, "net.ipv4.ip_forward", "value", "1", "0")


def step(table: str, chain: str, rule: str, verdict: str, oif: str | None = None) -> dict[str, t.Any]:
    return {"table": table, "chain": chain, "rule": rule, "verdict": verdict, "iif": "fn-web", "oif": oif}


PASSED = [step("ip fleetnet", "allowed", "accept", "accept", "eth0")]


def link(name: str, mac: str, kind: str | None = None, master: str | None = None, *addresses: str) -> dict[str, t.Any]:
    return {"name": name, "mac": mac, "kind": kind, "master": master, "mtu": 1500, "state": "up",
            "addresses": list(addresses)}  # fmt: skip


def good(end: Endpoint, other: Endpoint) -> dict[str, t.Any]:
    """Evidence of a host without faults."""
    gateway = end.address.rpartition(".")[0] + ".1"
    flows = [
        {"source": end.address, "destination": other.address, "steps": PASSED,
         "lookup": {"dst": other.address, "gateway": UNDERLAY[other.host], "dev": "eth0"}},
        {"source": other.address, "destination": end.address, "steps": PASSED,
         "lookup": {"dst": end.address, "dev": "fn-web"}},
    ]  # fmt: skip
    interface = {
        "name": "eth0", "mac": f"aa:{end.host}", "mtu": 1500, "state": "up", "addresses": [f"{end.address}/24"],
        "gateway": gateway, "peer": "veth1", "bridge": "fn-web",
    }  # fmt: skip
    networks = [{"network": "web", "gateway": gateway}]
    return {
        "flows": flows,
        "checks": [],
        "neighbours": [
            {"dst": UNDERLAY[other.host], "lladdr": f"02:{other.host}", "state": ["REACHABLE"]},
            {"dst": end.address, "lladdr": f"aa:{end.host}", "state": ["REACHABLE"]},
        ],
        "queues": [],
        "network_info": {
            "networks": [{"name": "web", "bridge": "fn-web"}],
            "containers": [{"name": "web", "networks": networks, "interfaces": [interface]}],
            "links": [
                link("eth0", f"02:{end.host}", None, None, f"{UNDERLAY[end.host]}/24"),
                link("fn-web", "02:b", "bridge", None, f"{gateway}/24"),
                link("veth1", "02:c", "veth", "fn-web"),
            ],
            "forwarding": {"ipv4": True, "ipv6": False},
            "firewall": {"owned": True, "tables": ["ip fleetnet", "ip filter"]},
        },
    }


def there(data: dict[str, t.Any]) -> dict[str, t.Any]:
    """The flow from h1 to h2."""
    (found,) = (flow for flow in data["flows"] if flow["source"] == WEB1.address)
    return t.cast("dict[str, t.Any]", found)


def interface(data: dict[str, t.Any]) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", data["network_info"]["containers"][0]["interfaces"][0])


def links(data: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    return {each["name"]: each for each in data["network_info"]["links"]}


def find_causes(
    kind: VerdictKind, packet: int | None = None, **damage: t.Callable[[dict[str, t.Any]], object]
) -> list[Cause]:
    """The causes that are found if hosts (h1, h2) are damaged so."""
    return list(find(kind, packet, **damage).causes)


def find(kind: VerdictKind, packet: int | None = None, **damage: t.Callable[[dict[str, t.Any]], object]) -> Explanation:
    """The explanation if hosts (h1, h2) are damaged so."""
    evidence = {host: Evidence.from_data(data) for host, data in damaged(**damage).items()}
    return explain(verdict_of(kind, WEB1, WEB2, packet), evidence)


def verdict_of(kind: VerdictKind, source: Endpoint, target: Endpoint, packet: int | None = None) -> Verdict:
    return Verdict(Probe(source, target, "icmp", None, 0, "a line", packet), kind)


def differs(*differences: Difference) -> t.Callable[[dict[str, t.Any]], object]:
    """The host differs from its plan."""
    return lambda data: data["checks"].extend(each.to_data() for each in differences)


def both(*damage: t.Callable[[dict[str, t.Any]], object]) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: [each(data) for each in damage]


def damaged(**damage: t.Callable[[dict[str, t.Any]], object]) -> dict[str, dict[str, t.Any]]:
    hosts = {"h1": copy.deepcopy(good(WEB1, WEB2)), "h2": copy.deepcopy(good(WEB2, WEB1))}
    for host, do in damage.items():
        do(hosts[host])
    return hosts


# Values of IPv4, and those of IPv6 in their place.
IN_IPV6 = {
    "10.64.": "fd00:64::", "192.0.2.": "2001:db8::", ".1.2": ":1:2", ".17.2": ":17:2", ".17.1/": ":17:1/",
    ".1.9": ":1:9", "ip fleetnet": "ip6 fleetnet", "ip filter": "ip6 filter", "ip raw": "ip6 raw",
    "ip saddr": "ip6 saddr", "net.ipv4.ip_forward": "net.ipv6.conf.all.forwarding",
    "ARP": "neighbor solicitations",
}  # fmt: skip
SWAPPED = {"ipv4": "ipv6", "ipv6": "ipv4"}


def in_ipv6(value: t.Any) -> t.Any:
    """The same for IPv6."""
    if isinstance(value, str):
        for one, other in IN_IPV6.items():
            value = value.replace(one, other)
        return SWAPPED.get(value, value)
    if isinstance(value, dict):
        # An interface of a container has a gateway per version, a route only one.
        renamed = {"gateway": "gateway_v6" if "peer" in value else "ipv6_gateway" if "network" in value else "gateway"}
        return {renamed.get(key, in_ipv6(key)): in_ipv6(each) for key, each in value.items()}
    return [in_ipv6(each) for each in value] if isinstance(value, list) else value


def drop(table: str, chain: str, rule: str) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: there(data).update(steps=[step(table, chain, rule, "drop", "eth0")])


def no_forward(**lookup: t.Any) -> t.Callable[[dict[str, t.Any]], object]:
    """The packet arrives and is not forwarded."""
    return lambda data: there(data).update(steps=[step("ip nat", "PREROUTING", "", "accept")], lookup=lookup)


TO = {"destination": WEB2.address}
WEB = {"container": "web", "interface": "eth0"}
VETH = {"container": "web", "interface": "veth1", "bridge": "fn-web"}


def rule(table: str, chain: str, text: str) -> dict[str, str]:
    return {"table": table, "chain": chain, "rule": text}


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
    "rp_filter": ({"h2": no_forward(error="Invalid cross-device link")}, Cause(C.REVERSE_PATH, "h2", TO)),
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
    "a queue that drops": (
        {"h1": lambda data: data["queues"].append({"kind": "netem", "link": "eth0", "text": "qdisc netem loss 100%"}),
         "h2": lambda data: there(data).update(steps=None)},
        Cause(C.QUEUE, "h1", {"queue": "netem", "interface": "eth0", "text": "qdisc netem loss 100%"}),
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
        {"h2": lambda data: interface(data).update(gateway=None)}, Cause(C.NO_DEFAULT_ROUTE, "h2", WEB),
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
        Cause(C.NO_GATEWAY, "h2", {"container": "web", "bridge": "fn-web", "gateway": "10.64.17.1"}, None, (UNSET,)),
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
    "dropped frames": (
        {"h2": lambda data: (data["neighbours"][1].update(lladdr=None, state=["FAILED"]),
                             data["network_info"]["firewall"]["tables"].append("bridge foreign"))},
        Cause(C.FRAME_TABLE, "h2", {"table": "bridge foreign"}),
    ),
    "a source rewritten": (
        {"h1": lambda data: there(data).update(steps=[step("ip nat", "POSTROUTING", "masquerade", "accept", "eth0")])},
        Cause(C.SOURCE_REWRITTEN, "h1", rule("ip nat", "POSTROUTING", "masquerade"), Owner.FOREIGN),
    ),
    "a destination rewritten": (
        {"h1": lambda data: there(data).update(steps=[step("ip nat", "DOCKER", "dnat to 10.9.9.9", "accept")])},
        Cause(C.REDIRECTED, "h1", rule("ip nat", "DOCKER", "dnat to 10.9.9.9"), Owner.DOCKER),
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
