# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module accepts on each host what the plan accepts, for declarations at the edges of what is valid."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    InvalidValue,
    InvalidValues,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices

from ..planning import plan_of

BRIDGE = "com.docker.network.bridge."
MTU = "com.docker.network.driver.mtu"
Declaration = dict[str, t.Any]


class Edges(t.NamedTuple):
    """Values of a key at the edge of what is valid: ``common`` ones, and ``odd`` ones that are mostly invalid."""

    common: t.Sequence[t.Any]
    odd: t.Sequence[t.Any] = ()

    @property
    def all(self) -> list[t.Any]:
        return [*self.common, *self.odd]

    def seldom(self) -> st.SearchStrategy[t.Any]:
        """Mostly a common value, so that most declarations have at most one odd value."""
        common = st.sampled_from(self.common)
        return st.integers(0, 6).flatmap(
            lambda number: st.sampled_from(self.odd or self.common) if number == 6 else common
        )


NAMES = Edges(
    ["web", "db", "a.b_c-d", "A" * 40, "0", "7b", "x" * 12, "f" * 63],
    ["f" * 64, "web\n", " ", "-x", "bridge", "10.0.0.1", "wéb", "docker_gwbridge", ""],
)
BRIDGES = Edges(
    ["fn-a", "br0", "x", "a" * 15, "A.b_c-1"],
    ["fn:web", "..", ".", "a/b", "a" * 16, "a b", "fn*", "fn%d", '"', "docker0", "lo", "-x", "ü", "fn\n"],
)
DRIVERS = Edges([*["bridge"] * 5, "macvlan", "ipvlan"], ["overlay", "host", "null", "none", "weave"])
PINNED = {
    4: Edges(
        ["172.30.0.0/24", "172.30.1.0/28", "172.30.2.0/30", "198.51.100.0/25", "172.31.0.0/16"],
        [
            "224.0.1.0/24",
            "127.1.0.0/24",
            "10.1.0.0/31",
            "10.1.0.0/32",
            "0.0.0.0/24",
            "255.255.255.0/24",
            "172.30.1.1/24",
        ],
    ),
    6: Edges(
        ["fd00:9::/64", "fd00:8::/80", "fd00:7::/126", "2001:db8:5::/48"],
        ["fd00::/127", "::/64", "ff02::/64", "fe80::/64", "::ffff:10.0.0.0/120", "::/0"],
    ),
}
ADDRESSES = ["172.30.0.1", "172.30.0.0", "172.30.0.255", "172.30.1.14", "fd00:9::", "fd00:9::1", "fd00:7::3", "x", True]
PLACES = Edges(
    [1, 2, 3, 5, 6, 13, 14, 100, 253, 254, -2, -3, -254, -255, -13, -14],
    [0, -1, 255, 256, -256, 2**40, *ADDRESSES, ["172.30.0.1", "fd00:9::1"], ["172.30.0.1"] * 2],
)
RANGES = Edges(
    ["0.0.0.128/25", "0.0.0.0/26", "::/65", "172.30.0.128/25", "fd00:9::8000:0:0:0/65"],
    ["0.0.1.0/24", "::/63", "172.30.0.0/23", "10.0.0.0/33", "0.0.0.0/0", ["0.0.0.0/25", "0.0.0.128/25"]],
)
MTUS = Edges([1400, "1400", 1279, 1280], [67, 65536, "x", True])
OPTIONS = {
    MTU: Edges([1400, "1400", 1500, "9000", 1279], ["jumbo", "", 67, 65536, "1_4", "\uff11\uff14", True]),
    BRIDGE + "name": BRIDGES,
    BRIDGE + "enable_icc": Edges([True, "false", "0", "T"], ["perhaps", "", 2]),
    BRIDGE + "enable_ip_masquerade": Edges([False, "f"], [True, "1", "no"]),
    BRIDGE + "gateway_mode_ipv4": Edges(["nat-unprotected"], ["nat", "routed", "bogus"]),
    BRIDGE + "gateway_mode_ipv6": Edges(["nat-unprotected"], ["isolated", ""]),
    BRIDGE + "host_binding_ipv4": Edges(["127.0.0.1"], ["::1", "x"]),
    "macvlan_mode": Edges(["bridge"], ["any"]),
    "parent": Edges(["eth0.10"], ["a/b", ""]),
    "anything": Edges(["x", 1, 1.5, False, ""]),
}
LABELS = {
    "team": Edges(["a", 1, True, 1.5], [None, ["a"], {}]),
    "io.fleetnet.managed": Edges(["true", True], ["false", 1]),
    "": Edges(["a"]),
}


