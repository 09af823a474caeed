# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad declarations, each with its complete message; the cases are in golden/declaration_errors.yml.

``FLEETNET_RECORD=1`` records the messages; review the difference.
"""

from __future__ import annotations

import os
import re

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import default_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import (
    parse_host,
    unknown_variables,
    warn_unknown_variable,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import (
    FLEET_KEYS,
    HOST_KEYS,
    PREFIX,
    RUN_KEYS,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import NETWORK_KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_parser import POLICY_KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    InvalidValues,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import default_bridge_options
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.default_bridge import OPTIONS

from ..planning import GOLDEN, plan_of

FILE = GOLDEN / "declaration_errors.yml"
CASES = yaml.safe_load(FILE.read_text(encoding="utf-8"))
HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_bad_declaration(case):
    fleet = {"supernet": "10.64.0.0/12", **case.get("fleet", {})}
    with pytest.raises(InvalidValue) as caught:
        plan_of(fleet, case.get("hosts", HOSTS))
    if os.environ.get("FLEETNET_RECORD"):
        case["message"] = str(caught.value)
        text = yaml.safe_dump(CASES, sort_keys=False, width=116)
        header = "# Invalid declarations, each with its message. Defaults: two hosts and the supernet 10.64.0.0/12."
        FILE.write_text(f"---\n{header}\n{text}", encoding="utf-8")
    assert str(caught.value) == case["message"]


def errors_of(fleet, hosts):
    with pytest.raises(InvalidValues) as caught:
        plan_of({"supernet": "10.64.0.0/12", **fleet}, hosts)
    return [error.variable for error in caught.value.errors]


def test_each_network_and_each_line_with_errors_is_reported():
    reserved = ["any", "docker0", "bridge", "host", "none", "default"]
    assert errors_of({"networks": reserved}, HOSTS) == [f"docker_fleet_networks[{number}].name" for number in range(6)]
    lines = [{"from": "wbe", "to": "dbb", "ports": 0}, {"from": "web", "to": "web"}, {"to": 1, "colour": "red"}]
    assert errors_of({"networks": ["web"], "policy": lines}, HOSTS) == [
        "docker_fleet_policy[0].from",
        "docker_fleet_policy[0].to",
        "docker_fleet_policy[0].ports",
        "docker_fleet_policy[2].colour",
        "docker_fleet_policy[2].from",
        "docker_fleet_policy[2].to",
    ]


def test_each_option_each_length_each_port_and_each_reservation_with_errors_is_reported():
    fleet = {
        "supernet_v6": "fd00::1/32",
        "supernet": "10.64.0.0/33",
        "host_prefix_length": 99,
        "host_prefix_length_v6": 99,
        "network_prefix_length": 99,
        "networks": ["web", "db"],
        "policy": [{"from": "web", "to": "db", "ports": [0, "http"]}],
        "default_bridge": {
            "bipp": 1,
            "bip": "10.1.0.1/24",
            "mtu": "x",
            "icc": "maybe",
            "allow_overlap": ["x"],
            "ip": 5,
        },
    }
    assert errors_of(fleet, HOSTS) == [
        "docker_fleet_network_prefix_length",
        "docker_fleet_host_prefix_length",
        "docker_fleet_supernet",
        "docker_fleet_host_prefix_length_v6",
        "docker_fleet_supernet_v6",
        "docker_fleet_policy[0].ports",
        "docker_fleet_policy[0].ports",
        *(f"docker_fleet_default_bridge.{option}" for option in ("bipp", "bip", "mtu", "icc", "allow_overlap", "ip")),
    ]
    reservations = {"h1": "10.64.0.0/19", "h2": "10.0.0.0/20", "h3": "x", "h4": "fd00::/56"}
    assert errors_of({"reservations": reservations}, HOSTS) == [
        f"docker_fleet_reservations.{host}" for host in reservations
    ]


def test_an_error_causes_no_further_errors():
    """A line with a network that is invalid, keys whose validity depends on others, networks without a supernet."""
    networks = [{"name": "db", "mtu": 1, "driver": "none", "gateway": "x"}, {"name": "web", "mtu": 1}]
    lines = [{"from": "db", "to": "web"}, {"from": "web", "to": "198.51.100.1"}]
    assert errors_of({"supernet": "10.64.0.0", "networks": networks, "policy": lines}, HOSTS) == [
        "docker_fleet_supernet",
        "docker_fleet_networks[0].driver",
        "docker_fleet_networks[1].mtu",
    ]


def test_errors_of_the_plan_are_reported_at_once():
    fleet = {
        "networks": [{"name": "a", "hosts": "h9"}, {"name": "b", "subnet": "10.1.0.0/24"}],
        "reservations": {"h8": "10.64.0.0/20"},
    }
    hosts = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.1"}}
    assert errors_of(fleet, hosts) == [
        "docker_fleet_reservations.h8",
        "docker_fleet_networks[0].hosts",
        "docker_fleet_networks[1].subnet",
        "docker_fleet_underlay_address",
    ]


def test_the_smallest_declaration_is_complete():
    plan = plan_of({"supernet": "10.64.0.0/12", "networks": ["web"]}, HOSTS)
    assert [str(subnet) for host in plan.hosts for _network, subnet in plan.networks_of(host)] == [
        "10.64.1.0/24",
        "10.64.17.0/24",
    ]


@pytest.mark.parametrize(
    "fleet",
    [
        {"supernet": "100.64.0.0/12"},
        {"supernet": "192.168.0.0/16"},
        {"supernet": "198.18.0.0/15"},
        {"supernet": "8.0.0.0/8", "public_supernet": True},
        {"supernet": None, "supernet_v6": "2001:db8::/48"},
    ],
)
def test_a_supernet_is_private_or_declared_as_public(fleet):
    hosts = {"h1": {"ansible_host": "fd00::1" if fleet["supernet"] is None else "192.0.2.1"}}
    assert plan_of(fleet, hosts)


def test_a_mistyped_variable_is_found():
    assert unknown_variables(["docker_fleet_suppernet", "docker_fleet_supernet", "other"]) == ["docker_fleet_suppernet"]
    assert warn_unknown_variable("docker_fleet_suppernet", ["h1", "h2"]) == (
        "hosts h1, h2: docker_fleet_suppernet: unknown variable, which has no effect. Did you mean "
        "'docker_fleet_supernet'?"
    )


def test_every_key_is_documented_once():
    """The role's argument specs against what the planner takes."""
    specs = yaml.safe_load((GOLDEN.parents[2] / "roles/docker_fleet_plan/meta/argument_specs.yml").read_text("utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    documented = {name for name in options if not name.startswith("docker_fleet_plan_")}
    assert documented == {PREFIX + key for key in (*FLEET_KEYS, *HOST_KEYS)}
    assert {name[len(PREFIX) :] for name in options} - {*FLEET_KEYS, *HOST_KEYS} <= set(RUN_KEYS)
    assert set(options["docker_fleet_policy"]["options"]) == set(POLICY_KEYS)
    for variable in ("docker_fleet_networks", "docker_fleet_host_networks"):
        assert set(options[variable]["options"]) == set(NETWORK_KEYS)


@pytest.mark.parametrize(
    ("fleet", "own", "expected"),
    [
        ({"icc": False}, {"firewall_backend": "nftables"}, {"icc": False, "firewall_backend": "nftables"}),
        ({"firewall_backend": "iptables"}, {"firewall_backend": "nftables"}, {"firewall_backend": "nftables"}),
        ({"icc": False, "dns": ["192.0.2.1"]}, {"unset": ["dns"]}, {"icc": False, "unset": ["dns"]}),
        ({"unset": ["dns", "icc"]}, {"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.1"], "unset": ["icc"]}),
        ({"unset": ["dns"]}, {"unset": ["dns", "icc"]}, {"unset": ["dns", "icc"]}),
        ({"unset": ["dns"]}, {"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.1"]}),
    ],
)
def test_options_of_a_host_replace_those_of_the_fleet(fleet, own, expected):
    plan = plan_of(
        {"supernet": "10.64.0.0/12", "default_bridge": fleet},
        {"h1": {"ansible_host": "192.0.2.1", "host_default_bridge": own}, "h2": {"ansible_host": "192.0.2.2"}},
    )
    planned = {"bip", "default_address_pools"}
    options = [default_bridge_options(plan, host) for host in plan.hosts]
    found, other = ({key: value for key, value in each.items() if key not in planned} for each in options)
    assert found == expected
    assert other == fleet


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            {"mtu": 1400},
            "host h1: docker_fleet_host_default_bridge.mtu: 1400: is the same on all hosts. Set it in",
        ),
        ({"bip": "10.0.0.1/24"}, "host h1: docker_fleet_host_default_bridge.bip: '10.0.0.1/24': comes from the host's"),
        ({"icc": "x"}, "host h1: docker_fleet_host_default_bridge.icc: 'x': must be true or false"),
        ({"icc": True, "unset": ["icc"]}, "host h1: docker_fleet_host_default_bridge.unset: 'icc': is also declared"),
        (
            {"unset": ["mtu"]},
            "host h1: docker_fleet_host_default_bridge.unset: 'mtu': is the same on all hosts. Set it",
        ),
        ({"ip": "x"}, "host h1: docker_fleet_host_default_bridge.ip: 'x': must be an IP address"),
    ],
)
def test_invalid_options_of_a_host(own, message):
    with pytest.raises(FleetnetError, match=re.escape(message)):
        parse_host("h1", {"host_default_bridge": own}, "192.0.2.1")


def test_the_default_bridge_has_the_options_of_its_module():
    declared = {option: spec["type"] for option, spec in default_bridge.SPEC.items()}
    elsewhere = {*default_bridge.PLANNED, "allow_restart"}
    assert declared.pop(default_bridge.KEEP) == "bool"
    assert declared == {option: spec["type"] for option, spec in OPTIONS.items() if option not in elsewhere}


def test_options_of_the_default_bridge_have_the_types_of_the_module():
    config = default_bridge.parse_default_bridge({"mtu": "1400", "icc": "no", "dns": ["10.0.0.1"], "ip": None})
    assert config == {"mtu": 1400, "icc": False, "dns": ["10.0.0.1"]}
