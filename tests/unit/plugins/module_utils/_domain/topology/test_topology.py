# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From plan, reports and verdicts to a topology, and to its formats."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference, sentence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import (
    dot,
    mermaid,
    model,
    page,
    verified,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import (
    AS_DECLARED,
    BLOCKED,
    CHANGED,
    DRIFTED,
    LEAKING,
    MISSING,
    PROBE,
    UNDECLARED,
    UNKNOWN,
    UNTRIED,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import CoverageFile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import VerdictKind

from ..planning import GOLDEN, assert_golden
from .fleets import Fleet, damaged


def drawn(fleet, verdicts=None, **more):
    return build(fleet.hosts, fleet.peers, fleet.reports, verdicts, "2026-01-02 03:04 UTC", **more)


def state(topology, item_id):
    return next(item for item in [*topology.nodes, *topology.edges] if item.id == item_id).state


@pytest.fixture(name="fleet")
def _fleet():
    return Fleet()


FORMATS = {
    "topology.json": lambda topology: json.dumps(topology.to_data(), indent=1) + "\n",
    "topology.mmd": mermaid.render,
    "topology.dot": dot.render,
}


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name):
    fleet = damaged()
    verdicts, coverage = fleet.verdicts(most=1), fleet.coverage(most=1)
    fleet.stop_container("h1", "web-1")
    del fleet.reports["h3"]["forwarding"]
    text = FORMATS[name](drawn(fleet, verdicts, policy=fleet.policy, coverage=coverage))
    path = GOLDEN / "topology" / name
    if os.environ.get("FLEETNET_RECORD"):  # to record the output again; read the difference before committing it
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_fleet_as_declared_has_no_problems(fleet):
    topology = drawn(fleet, fleet.verdicts())
    assert not [item.id for item in [*topology.nodes, *topology.edges] if item.wrong]
    assert topology.summary()[1:] == [
        "all reports are as declared",
        "verified 2026-01-02 03:04 UTC: 111 of 111 probes as declared",
    ]


def test_the_coverage_is_summarized_and_in_the_document(fleet):
    lines = ["Coverage: 1 of 2 lines of the policy", "", "Not proven:", "  a line: no container"]
    coverage = CoverageFile(tuple(lines))
    topology = drawn(fleet, fleet.verdicts(), coverage=coverage)
    assert topology.summary()[-1] == lines[0]
    assert topology.to_data()["coverage"] == lines
    assert drawn(fleet, coverage=coverage).summary()[-1] == "not verified: no results of probes found"


def test_hosts_and_machines_outside_of_the_fleet_are_ends_of_probes(fleet):
    """A host itself is its node. A machine outside is not drawn, and what it probes counts at the container."""
    good = fleet.verdicts()[0]
    host = {**good["target"], "container": "", "network": "host", "address": "192.0.2.1", "kind": "host"}
    outside = {**host, "host": "lb", "network": "world", "kind": "outside"}
    failed = {**good, "kind": "leak", "problem": "passes", "explanation": None}
    topology = drawn(fleet, [{**failed, "source": host}, {**failed, "source": outside}])
    (edge,) = (edge for edge in topology.edges if edge.kind == "probe")
    container = f"container/{good['target']['host']}/{good['target']['container']}"
    assert {edge.source, edge.target} == {f"host/{host['host']}", container}
    assert edge.details[0].startswith(f"{host['host']} (192.0.2.1) to {good['target']['container']} on ")
    assert not [node for node in topology.nodes if node.name == "lb"]
    target = next(node for node in topology.nodes if node.id == container)
    assert (target.probes, target.passed) == (2, 0)


def test_without_verification_nothing_is_proven(fleet):
    topology = drawn(fleet)
    assert topology.summary()[-1] == "not verified: no results of probes found"
    assert not any(node.probes for node in topology.nodes)


def test_a_host_without_a_report_is_drawn_as_planned(fleet):
    verdicts = fleet.verdicts()
    del fleet.reports["h2"]
    topology = drawn(fleet, verdicts, failures={"h2": "connection refused"})
    for item in ("host/h2", "network/h2/web", "underlay/h2", "container/h2/web-1"):
        assert state(topology, item) == UNKNOWN
    host = next(node for node in topology.nodes if node.id == "host/h2")
    assert host.differences == ["no report: connection refused"]
    assert topology.summary()[1] == "1 host unknown"
    assert not [item.id for item in [*topology.nodes, *topology.edges] if item.wrong]


