# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes that no trace shows: in containers, at bridges, in tables of routes, queues and connection tracking."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, Location, Owner
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe, PublishedPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from .damaged_hosts import (
    PASSED,
    WEB1,
    WEB2,
    C,
    K,
    both,
    damaged,
    find,
    find_causes,
    good,
    in_ipv6,
    interface,
    links,
    no_forward,
    rule,
    step,
    there,
    verdict_of,
)

Damage = t.Callable[[dict[str, t.Any]], object]
TO = {"destination": WEB2.address}


def state(**values: t.Any) -> Damage:
    return lambda data: data["state"].update(values)


def inside(**values: t.Any) -> Damage:
    return lambda data: data["namespaces"][0].update(values)


def unseen(data: dict[str, t.Any]) -> None:
    there(data).update(steps=None)


def port(name: str = "veth1", **values: t.Any) -> Damage:
    return state(bridge_ports=[{"name": name, "bridge": "fn-web", "state": "forwarding", "isolated": False, **values}])


def chain(table: str, hook: str, *rules: str, policy: str = "accept", device: str | None = None) -> dict[str, t.Any]:
    return {"table": table, "name": "c", "hook": hook, "device": device, "policy": policy, "rules": list(rules)}


def frames(*chains: dict[str, t.Any]) -> Damage:
    return state(frame_chains=list(chains))


def routing_rule(priority: int, table: int | None = 254, action: str | None = None, **more: t.Any) -> dict[str, t.Any]:
    """A routing rule for all packets."""
    empty = dict.fromkeys(("source", "destination", "incoming", "mark", "mask"))
    return {"version": 4, "priority": priority, "table": table, "action": action, "other": False, **empty, **more}


def route(destination: str, gateway: str | None, table: int = 254, kind: str = "unicast") -> dict[str, t.Any]:
    device = "eth0" if kind == "unicast" else None
    return {"destination": destination, "gateway": gateway, "device": device, "protocol": 3, "table": table,
            "type": kind, "metric": None}  # fmt: skip


USUAL = (routing_rule(0, 255), routing_rule(32766))
DEFAULT = route("0.0.0.0/0", "192.0.2.9")
SPECIFIC = route("10.64.17.2/32", "192.0.2.9")
BLOCK = route("10.64.16.0/20", "192.0.2.2")
BLACKHOLE = route("10.64.17.2/32", None, 254, "blackhole")


def named(route: dict[str, t.Any]) -> dict[str, t.Any]:
    return {key: route[key] for key in ("destination", "gateway", "device", "type", "table")}


def routing(*routes: dict[str, t.Any], rules: t.Sequence[dict[str, t.Any]] = USUAL) -> Damage:
    return state(routes=list(routes), routing_rules=list(rules))


def unanswered(data: dict[str, t.Any]) -> None:
    """The host does not know the MAC address of the container."""
    data["neighbours"][1].update(lladdr=None, state=["FAILED"])


def unresolved_gateway(data: dict[str, t.Any]) -> None:
    """The container does not know that of its gateway."""
    data["namespaces"][0]["neighbours"] = [{"dst": "10.64.1.1", "state": ["FAILED"]}]


HOP = {**TO, "gateway": "192.0.2.9", "interface": "eth0", "target": "h2"}
FOREIGN_RULE = routing_rule(100, 77, source="10.64.1.0/24")
PROHIBIT = routing_rule(90, None, "prohibit", destination="10.64.17.2/32")
OF_MARK = routing_rule(80, 78, mark=5, mask=255)
DROP_ARP = chain("bridge other", "prerouting", "arp operation request drop")
INGRESS = chain("netdev other", "ingress", "ip saddr 10.64.1.0/24 drop", device="eth0")

