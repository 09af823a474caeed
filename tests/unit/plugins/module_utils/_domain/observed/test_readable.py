# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Truncated, foreign and empty output of programs: unknown values and expected failures, no other exceptions."""

from __future__ import annotations

import contextlib
import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain import netlink
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks import engine_answers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import (
    host,
    links_and_routes,
    path_state,
    published_ports,
    readable,
    rtnetlink,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineVersion
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks import reader
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.firewall_state import read_firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import parse_json
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import unit_states

FOREIGN = (None, "", "invalid Prefix", 0, -1, True, [], {}, [None], {"a": None}, "10.0.0.0/33", "\0", 1e9)
NETWORK = {
    "Name": "web", "Id": "0123456789abcdef", "Driver": "bridge", "Scope": "local", "Internal": False,
    "Labels": {"a": "b"}, "Options": {"com.docker.network.bridge.name": "fn-web"}, "EnableIPv6": False,
    "IPAM": {"Config": [{"Subnet": "10.64.1.0/24", "Gateway": "10.64.1.1", "IPRange": "10.64.1.0/25"}]},
}  # fmt: skip
CONTAINER = {
    "Id": "fedcba9876543210", "Names": ["/shop"], "HostConfig": {"NetworkMode": "web"}, "State": {"Pid": 7},
    "NetworkSettings": {"Networks": {"web": {
        "IPAddress": "10.64.1.2", "IPPrefixLen": 24, "MacAddress": "02:42:0a:40:01:02", "Gateway": "10.64.1.1",
        "GlobalIPv6Address": "fd00::2", "GlobalIPv6PrefixLen": 64, "Aliases": ["a"]}}},
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
}  # fmt: skip
ENGINE = {"Version": "28.5.2", "ApiVersion": "1.51", "ContainersRunning": 2, "FirewallBackend": {"Driver": "iptables"}}
LINK = {
    "ifname": "eth0", "ifindex": 2, "mtu": 1500, "operstate": "UP", "address": "02:00:00:00:00:01",
    "linkinfo": {"info_kind": "veth"}, "addr_info": [{"local": "192.0.2.1", "prefixlen": 24}],
}  # fmt: skip
ROUTE = {"type": "1", "dst": "10.64.0.0/20", "nexthops": [{"gateway": "192.0.2.2", "dev": "eth0"}], "protocol": "213"}
NEIGHBOUR = {"dst": "192.0.2.2", "dev": "eth0"}
RULE = {"priority": 100, "src": "10.64.0.0", "srclen": 16, "fwmark": "0x5", "table": "77", "action": "6", "iif": "a"}
PORT = {"ifname": "veth1", "master": "fn-web", "state": "forwarding", "isolated": False}
QUEUE = {"kind": "netem", "handle": "1:", "dev": "eth0", "drops": 3}
DETAILS = {
    "Id": CONTAINER["Id"], "Name": "/shop", "State": {"Running": True},
    "NetworkSettings": {"Networks": {"web": {
        "NetworkID": NETWORK["Id"], "IPAMConfig": {"IPv4Address": "10.64.1.2", "LinkLocalIPs": ["169.254.1.1"]},
        "IPAddress": "10.64.1.2", "GlobalIPv6Address": "fd00::2", "MacAddress": "02:42:0a:40:01:02", "Aliases": ["a"],
        "Links": ["x:y"], "DriverOpts": {"a": "b"}, "GwPriority": 1}}},
}  # fmt: skip
INFO = {
    "Plugins": {"Network": ["bridge"]},
    "Swarm": {"ControlAvailable": False},
    "DefaultAddressPools": [{"Base": "x"}],
}
OBSERVED = engine_answers.parse_network(NETWORK)

PARSERS = {
    "networks": (host.parse_networks, [NETWORK]),
    "containers": (host.parse_containers, [CONTAINER]),
    "details": (lambda one: host.parse_containers([CONTAINER], {CONTAINER["Id"]: one}), CONTAINER),
    "engine": (lambda one: host.parse_engine(one, one, None), ENGINE),
    "links": (links_and_routes.parse_links, [LINK]),
    "routes": (lambda routes: links_and_routes.parse_routes(routes, 4), [ROUTE]),
    "ports": (lambda one: published_ports.published_ports(one, (), ()), CONTAINER),
    "route get": (path_state.only_route, [ROUTE]),
    "neigh": (path_state.parse_neighbours, [NEIGHBOUR]),
    "routing rules": (lambda rules: path_state.parse_routing_rules(rules, 4), [RULE]),
    "bridge ports": (path_state.parse_bridge_ports, [PORT]),
    "disabled bridges": (path_state.parse_disabled_bridges, [{"ifname": "fn-web", "flags": ["BROADCAST"]}]),
    "queues": (path_state.parse_queues, [QUEUE]),
    "version": (EngineVersion.parse, "28.5.2"),
    "networks to change": (lambda many: len(engine_answers.parse_networks(many)), [NETWORK]),
    "containers of networks to change": (lambda many: len(engine_answers.parse_containers(many)), [CONTAINER]),
    "endpoint to change": (lambda one: str(engine_answers.parse_attachment(one, OBSERVED)), DETAILS),
    "capabilities": (lambda one: str(reader._facts(one)), INFO),
    "taken addresses": (reader._addresses, {"Containers": {"id": {"Name": "shop", "IPv4Address": "10.64.1.2/24"}}}),
}


def places(value, path=()):
    """All paths of a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(document, path, foreign, remove):
    """The document with another value at a path, or without it."""
    if not path:
        return foreign
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = foreign
    return document


def survives(parser, *arguments):
    """The parser returns JSON or raises an expected failure."""
    with contextlib.suppress(FleetnetError):
        json.dumps(parser(*arguments))


@pytest.mark.parametrize("name", PARSERS)
def test_one_foreign_or_missing_value_anywhere(name):
    parser, document = PARSERS[name]
    json.dumps(parser(document))
    for path in places(document):
        for foreign in FOREIGN:
            survives(parser, changed(document, path, foreign, remove=False))
        survives(parser, changed(document, path, None, remove=True))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(FOREIGN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_json(name, data):
    parser, document = PARSERS[name]
    path = data.draw(st.sampled_from(list(places(document))))
    survives(parser, changed(document, path, data.draw(ANY_JSON), remove=False))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text):
    class Output:
        def run(self, *_argv, **_options):
            return text

        def find(self, program):
            return program

    survives(parse_json, text, "ip")
    survives(unit_states, Output(), "a.service")
    survives(read_firewall, Output())
    survives(path_state.parse_listeners, text)
    survives(path_state.parse_dropped_connections, text)
    survives(published_ports.parse_dnat, text)
    survives(host.parse_name_servers, text)
    survives(host.parse_control_path, text)
    survives(published_ports.parse_proxy, 1, text.split())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_any_message_of_rtnetlink(data):
    parsers = (rtnetlink.parse_link, rtnetlink.parse_address, rtnetlink.parse_default_route, rtnetlink.parse_neighbour)
    for parser in parsers:
        survives(parser, data)
        for _kind, body in netlink.messages(data):
            survives(parser, body)


def test_an_unreadable_field_is_unknown_and_the_others_are_read():
    network = changed(NETWORK, ("IPAM", "Config", 0, "Subnet"), "invalid Prefix", remove=False)
    (found,) = host.parse_networks([network])
    assert found["subnets"][0]["subnet"] is None
    assert (found["name"], found["subnets"][0]["gateway"]) == ("web", "10.64.1.1")
    (container,) = host.parse_containers(
        [changed(CONTAINER, ("NetworkSettings", "Networks", "web", "IPAddress"), "x", remove=False)]
    )
    assert (container["networks"][0]["ipv4"], container["networks"][0]["ipv6"]) == (None, "fd00::2/64")


def test_output_of_another_form_is_named():
    with pytest.raises(readable.Unreadable, match=r"^ip address show: \[\{\}\]: cannot be read \(KeyError: 'ifname'\)"):
        links_and_routes.parse_links([{}])


def test_a_network_that_cannot_be_read_is_named():
    network = changed(NETWORK, ("IPAM", "Config", 0, "Subnet"), "invalid Prefix", remove=False)
    message = r"network of the Docker engine: \{'Name': 'web'.*: cannot be read \(ValueError: 'invalid Prefix' does not"
    with pytest.raises(FleetnetError, match=message):
        engine_answers.parse_networks([NETWORK, network])