def one_of_each(edges: dict[str, Edges]) -> list[Declaration]:
    return [{key: value} for key, values in edges.items() for value in values.all]


# Every value of every key; of keys that contain others, each value alone.
VALUES: dict[str, list[t.Any]] = {
    "bridge_name": BRIDGES.all,
    "driver_options": one_of_each(OPTIONS),
    "mtu": MTUS.all,
    "labels": one_of_each(LABELS),
    "internal": [True, False, "yes", "no", "perhaps"],
    "attachable": [True, False, "yes", 3],
    "gateway": PLACES.all,
    "aux_addresses": [{"a": value} for value in PLACES.all] + [{"a": 1}, {"a": 5, "b": 5}, {5: 5}, ["a"]],
    "ip_range": RANGES.all,
    "prefix_length": [9, 16, 24, 28, 30, 31, "24"],
}
SUBNETS: list[list[str]] = [
    *([subnet] for version in (4, 6) for subnet in PINNED[version].all),
    ["172.30.0.0/24", "fd00:9::/64"],
    ["172.30.0.0/24", "172.30.1.0/28"],
]


@st.composite
def networks(draw: st.DrawFn, pinned_only: bool = False) -> Declaration:
    driver = draw(st.none() | DRIVERS.seldom())
    network: Declaration = {"name": draw(NAMES.seldom())}
    optional: dict[str, st.SearchStrategy[t.Any]] = {
        "bridge_name": BRIDGES.seldom(),
        "driver_options": st.lists(st.sampled_from(sorted(OPTIONS)), min_size=1, max_size=2, unique=True).flatmap(
            lambda keys: st.fixed_dictionaries({key: OPTIONS[key].seldom() for key in keys})
        ),
        "mtu": MTUS.seldom(),
        "labels": st.fixed_dictionaries({}, optional={key: values.seldom() for key, values in LABELS.items()}),
        "internal": st.sampled_from([True, False, "yes"]),
        "attachable": st.booleans(),
        "gateway": PLACES.seldom(),
        "aux_addresses": st.dictionaries(st.sampled_from(["a", "b", 5]), PLACES.seldom(), max_size=2),
        "ip_range": RANGES.seldom(),
    }
    for key in draw(st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)):
        network[key] = draw(optional[key])
    if driver is not None:
        network["driver"] = driver
    if pinned_only or driver not in (None, "bridge") or draw(st.integers(0, 3)) == 0:
        versions = draw(st.sampled_from([(4,), (6,), (4, 6), (4,)]))
        network["subnet"] = [draw(PINNED[version].seldom()) for version in versions]
        if not pinned_only and driver not in ("macvlan", "ipvlan"):
            network["hosts"] = "h1"
    elif draw(st.booleans()):
        network["prefix_length"] = draw(st.sampled_from([24, 26, 28, 30]))
    return network


@st.composite
def declarations(draw: st.DrawFn) -> tuple[Declaration, dict[str, Declaration]]:
    fleet: Declaration = {"networks": draw(st.lists(networks(), min_size=1, max_size=2))}
    supernets = draw(st.sampled_from([(4,), (4, 6), (6,)]))
    if 4 in supernets:
        fleet["supernet"] = draw(
            Edges(["10.64.0.0/12"], ["224.0.0.0/8", "0.0.0.0/4", "127.0.0.0/8", "240.0.0.0/8"]).seldom()
        )
    if 6 in supernets:
        fleet["supernet_v6"] = draw(Edges(["fd00:64::/48"], ["ff00::/16", "::/32", "fe80::/48"]).seldom())
    hosts: dict[str, Declaration] = {
        f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"2001:db8::{number}"}
        for number in (1, 2)
    }
    if draw(st.integers(0, 4)) == 0:
        hosts["h1"]["host_networks"] = draw(st.lists(networks(pinned_only=True), min_size=1, max_size=2))
    return fleet, hosts