CASES: dict[str, tuple[dict[str, Damage], Cause]] = {
    "a blocked port": (
        {"h1": port(state="disabled")},
        Cause(C.PORT_BLOCKED, "h1",
              {"container": "web", "interface": "veth1", "bridge": "fn-web", "state": "disabled"}),
    ),
    "a rule in the source's container": (
        {"h1": inside(chains=[chain("ip filter", "output", "ip daddr 10.64.17.0/24 counter drop")])},
        Cause(C.DROPPED_INSIDE, "h1",
              {"container": "web", **rule("ip filter", "c", "ip daddr 10.64.17.0/24 counter drop")}),
    ),
    "a policy in the source's container": (
        {"h1": inside(chains=[chain("inet own", "output", "tcp dport 80 accept", policy="drop")])},
        Cause(C.DROPPED_INSIDE, "h1", {"container": "web", **rule("inet own", "c", "")}),
    ),
    "a more specific route in the container": (
        {"h1": inside(lookups=[{"destination": WEB2.address, "gateway": "10.64.1.9", "dev": "eth0"}])},
        Cause(C.WRONG_ROUTE_INSIDE, "h1",
              {"container": "web", **TO, "gateway": "10.64.1.9", "interface": "eth0", "declared": "10.64.1.1"}),
    ),
    "a blackhole in the container": (
        {"h1": inside(lookups=[{"destination": WEB2.address, "error": "Invalid argument"}])},
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {"container": "web", **TO, "error": "Invalid argument"}),
    ),
    "a prohibiting route in the container": (
        {"h1": inside(lookups=[{"destination": WEB2.address, "type": "prohibit", "dev": "lo"}])},
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {"container": "web", **TO, "type": "prohibit"}),
    ),
    "a wrong neighbour in the container": (
        {"h1": lambda data: data["namespaces"][0]["neighbours"][0].update(lladdr="02:ff")},
        Cause(C.WRONG_NEIGHBOUR, "h1",
              {"inside": "web", "address": "10.64.1.1", "observed": "02:ff", "mac": "02:b"}),
    ),
    "a queue in the container": (
        {"h1": inside(queues=[{"link": "eth0", "kind": "tbf", "handle": "1:", "lost": 3}])},
        Cause(C.QUEUE, "h1", {"container": "web", "interface": "eth0", "queue": "tbf", "lost": 3}),
    ),
    "no ARP in the container": (
        {"h1": both(unresolved_gateway, unseen), "h2": unseen},
        Cause(C.NO_NEIGHBOUR, "h1", {"inside": "web", "address": "10.64.1.1", "protocol": "ARP"}),
    ),
    "a rule for frames that drops ARP of the container": (
        {"h1": both(unresolved_gateway, unseen, frames(DROP_ARP)), "h2": unseen},
        Cause(C.FRAMES_DROPPED, "h1", {**rule("bridge other", "c", "arp operation request drop"), "protocol": "ARP"}),
    ),
    "a rule for frames that drops ARP of the host": (
        {"h2": both(unanswered, frames(chain("arp filter", "output", "arp daddr ip 10.64.17.2 drop")))},
        Cause(C.FRAMES_DROPPED, "h2", {**rule("arp filter", "c", "arp daddr ip 10.64.17.2 drop"), "protocol": "ARP"}),
    ),
    "a rule at the underlay's interface": (
        {"h2": both(unseen, frames(INGRESS))},
        Cause(C.FRAMES_DROPPED, "h2", {**rule("netdev other", "c", "ip saddr 10.64.1.0/24 drop"), "protocol": None}),
    ),
    "a rule of inet at the underlay's interface": (
        {"h2": both(unseen, frames(chain("inet other", "ingress", "ip saddr 10.64.1.2 drop", device="eth0")))},
        Cause(C.FRAMES_DROPPED, "h2", {**rule("inet other", "c", "ip saddr 10.64.1.2 drop"), "protocol": None}),
    ),
    "a traced rule of a bridge": (
        {"h1": lambda data: there(data).update(steps=[step("bridge other", "c", "ip saddr 10.64.1.2 drop", "drop")])},
        Cause(C.DROPPED, "h1", rule("bridge other", "c", "ip saddr 10.64.1.2 drop"), Owner.FOREIGN),
    ),
    "a duplicate in the network": (
        {"h2": lambda data: data["network_info"]["containers"].append(copy_of(data, "copy"))},
        Cause(C.DUPLICATE_ADDRESS, "h2", {"address": WEB2.address, "owners": ["container web", "container copy"]}),
    ),
    "a container with the gateway's address": (
        {"h1": lambda data: data["network_info"]["containers"].append(copy_of(data, "copy", "10.64.1.1/24"))},
        Cause(C.DUPLICATE_ADDRESS, "h1",
              {"address": "10.64.1.1", "owners": ["interface fn-web", "container copy"]}),
    ),
    "a duplicate in the underlay": (
        {"h1": lambda data: links(data)["eth0"]["addresses"].append("192.0.2.2/24"), "h2": unseen},
        Cause(C.DUPLICATE_ADDRESS, "h1", {"address": "192.0.2.2", "owners": ["host h1", "host h2"]}),
    ),
    "a queue of the host": (
        {"h1": state(queues=[{"link": "eth0", "kind": "netem", "handle": "1:", "lost": 5}]), "h2": unseen},
        Cause(C.QUEUE, "h1", {"interface": "eth0", "container": None, "queue": "netem", "lost": 5}),
    ),
    "connection tracking is full": (
        {"h2": both(unseen, state(connections={"count": 99, "most": 100, "lost": 7}))},
        Cause(C.CONNECTIONS_FULL, "h2", {"count": 99, "most": 100, "lost": 7}),
    ),
    "one interface does not forward": (
        {"h1": both(no_forward(error="No route to host", iif="fn-web"), state(forwarding={"fn-web": False}))},
        Cause(C.NOT_FORWARDING, "h1", {"sysctl": "net.ipv4.conf.fn-web.forwarding"}),
    ),
    "a more specific route": (
        {"h1": both(lambda data: there(data)["lookup"].update(gateway="192.0.2.9"), routing(DEFAULT, BLOCK, SPECIFIC))},
        Cause(C.WRONG_NEXT_HOP, "h1", {**HOP, "route": named(SPECIFIC)}),
    ),
    "a route of another table": (
        {"h1": both(lambda data: there(data)["lookup"].update(gateway="192.0.2.9"),
                    routing(BLOCK, {**DEFAULT, "table": 77}, rules=[*USUAL, FOREIGN_RULE]))},
        Cause(C.WRONG_NEXT_HOP, "h1",
              {**HOP, "route": named({**DEFAULT, "table": 77}), "routing_rule": FOREIGN_RULE}),
    ),
    "a route for a mark": (
        {"h1": both(lambda data: there(data)["lookup"].update(gateway="192.0.2.9", mark="0x5"),
                    routing(BLOCK, {**DEFAULT, "table": 78}, rules=[*USUAL, OF_MARK]))},
        Cause(C.WRONG_NEXT_HOP, "h1", {**HOP, "route": named({**DEFAULT, "table": 78}), "routing_rule": OF_MARK}),
    ),
    "a blackhole by a route": (
        {"h1": both(no_forward(error="Invalid argument", iif="fn-web"), routing(BLOCK, BLACKHOLE))},
        Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "blackhole", "route": named(BLACKHOLE)}),
    ),
    "a prohibiting routing rule": (
        {"h1": both(no_forward(error="Permission denied", iif="fn-web"), routing(BLOCK, rules=[*USUAL, PROHIBIT]))},
        Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "prohibit", "routing_rule": PROHIBIT}),
    ),
    "a route that the kernel's answer does not confirm": (
        {"h1": both(lambda data: there(data)["lookup"].update(gateway="192.0.2.9"), routing(BLOCK))},
        Cause(C.WRONG_NEXT_HOP, "h1", HOP),
    ),
}  # fmt: skip