def test_a_deleted_route_is_missing_and_its_pairs_are_blocked(fleet):
    fleet.delete_route("h2", towards="h1")
    topology = drawn(fleet, fleet.verdicts())
    assert state(topology, "route/h2/10.64.0.0/20") == MISSING
    assert state(topology, "route/h1/10.64.16.0/20") == AS_DECLARED
    pairs = [{edge.source, edge.target} for edge in topology.edges if edge.kind == "probe"]
    assert {"container/h1/web-1", "container/h2/web-1"} in pairs
    assert all({end.split("/")[1] for end in pair} == {"h1", "h2"} for pair in pairs)
    assert "routes 1 of 2" in next(node for node in topology.nodes if node.id == "host/h2").label


def test_a_route_by_another_gateway_has_drifted(fleet):
    route = next(item for item in fleet.reports["h2"]["routes"] if item["destination"] == "10.64.0.0/20")
    route["gateway"] = "198.51.100.3"
    assert state(drawn(fleet), "route/h2/10.64.0.0/20") == DRIFTED


def test_an_undeclared_route_is_drawn_and_foreign_routes_are_not(fleet):
    fleet.reports["h1"]["routes"] += [
        {"destination": "10.99.0.0/16", "gateway": "198.51.100.2", "device": "eth0", "protocol": 213},
        {"destination": "0.0.0.0/0", "gateway": "198.51.100.254", "device": "eth0", "protocol": 3},
    ]
    edges = [edge for edge in drawn(fleet).edges if edge.state == UNDECLARED]
    assert [(edge.id, edge.target) for edge in edges] == [("route/h1/10.99.0.0/16", "host/h2")]


def test_networks_can_be_missing_undeclared_or_drifted(fleet):
    fleet.remove_network("h1", "db")
    fleet.add_network("h1", "compose_default", "172.20.0.0/16")
    fleet.network("h1", "web")["subnets"][0]["subnet"] = "10.99.0.0/24"
    topology = drawn(fleet)
    assert state(topology, "network/h1/db") == MISSING
    assert state(topology, "network/h1/compose_default") == UNDECLARED
    assert state(topology, "network/h1/web") == DRIFTED
    assert state(topology, "network/h2/web") == AS_DECLARED


def test_differences_are_drawn_where_they_belong(fleet):
    mtu = Difference("network", "web", "mtu", "1450", "1500")
    old = Difference("network", "old", "state", None, "present")
    bip = Difference("daemon", "mtu", "value", 1450, 1400)
    unit = Difference("unit", "fleetnet-reconciler.service", "state", "enabled and active", None)
    route = Difference("route", "10.64.16.0/20 via 198.51.100.2", "state", "present", None)
    found = {"networks": [mtu, old], "default_bridge": [bip], "host_routes": [unit, route]}
    parts = {name: {"differences": [each.to_data() for each in records]} for name, records in found.items()}
    fleet.add_network("h1", "old", "10.64.9.0/24")
    nodes = {node.id: node for node in drawn(fleet, parts={"h1": parts}).nodes}
    expected = {
        "network/h1/web": (DRIFTED, [mtu]),
        "network/h1/bridge": (DRIFTED, [bip]),
        "network/h1/old": (UNDECLARED, [old]),
        "host/h1": (DRIFTED, [unit]),
        "host/h2": (AS_DECLARED, []),
        "network/h2/web": (AS_DECLARED, []),
    }
    assert {place: (nodes[place].state, nodes[place].drift) for place in expected} == expected
    data = nodes["network/h1/web"].to_data()
    assert data["drift"] == [mtu.to_data()]
    assert data["differences"] == [sentence(mtu)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("not_tried", UNTRIED),
        ("not_observed", UNTRIED),
        ("blocked", BLOCKED),
        ("no_answer", BLOCKED),
        ("source_rewritten", CHANGED),
        ("answered_by_another", CHANGED),
        ("leak", LEAKING),
        ("arrives_though_denied", LEAKING),
        ("name_unresolved", BLOCKED),
        ("name_resolves_elsewhere", BLOCKED),
    ],
)
def test_a_failed_pair_is_drawn_by_its_kind(fleet, kind, expected):
    verdicts = fleet.verdicts()
    good = next(each for each in verdicts if each["source"]["host"] != each["target"]["host"])
    # Words and other values play no part.
    for text in ("not tried: nothing", "passes"):
        (edge,) = [each for each in drawn(fleet, [{**good, "kind": kind, "problem": text}]).edges if each.kind == PROBE]
        assert edge.state == expected


