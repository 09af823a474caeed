# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what hosts tell to the cause in words: a case for each hop, and for each way to go wrong."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import End, Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.follow import explain

WEB1, WEB2 = End("h1", "web", "web", "10.64.1.2", 1500), End("h2", "web", "web", "10.64.17.2", 1500)
UNDERLAY = {"h1": "192.0.2.1", "h2": "192.0.2.2"}
FAILS, NO_ANSWER = "does not pass (timeout), and should: web is one network", "arrives, but no answer comes back"
LEAKS, REWRITTEN = "passes, and no line of the policy allows it", "passes, but its source address was changed to x"
OURS = "nftables: table fleetnet differs"


def step(table: str, chain: str, rule: str, verdict: str, oif: str | None = None) -> dict[str, t.Any]:
    return {"table": table, "chain": chain, "rule": rule, "verdict": verdict, "iif": "fn-web", "oif": oif}


PASSED = [step("ip fleetnet", "allowed", "accept", "accept", "eth0")]


def link(name: str, mac: str, kind: str | None = None, master: str | None = None, *addresses: str) -> dict[str, t.Any]:
    return {"name": name, "mac": mac, "kind": kind, "master": master, "mtu": 1500, "state": "up",
            "addresses": list(addresses)}  # fmt: skip


def good(end: End, other: End) -> dict[str, t.Any]:
    """A host on which nothing is wrong."""
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
            "containers": [{"name": "web", "networks": [{"network": "web"}], "interfaces": [interface]}],
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


def told(problem: str, packet: int | None = None, **damage: t.Callable[[dict[str, t.Any]], object]) -> str | None:
    """What is told where hosts (h1, h2) are damaged so."""
    evidence = {host: Evidence.from_data(data) for host, data in damaged(**damage).items()}
    return explain(problem, WEB1, WEB2, packet, evidence)


def damaged(**damage: t.Callable[[dict[str, t.Any]], object]) -> dict[str, dict[str, t.Any]]:
    hosts = {"h1": copy.deepcopy(good(WEB1, WEB2)), "h2": copy.deepcopy(good(WEB2, WEB1))}
    for host, do in damage.items():
        do(hosts[host])
    return hosts


# What is another word in IPv6, in what hosts tell and in what is made of it.
IN_IPV6 = {
    "10.64.": "fd00:64::", "192.0.2.": "2001:db8::", ".1.2": ":1:2", ".17.2": ":17:2", ".1.9": ":1:9",
    "ip fleetnet": "ip6 fleetnet", "ip filter": "ip6 filter", "ip raw": "ip6 raw", "ip saddr": "ip6 saddr",
    "net.ipv4.ip_forward": "net.ipv6.conf.all.forwarding", "does not answer ARP":
    "does not answer neighbour solicitations",
}  # fmt: skip
SWAPPED = {"ipv4": "ipv6", "ipv6": "ipv4"}


def in_ipv6(value: t.Any) -> t.Any:
    """The same of IPv6."""
    if isinstance(value, str):
        for one, other in IN_IPV6.items():
            value = value.replace(one, other)
        return SWAPPED.get(value, value)
    if isinstance(value, dict):
        # A link of a container has a gateway for each version, a route the one that it is for.
        renamed = {"gateway": "gateway_v6"} if "peer" in value else {}
        return {renamed.get(key, in_ipv6(key)): in_ipv6(each) for key, each in value.items()}
    return [in_ipv6(each) for each in value] if isinstance(value, list) else value


def drop(table: str, chain: str, rule: str) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda data: there(data).update(steps=[step(table, chain, rule, "drop", "eth0")])


def no_forward(**lookup: t.Any) -> t.Callable[[dict[str, t.Any]], object]:
    """It comes in, and is not forwarded."""
    return lambda data: there(data).update(steps=[step("ip nat", "PREROUTING", "", "accept")], lookup=lookup)