def copy_of(data: dict[str, t.Any], name: str, *addresses: str) -> dict[str, t.Any]:
    """Another container at the same bridge, with the same address unless others are given."""
    found = interface(data)
    return {
        "name": name,
        "networks": [],
        "interfaces": [{**found, "addresses": list(addresses) or list(found["addresses"])}],
    }


@pytest.mark.parametrize("name", CASES)
def test_a_blocked_probe(name):
    damage, cause = CASES[name]
    assert find_causes(K.BLOCKED, **damage) == [cause]


# Evidence that does not explain the loss of this packet by itself.
INNOCENT: dict[str, Damage] = {
    "a rule for another address": inside(chains=[chain("ip filter", "output", "ip daddr 10.9.9.9 drop")]),
    "a rule for another port": inside(chains=[chain("ip filter", "output", "tcp dport 80 drop")]),
    "a rule after one that accepts": inside(chains=[chain("ip filter", "output", "ct state new accept", "drop")]),
    "a rule with a condition that is not known": inside(chains=[chain("ip filter", "output", "limit rate 1/day drop")]),
    "a condition that nft does not print": inside(chains=[chain("ip filter", "output", "ip saddr 10.64.1.2  drop")]),
    "a negated field of another protocol": inside(chains=[chain("ip filter", "output", "tcp dport != 80 drop")]),
    "a rule for received packets": inside(chains=[chain("ip filter", "input", "drop")]),
    "a rule of IPv6": inside(chains=[chain("ip6 filter", "output", "drop")]),
    "a policy behind an unknown rule": inside(chains=[chain("ip f", "output", "meta mark 5 accept", policy="drop")]),
    "a queue that dropped nothing": state(queues=[{"link": "eth0", "kind": "netem", "handle": "1:", "lost": 0}]),
    "a queue elsewhere": state(queues=[{"link": "eth9", "kind": "netem", "handle": "1:", "lost": 9}]),
    "a queue whose loss is not known": state(queues=[{"link": "eth0", "kind": "tbf", "handle": "1:", "lost": None}]),
    "many connections, none dropped": state(connections={"count": 100, "most": 100, "lost": 0}),
    "dropped packets, few connections": state(connections={"count": 5, "most": 100, "lost": 3}),
    "no connection tracking": state(connections={"count": None, "most": None, "lost": None}),
    "a table for frames on another interface": frames(chain("netdev other", "ingress", "drop", device="eth9")),
    "rules for frames of this collection": frames(chain("bridge fleetnet", "prerouting", "drop")),
    "rules for ARP, which works": frames(DROP_ARP),
    "one isolated port": port(isolated=True),
    "an interface that forwards": state(forwarding={"fn-web": True, "eth9": False}),
    "a routing rule for others": routing(BLOCK, rules=[*USUAL, {**PROHIBIT, "source": "10.9.0.0/16"}]),
}  # fmt: skip


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_evidence_is_not_a_cause(name):
    found = find(K.BLOCKED, h1=both(INNOCENT[name]), h2=unseen)
    assert (found.causes, found.location) == ((), Location("h1", "h2"))