def test_every_kind_of_verdict_and_every_state_can_be_drawn(fleet):
    good = fleet.verdicts()[0]
    for kind in VerdictKind:
        edges = [each for each in drawn(fleet, [{**good, "kind": kind.value}]).edges if each.kind == PROBE]
        assert bool(edges) == (kind is not VerdictKind.AS_DECLARED)
    values = [
        getattr(model, name) for name in ("AS_DECLARED", "MISSING", "UNDECLARED", "DRIFTED", "UNKNOWN", "NEUTRAL")
    ]
    assert set(model.STATES) == {*values, BLOCKED, LEAKING, CHANGED, UNTRIED}
    assert set(model.STATES) > model.WRONG


ODD_END = {"host": "h1", "container": "a", "network": "b", "address": "c", "kind": "odd"}


@pytest.mark.parametrize(
    "change", [{"kind": "odd"}, {"kind": None}, {"source": "h1"}, {"source": {"host": "h1"}}, {"source": ODD_END}]
)
def test_entries_of_another_form_are_invalid(fleet, change):
    verdicts = fleet.verdicts()
    assert verified.parse(verdicts) == verdicts
    with pytest.raises(ValueError, match="not verdicts"):
        verified.parse([{**verdicts[0], **change}])


def test_a_host_whose_differences_are_unknown_has_drifted(fleet):
    host = next(node for node in drawn(fleet, failures={"h1": "refused"}).nodes if node.id == "host/h1")
    assert host.state == DRIFTED
    assert host.differences == ["differences from the plan are unknown: refused"]


def test_leaks_are_drawn_as_such(fleet):
    fleet.leak("h1", "h2")
    topology = drawn(fleet, fleet.verdicts())
    assert {edge.state for edge in topology.edges if edge.kind == "probe"} == {LEAKING}
    host = next(node for node in topology.nodes if node.id == "host/h1")
    assert 0 < host.passed < host.probes
    assert host.wrong


def test_many_failed_pairs_are_drawn_as_few_edges():
    fleet = Fleet(hosts=12)
    for number in range(2, 13):
        fleet.delete_route("h1", towards=f"h{number}")
    edges = [edge for edge in drawn(fleet, fleet.verdicts()).edges if edge.kind == "probe"]
    assert 0 < len(edges) <= 12
    assert {edge.source.split("/")[0] for edge in edges} == {"host"}


def test_a_container_that_was_probed_and_stopped_is_missing(fleet):
    verdicts = fleet.verdicts()
    fleet.stop_container("h1", "web-1")
    assert state(drawn(fleet, verdicts), "container/h1/web-1") == MISSING
    assert not any(node.id == "container/h1/web-1" for node in drawn(fleet).nodes)


def test_modes_of_containers(fleet):
    containers = fleet.reports["h1"]["containers"]
    fleet.reports["h1"]["networks"] += [
        {"name": name, "driver": driver, "subnets": [], "bridge": None}
        for name, driver in (("host", "host"), ("none", "null"))
    ]
    containers += [
        {"name": "alone", "mode": "none", "networks": []},
        {"name": "sidecar", "mode": "container:web-1", "networks": []},
        {"name": "both", "mode": "user-defined",
         "networks": [{"network": "web", "ipv4": "10.64.1.9/24"}, {"network": "db", "ipv4": "10.64.2.9/24"}]},
    ]  # fmt: skip
    containers[0]["ports"] = [
        {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080},
        {"port": 80, "protocol": "tcp", "host_address": "::", "host_port": 8080},
    ]
    topology = drawn(fleet)
    nodes = {node.id: node for node in topology.nodes}
    assert nodes["container/h1/alone"].parent == "network/h1/none"
    assert nodes["container/h1/sidecar"].parent == "network/h1/web"
    assert nodes["container/h1/both"].parent == "network/h1/db"
    assert nodes["container/h1/web-1"].label == ("web-1", "10.64.1.2", "8080→80/tcp")
    assert "network/h1/host" not in nodes  # it contains no container
    edges = {(edge.kind, edge.source, edge.target) for edge in topology.edges}
    assert ("attachment", "container/h1/both", "network/h1/web") in edges
    assert ("namespace", "container/h1/sidecar", "container/h1/web-1") in edges