def accepted(fleet: Declaration, hosts: dict[str, Declaration]) -> FleetPlan | None:
    try:
        return plan_of(fleet, hosts)
    except (InvalidValue, InvalidValues):
        return None


def test_the_module_accepts_each_declaration_that_the_plan_accepts() -> None:
    counts = {True: 0, False: 0}

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(declarations())
    def check(declaration: tuple[Declaration, dict[str, Declaration]]) -> None:
        plan = accepted(*declaration)
        counts[plan is not None] += 1
        for part in slices(plan).values() if plan is not None else ():
            items = parse_items(part["networks"])
            assert [item.name for item in items] == [network["name"] for network in part["networks"]]

    check()
    assert counts[True] >= 50, counts
    assert counts[False] >= 50, counts


HOST = {"ansible_host": "192.0.2.1", "underlay_address_v6": "2001:db8::1"}
SUPERNETS = ({"supernet": "10.64.0.0/12"}, {"supernet_v6": "fd00:64::/48"})


def accepted_by_both(networks: list[Declaration], supernets: t.Sequence[Declaration] = SUPERNETS) -> bool:
    """Whether the plan accepts the networks. The module must accept them then: each, and under its name."""
    fleet: Declaration = {"networks": networks}
    for supernet in supernets:
        fleet.update(supernet)
    plan = accepted(fleet, {"h1": HOST})
    if plan is None:
        return False
    assert [item.name for item in parse_items(slices(plan)["h1"]["networks"])] == [each["name"] for each in networks]
    return True


def test_each_edge_is_accepted_or_rejected_by_both() -> None:
    """Each value of each key with each driver, in slots and in pinned subnets."""
    found = set()
    drivers: list[Declaration] = [{}, *({"driver": driver} for driver in dict.fromkeys(DRIVERS.all))]
    pinned: list[Declaration] = [{}, *({"subnet": subnets, "hosts": "h1"} for subnets in SUBNETS)]
    for driver, subnet in itertools.product(drivers, pinned):
        for name in NAMES.all if subnet == {} else ["web"]:
            accepted_by_both([{"name": name, **driver, **subnet}])
        if not accepted_by_both([{"name": "web", **driver, **subnet}]):
            continue
        found.update({*driver, *subnet})
        for key, values in VALUES.items():
            for value in values:
                if accepted_by_both([{"name": "web", **driver, **subnet, key: value}]):
                    found.add(key)
    assert found == {"driver", "subnet", "hosts", *VALUES}


@pytest.mark.parametrize("supernets", [SUPERNETS[:1], SUPERNETS[1:]], ids=["IPv4", "IPv6"])
def test_each_edge_in_a_fleet_of_one_ip_version(supernets: t.Sequence[Declaration]) -> None:
    for key, values in VALUES.items():
        for value in values:
            accepted_by_both([{"name": "web", key: value}], supernets)


def test_two_networks_are_accepted_or_rejected_by_both() -> None:
    """Networks that share a name, a bridge or addresses."""
    variants: list[Declaration] = [
        {"name": "web"},
        {"name": "webshop-of-1"},
        {"name": "webshop-of-12"},
        {"name": "db", "bridge_name": "fn-web"},
        {"name": "db", "driver_options": {BRIDGE + "name": "fn-web"}},
        {"name": "db", "bridge_name": "br0"},
        {"name": "old", "subnet": "172.30.0.0/24", "hosts": "h1"},
        {"name": "older", "subnet": "172.30.0.128/25", "hosts": "h1"},
        {"name": "in-the-supernet", "subnet": "10.64.1.0/24", "hosts": "h1"},
        {"name": "lan", "subnet": "172.30.0.0/24", "driver": "macvlan", "driver_options": {"parent": "eth0"}},
        {"name": "lan2", "subnet": "172.30.9.0/24", "driver": "ipvlan", "driver_options": {"parent": "eth0"}},
        {"name": "swarm", "subnet": "172.30.0.0/24", "driver": "overlay", "hosts": "h1"},
    ]
    accepted_pairs = [pair for pair in itertools.product(variants, repeat=2) if accepted_by_both([*pair])]
    assert len(accepted_pairs) > len(variants)