def test_isolated_ports_of_one_bridge():
    other = Endpoint("h1", "web2", "web", "10.64.1.3")
    data = good(WEB1, other)
    second = copy_of(data, "web2", "10.64.1.3/24")
    second["interfaces"][0]["peer"] = "veth2"
    data["network_info"]["containers"].append(second)
    data["network_info"]["links"].append({**links(data)["veth1"], "name": "veth2"})
    data["namespaces"] = []
    ports = [{"name": name, "bridge": "fn-web", "state": "forwarding", "isolated": True} for name in ("veth1", "veth2")]
    data["state"]["bridge_ports"] = ports
    (cause,) = explain(verdict_of(K.BLOCKED, WEB1, other), {"h1": Evidence.from_data(data)}).causes
    assert cause == Cause(C.PORTS_ISOLATED, "h1", {"bridge": "fn-web", "interfaces": ["veth1", "veth2"]})
    ports[0]["isolated"] = False
    assert explain(verdict_of(K.BLOCKED, WEB1, other), {"h1": Evidence.from_data(data)}).causes == ()


@pytest.mark.parametrize(
    ("rules", "host", "hook"),
    [
        ("icmp type echo-request drop", "h2", "input"),
        ("icmp type echo-reply drop", "h2", "output"),
        ("ct state established drop", "h1", "input"),
    ],
)
def test_a_rule_in_a_container_that_drops_the_answer(rules, host, hook):
    damage = inside(chains=[chain("ip filter", hook, rules)])
    values = {"container": "web", **rule("ip filter", "c", rules)}
    assert find_causes(K.NO_ANSWER, **{host: damage}) == [Cause(C.DROPPED_INSIDE, host, values)]


UNTRACK = "ip saddr 10.64.1.2 notrack"


@pytest.mark.parametrize(
    "text", [UNTRACK, "ct zone set 5", "ct original zone set 5", 'ip saddr 10.64.1.2 xt target "CT"']
)
def test_packets_without_a_connection(text):
    """The answer is dropped by rules of this collection, and a rule of others is the cause."""

    def damage(data):
        there(data).update(steps=[step("ip other", "c", text, "continue"), *PASSED])
        data["flows"][1].update(steps=[step("ip fleetnet", "between", "drop", "drop", "eth0")])

    expected = Cause(C.UNTRACKED, "h1", rule("ip other", "c", text), Owner.FOREIGN)
    assert find_causes(K.NO_ANSWER, h1=damage) == [expected]
    # Other faults explain the loss by themselves.
    causes = find_causes(K.NO_ANSWER, h1=damage, h2=lambda data: interface(data).update(state="down"))
    assert [cause.kind for cause in causes] == [C.INTERFACE_DOWN, C.UNTRACKED]
    by_others = [step("ip other", "c", text, "continue"), step("ip raw", "PREROUTING", "drop", "drop")]
    causes = find_causes(K.BLOCKED, h1=lambda data: there(data).update(steps=by_others))
    assert [cause.kind for cause in causes] == [C.DROPPED]