def test_a_container_is_placed_in_a_declared_network_if_it_has_one(fleet):
    """The page does not draw undeclared networks by default."""
    fleet.add_network("h1", "a_compose_default", "172.20.0.0/16")
    end = {**fleet.container("h1", "web-1")["networks"][0], "network": "a_compose_default", "ipv4": "172.20.0.2/16"}
    fleet.container("h1", "web-1")["networks"].insert(0, end)
    topology = drawn(fleet)
    node = next(node for node in topology.nodes if node.id == "container/h1/web-1")
    assert node.parent == "network/h1/web"
    assert node.label == ("web-1", "10.64.1.2", "a_compose_default 172.20.0.2")
    edges = {(edge.kind, edge.source, edge.target) for edge in topology.edges}
    assert ("attachment", node.id, "network/h1/a_compose_default") in edges


def test_an_address_outside_of_the_declared_subnet_has_drifted(fleet):
    fleet.container("h1", "web-1")["networks"][0]["ipv4"] = "10.99.0.7/24"
    assert state(drawn(fleet), "container/h1/web-1") == DRIFTED


HOSTILE = "</script><script>alert(1)</script><!-- \"'`&{{data}}\\ |]"


def test_names_are_never_markup(fleet):
    fleet.container("h1", "web-1")["name"] = HOSTILE
    topology = drawn(fleet)
    template = "<p>{{policy}}</p><style>{{style}}</style><script id=data>{{data}}</script>{{scripts}}"
    html = page.render(topology, page.PageParts(template, "p{}", ["let a = '</script>';"]))
    assert html.count("<script") == html.count("</script") == 2
    assert "<!--" not in html
    data = html.partition("<script id=data>")[2].partition("</script>")[0]
    assert any(node["name"] == HOSTILE for node in json.loads(data)["nodes"])
    assert "<" not in mermaid.render(topology).replace("<br/>", "").replace("<-", "")
    assert "<script" not in dot.render(topology)
    assert dot.quote('a\\b"c\n') == '"a\\\\b\\"c\\n"'


def test_only_the_scripts_of_the_page_may_run(fleet):
    html = page.render(drawn(fleet), page.PageParts("{{policy}}", "", ["one", "two"]))
    assert "default-src 'none'" in html
    assert html.count("'sha256-") == 2
    assert "unsafe-eval" not in html
    assert "script-src 'unsafe" not in html


def test_what_a_host_reports_is_shown(fleet):
    links = fleet.reports["h1"]["links"]
    common = {"index": 3, "mtu": 1500, "state": "up", "master": None, "mac": None}
    links += [
        {**common, "name": "veth1", "kind": "veth", "addresses": []},
        {**common, "name": "veth2", "kind": "veth", "addresses": ["10.0.0.1/24"]},
        {**common, "name": "fn-web", "kind": "bridge", "addresses": []},
    ]
    host = next(node for node in drawn(fleet).nodes if node.id == "host/h1")
    assert host.observed["links"] == [
        "eth0: up, MTU 1500 bytes, 198.51.100.1/24",
        "veth2: up, MTU 1500 bytes, 10.0.0.1/24",
        "fn-web: up, MTU 1500 bytes",
    ]
    assert host.observed["routes"][0] == "10.64.16.0/20 via 198.51.100.2 dev eth0 protocol 213"


def test_a_network_with_another_driver_has_drifted(fleet):
    fleet.network("h1", "web")["driver"] = "macvlan"
    node = next(node for node in drawn(fleet).nodes if node.id == "network/h1/web")
    assert node.state == DRIFTED
    assert "network web: driver: declared bridge, observed macvlan" in node.differences


def test_details_and_places_of_undeclared_routes(fleet):
    gateways = {"10.99.0.0/16": "198.51.100.2", "10.98.0.0/16": "198.51.100.99", "10.97.0.0/16": None}
    fleet.reports["h1"]["routes"] += [
        {"destination": block, "gateway": gateway, "device": "eth0", "protocol": 213}
        for block, gateway in gateways.items()
    ]
    fleet.hosts["h1"]["link"] = None
    edges = [edge for edge in drawn(fleet).edges if edge.state == UNDECLARED]
    assert [(edge.target, edge.details) for edge in edges] == [
        ("host/h2", ["declared: no route", "observed: 10.99.0.0/16 via 198.51.100.2 dev eth0"]),
        ("segment/default", ["declared: no route", "observed: 10.98.0.0/16 via 198.51.100.99 dev eth0"]),
        ("segment/default", ["declared: no route", "observed: 10.97.0.0/16 dev eth0"]),
    ]


def test_states_and_their_looks():
    """Legends of all formats show these texts."""
    assert_golden(
        "topology_states.yml",
        {state: {**text._asdict(), "dot": list(dot._LOOKS[state])} for state, text in model.STATES.items()},
    )
