# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, reports and verdicts to a topology, and the topology as text."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import dot, mermaid, page
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build

from ..planning import GOLDEN
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
    verdicts = fleet.verdicts(most=1)
    fleet.stop_container("h1", "web-1")
    del fleet.reports["h3"]["forwarding"]
    text = FORMATS[name](drawn(fleet, verdicts))
    path = GOLDEN / "topology" / name
    if os.environ.get("FLEETNET_RECORD"):  # to make the output anew; read the difference before committing it
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_nothing_is_wrong_where_all_is_as_declared(fleet):
    topology = drawn(fleet, fleet.verdicts())
    assert not [item.id for item in [*topology.nodes, *topology.edges] if item.wrong]
    assert topology.summary()[1:] == [
        "everything that was looked at is as declared",
        "verified 2026-01-02 03:04 UTC: 87 of 87 probes as declared",
    ]


def test_without_verification_nothing_is_called_proven(fleet):
    topology = drawn(fleet)
    assert topology.summary()[-1] == "not verified: no results of probes were found"
    assert not any(node.probes for node in topology.nodes)


def test_a_host_without_a_report_is_drawn_as_planned(fleet):
    verdicts = fleet.verdicts()
    del fleet.reports["h2"]
    topology = drawn(fleet, verdicts, failures={"h2": "connection refused"})
    for item in ("host/h2", "network/h2/web", "underlay/h2", "container/h2/web-1"):
        assert state(topology, item) == "not looked at"
    host = next(node for node in topology.nodes if node.id == "host/h2")
    assert host.differences == ["no report: connection refused"]
    assert topology.summary()[1] == "1 host not looked at"
    assert not [item.id for item in [*topology.nodes, *topology.edges] if item.wrong]


def test_a_deleted_route_is_missing_and_its_pairs_do_not_pass(fleet):
    fleet.delete_route("h2", towards="h1")
    topology = drawn(fleet, fleet.verdicts())
    assert state(topology, "route/h2/10.64.0.0/20") == "missing"
    assert state(topology, "route/h1/10.64.16.0/20") == "as declared"
    pairs = [{edge.source, edge.target} for edge in topology.edges if edge.kind == "probe"]
    assert {"container/h1/web-1", "container/h2/web-1"} in pairs
    assert all({end.split("/")[1] for end in pair} == {"h1", "h2"} for pair in pairs)
    assert "routes 1 of 2" in next(node for node in topology.nodes if node.id == "host/h2").label


def test_a_route_by_another_gateway_has_drifted(fleet):
    route = next(item for item in fleet.reports["h2"]["routes"] if item["destination"] == "10.64.0.0/20")
    route["gateway"] = "198.51.100.3"
    assert state(drawn(fleet), "route/h2/10.64.0.0/20") == "drifted"


def test_a_route_that_nobody_declared_shows_and_those_of_others_do_not(fleet):
    fleet.reports["h1"]["routes"] += [
        {"destination": "10.99.0.0/16", "gateway": "198.51.100.2", "device": "eth0", "protocol": 213},
        {"destination": "0.0.0.0/0", "gateway": "198.51.100.254", "device": "eth0", "protocol": 3},
    ]
    edges = [edge for edge in drawn(fleet).edges if edge.state == "not declared"]
    assert [(edge.id, edge.target) for edge in edges] == [("route/h1/10.99.0.0/16", "host/h2")]


def test_networks_missing_undeclared_and_drifted_are_told_apart(fleet):
    fleet.remove_network("h1", "db")
    fleet.add_network("h1", "compose_default", "172.20.0.0/16")
    fleet.network("h1", "web")["subnets"][0]["subnet"] = "10.99.0.0/24"
    topology = drawn(fleet)
    assert state(topology, "network/h1/db") == "missing"
    assert state(topology, "network/h1/compose_default") == "not declared"
    assert state(topology, "network/h1/web") == "drifted"
    assert state(topology, "network/h2/web") == "as declared"