def test_rules_for_arp_do_not_explain_a_neighbour_of_ipv6():
    hosts = damaged(h1=both(unresolved_gateway, unseen), h2=unseen)
    evidence = {host: in_ipv6(data) for host, data in hosts.items()}
    evidence["h1"]["state"]["frame_chains"] = [DROP_ARP]
    ends = [end._replace(address=in_ipv6(end.address)) for end in (WEB1, WEB2)]
    found = explain(verdict_of(K.BLOCKED, *ends), {host: Evidence.from_data(data) for host, data in evidence.items()})
    assert [cause.kind for cause in found.causes] == [C.NO_NEIGHBOUR]


PORT = PublishedPort("tcp", 80, "192.0.2.2", 8080, forwarded=True)
HELD = {"container": "web", "port": "192.0.2.2:8080"}


def published(kind: VerdictKind, damage: Damage, port: PublishedPort = PORT) -> tuple[Cause, ...]:
    """The causes of a failed probe of a published port of h2."""
    probe = Probe(WEB1, WEB2, "tcp", 80, 0, "a line", published=port)
    hosts = damaged(h2=damage)
    return explain(Verdict(probe, kind), {host: Evidence.from_data(data) for host, data in hosts.items()}).causes


def binding(**values: t.Any) -> Damage:
    """The published port of the container as the host reports it now."""
    port = {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080, "nat_rules": [],
            "proxy_pid": None, **values}  # fmt: skip
    return lambda data: data["network_info"]["containers"][0].update(ports=[port])


def listener(process: str, address: str = "0.0.0.0", port: int = 8080) -> Damage:
    return state(listeners=[{"protocol": "tcp", "address": address, "port": port, "process": process, "pid": 17}])


@pytest.mark.parametrize("kind", [K.BLOCKED, K.NO_ANSWER, K.ANSWERED_BY_ANOTHER])
def test_a_process_that_holds_a_published_port(kind):
    expected = (Cause(C.PORT_HELD, "h2", {**HELD, "process": "nginx", "pid": 17}),)
    assert published(kind, both(binding(), listener("nginx"))) == expected
    assert published(kind, both(binding(), listener("nginx", "192.0.2.2"))) == expected


@pytest.mark.parametrize(
    "damage",
    [
        binding(),
        both(binding(), listener("docker-proxy")),
        both(binding(), listener("dockerd")),
        both(binding(), listener("nginx", "127.0.0.1")),
        both(binding(), listener("nginx", port=8081)),
        binding(nat_rules=["dnat"], host_port=8081),
    ],
)
def test_a_published_port_that_nothing_forwards(damage):
    assert published(K.BLOCKED, damage) == (Cause(C.NOT_PUBLISHED, "h2", HELD),)


def test_a_published_port_that_is_forwarded_is_not_a_cause():
    assert published(K.BLOCKED, binding(nat_rules=["dnat"])) == ()
    assert published(K.BLOCKED, both(binding(proxy_pid=9), listener("docker-proxy"))) == ()
    (cause,) = published(K.BLOCKED, both(binding(), lambda data: interface(data).update(state="down")))
    assert cause.kind is C.INTERFACE_DOWN
    assert published(K.LEAK, both(binding(), listener("nginx"))) == ()


def test_a_name_that_does_not_resolve_without_the_rules_of_dockers_dns():
    probe = Probe(WEB1, WEB1, "dns", None, 0, "a line", name="web")

    def causes(kind: VerdictKind, *damage: Damage) -> tuple[Cause, ...]:
        data = damaged(h1=both(*damage))
        return explain(Verdict(probe, kind), {host: Evidence.from_data(each) for host, each in data.items()}).causes

    lost = inside(embedded_dns=False)
    assert causes(K.NAME_UNRESOLVED, lost) == (Cause(C.NO_DNS_RULES, "h1", {"container": "web"}),)
    assert causes(K.NAME_UNRESOLVED) == ()
    assert causes(K.NAME_RESOLVES_ELSEWHERE, lost) == ()