CASES: list[tuple[str, dict[str, t.Any], str]] = [
    ("a drop in raw", {"h2": drop("ip raw", "PREROUTING", "ip saddr 10.64.1.2 drop")},
     "h2: rule 'ip saddr 10.64.1.2 drop' of table ip raw, chain PREROUTING dropped it; it is not ours"),
    ("a drop of Docker's", {"h1": drop("ip filter", "DOCKER", "drop")},
     "h1: rule 'drop' of table ip filter, chain DOCKER dropped it; it is Docker's"),
    ("a policy", {"h1": drop("ip filter", "FORWARD", "")},
     "h1: the policy of table ip filter, chain FORWARD dropped it: nothing accepted it before"),
    ("our own rules", {"h1": lambda data: (drop("ip fleetnet", "between", "drop")(data), data["checks"].append(OURS))},
     f"h1: our rule 'drop' of table ip fleetnet, chain between dropped it ({OURS})"),
    ("no route", {"h1": no_forward(error="Network is unreachable")}, "h1: no way to 10.64.17.2: there is no route"),
    ("a blackhole", {"h1": no_forward(error="Invalid argument")},
     "h1: no way to 10.64.17.2: a blackhole route drops it"),
    ("rp_filter", {"h2": no_forward(error="Invalid cross-device link")},
     "h2: no way to 10.64.17.2: rp_filter drops it: the way back to its source is by another link"),
    ("forwarding off",
     {"h1": lambda data: (no_forward(dev="eth0")(data), data["network_info"]["forwarding"].update(ipv4=False))},
     "h1: the host does not forward: net.ipv4.ip_forward is 0"),
    ("a wrong next hop", {"h1": lambda data: there(data)["lookup"].update(gateway="192.0.2.9")},
     "h1: the route to 10.64.17.2 leads by way of 192.0.2.9, which is not h2"),
    ("a stale neighbour", {"h1": lambda data: data["neighbours"][0].update(lladdr="02:ff"),
                           "h2": lambda data: there(data).update(steps=None)},
     "h1: neighbour 192.0.2.2 is 02:ff, which h2 is not"),
    ("a queue that loses", {"h1": lambda data: data["queues"].append(
        {"kind": "netem", "link": "eth0", "text": "qdisc netem loss 100%"}),
        "h2": lambda data: there(data).update(steps=None)},
     "h1: queueing discipline netem on link eth0 may lose packets: qdisc netem loss 100%"),
    ("nothing comes in", {"h2": lambda data: there(data).update(steps=None)},
     "h2: what h1 sent to 192.0.2.2 did not come in"),
    ("a container's link down", {"h2": lambda data: interface(data).update(state="down")},
     "h2: container web: its link eth0 is down"),
    ("another address", {"h1": lambda data: interface(data).update(addresses=["10.64.1.9/24"])},
     "h1: container web: its link eth0 has lost address 10.64.1.2, and has: 10.64.1.9/24"),
    ("no default route", {"h2": lambda data: interface(data).update(gateway=None)},
     "h2: container web has no default route"),
    ("a bridge down", {"h2": lambda data: links(data)["fn-web"].update(state="down")}, "h2: link fn-web is down"),
    ("no port", {"h1": lambda data: interface(data).update(bridge=None)},
     "h1: link veth1 of container web is no port of bridge fn-web"),
    ("a wrong bridge", {"h1": lambda data: interface(data).update(bridge="eth0")},
     "h1: link veth1 of container web is a port of bridge eth0, not of fn-web"),
    ("a wrong last neighbour", {"h2": lambda data: data["neighbours"][1].update(lladdr="02:ff")},
     "h2: neighbour 10.64.17.2 is 02:ff, and container web is aa:h2"),
    ("no ARP", {"h2": lambda data: data["neighbours"][1].update(lladdr=None, state=["FAILED"])},
     "h2: neighbour 10.64.17.2 does not answer ARP"),
    ("frames are dropped", {"h2": lambda data: (data["neighbours"][1].update(lladdr=None, state=["FAILED"]),
                                                data["network_info"]["firewall"]["tables"].append("bridge foreign"))},
     "h2: table bridge foreign may drop frames; it is not ours"),
    ("what our scripts find", {"h2": lambda data: data["checks"].append(OURS)}, f"h2: {OURS}"),
    ("nothing at all", {}, "h2: it was seen here last, and met nothing that drops it"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_should_pass_and_does_not(damage, text):
    assert told(FAILS, **damage) == text


@pytest.mark.parametrize(("damage", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_same_is_told_of_ipv6(damage, text):
    evidence = {host: Evidence.from_data(in_ipv6(data)) for host, data in damaged(**damage).items()}
    ends = (end._replace(address=in_ipv6(end.address)) for end in (WEB1, WEB2))
    assert explain(FAILS, *ends, None, evidence) == in_ipv6(text)


def test_an_answer_that_gets_lost_is_looked_for_on_the_way_back():
    def damage(data):
        back = next(flow for flow in data["flows"] if flow["source"] == WEB2.address)
        back.update(steps=[step("ip mangle", "FORWARD", "drop", "drop", "eth0")])

    assert told(NO_ANSWER, h2=damage) == "h2: rule 'drop' of table ip mangle, chain FORWARD dropped it; it is not ours"


def test_a_packet_that_is_too_big_names_the_links_that_are_too_small():
    assert told(FAILS, 1500, h2=lambda data: links(data)["fn-web"].update(mtu=1300)) == "h2: link fn-web has MTU 1300"
    text = told(FAILS, 1500, h1=lambda data: interface(data).update(mtu=1400))
    assert text == "h1: container web's link eth0 has MTU 1400"


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_a_source_that_was_rewritten_names_the_rule(family):
    masquerade = step("ip nat", "POSTROUTING", "ip saddr 10.64.0.0/12 masquerade", "accept", "eth0")
    own = step(f"{family} fleetnet", "postrouting", f"{family} saddr X snat to {family} saddr", "accept", "eth0")
    text = told(REWRITTEN, h1=lambda data: there(data).update(steps=[own, masquerade]))
    assert text == (
        "h1: rule 'ip saddr 10.64.0.0/12 masquerade' of table ip nat, chain POSTROUTING changes the source address; it "
        "is not ours"
    )


def test_what_passes_and_should_not_names_what_let_it_through():
    assert told(LEAKS) == (
        "h1: rule 'accept' of table ip fleetnet, chain allowed lets it through; "
        "h2: rule 'accept' of table ip fleetnet, chain allowed lets it through"
    )

    def gone(data):
        there(data).update(steps=[])
        data["network_info"]["firewall"]["owned"] = False

    text = told(LEAKS, h1=gone, h2=lambda data: data["checks"].append(OURS))
    assert text == f"h1: table ip fleetnet is not loaded; h2: {OURS}"


def test_what_was_not_traced_is_not_explained():
    def untraced(data):
        data["flows"] = []

    assert told(FAILS, h1=untraced) is None
    assert explain(FAILS, WEB1, WEB2, None, {}) is None