def test_what_would_be_changed_is_shown_where_it_belongs(fleet):
    parts = {
        "networks": {
            "diff": {
                "before": {"web": {"mtu": "1500"}, "old": {"driver": "bridge"}},
                "after": {"web": {"mtu": "1450"}, "db": {"driver": "bridge"}},
            }
        },
        "default_bridge": {
            "diff": [
                {"before": '{"mtu": 1400, "icc": false}', "after": '{"mtu": 1450, "icc": false}',
                 "before_header": "/etc/docker/daemon.json"}
            ]
        },
        "bridge_routing": {
            "diff": [
                {"before_header": "kernel", "before": "sysctl: net.ipv4.ip_forward is 0, not 1\n", "after": ""},
                {"before_header": "/etc/fleetnet/firewall.nft", "before": "", "after": "table"},
            ]
        },
        "host_routes": {
            "diff": [
                {"before_header": "kernel", "before": "routes: missing 10.64.16.0/20 via 198.51.100.2\n", "after": ""},
                {"before_header": "units", "before": "fleetnet-routes-reassert.timer does not run\n", "after": ""},
            ]
        },
    }  # fmt: skip
    fleet.add_network("h1", "old", "10.64.9.0/24")
    nodes = {node.id: node for node in drawn(fleet, parts={"h1": parts}).nodes}
    assert nodes["network/h1/web"].differences == ["mtu: declared 1450, observed 1500"]
    assert nodes["network/h1/bridge"].differences == ["mtu: declared 1450, observed 1400"]
    assert nodes["host/h1"].differences == [
        "sysctl: net.ipv4.ip_forward is 0, not 1",
        "/etc/fleetnet/firewall.nft is missing",
        "fleetnet-routes-reassert.timer does not run",
    ]
    for place in ("network/h1/web", "network/h1/bridge", "host/h1"):
        assert nodes[place].state == "drifted"
    assert nodes["network/h1/old"].state == "not declared"
    assert nodes["network/h1/old"].differences == ["carries the label of this collection, and no declaration names it"]
    assert nodes["host/h2"].state == nodes["network/h2/web"].state == "as declared"


def test_a_host_that_only_says_what_is_there(fleet):
    host = next(node for node in drawn(fleet, failures={"h1": "refused"}).nodes if node.id == "host/h1")
    assert host.state == "drifted"
    assert host.differences == ["what would be changed cannot be told: refused"]


def test_leaks_and_blocks_differ(fleet):
    fleet.leak("h1", "h2")
    topology = drawn(fleet, fleet.verdicts())
    assert {edge.state for edge in topology.edges if edge.kind == "probe"} == {"passes undeclared"}
    host = next(node for node in topology.nodes if node.id == "host/h1")
    assert 0 < host.passed < host.probes
    assert host.wrong


def test_many_failed_pairs_become_few_edges():
    fleet = Fleet(hosts=12)
    for number in range(2, 13):
        fleet.delete_route("h1", towards=f"h{number}")
    edges = [edge for edge in drawn(fleet, fleet.verdicts()).edges if edge.kind == "probe"]
    assert 0 < len(edges) <= 12
    assert {edge.source.split("/")[0] for edge in edges} == {"host"}


def test_a_container_that_was_probed_and_stopped_is_missing(fleet):
    verdicts = fleet.verdicts()
    fleet.stop_container("h1", "web-1")
    assert state(drawn(fleet, verdicts), "container/h1/web-1") == "missing"
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
    assert "network/h1/host" not in nodes  # nobody is in it
    edges = {(edge.kind, edge.source, edge.target) for edge in topology.edges}
    assert ("attachment", "container/h1/both", "network/h1/web") in edges
    assert ("namespace", "container/h1/sidecar", "container/h1/web-1") in edges


def test_an_address_outside_of_the_declared_subnet_has_drifted(fleet):
    fleet.container("h1", "web-1")["networks"][0]["ipv4"] = "10.99.0.7/24"
    assert state(drawn(fleet), "container/h1/web-1") == "drifted"


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
