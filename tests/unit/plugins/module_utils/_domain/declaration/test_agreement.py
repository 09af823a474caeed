# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module accepts on each host what the plan accepts, for declarations at the edges of what is valid."""

from __future__ import annotations

import typing as t

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices

from ..planning import plan_of

BRIDGE = "com.docker.network.bridge."
MTU = "com.docker.network.driver.mtu"
Declaration = dict[str, t.Any]


def seldom(common: st.SearchStrategy[t.Any], odd: t.Sequence[t.Any]) -> st.SearchStrategy[t.Any]:
    """Mostly ``common``, seldom one of ``odd``: most declarations have at most one odd value."""
    return st.integers(0, 6).flatmap(lambda number: st.sampled_from(odd) if number == 6 else common)


NAMES = seldom(
    st.sampled_from(["web", "db", "a.b_c-d", "A" * 40, "0", "7b", "x" * 12, "f" * 63]),
    ["f" * 64, "web\n", " ", "-x", "bridge", "10.0.0.1", "wéb", "docker_gwbridge", ""],
)
BRIDGES = seldom(
    st.sampled_from(["fn-a", "br0", "x", "a" * 15, "A.b_c-1"]),
    ["fn:web", "..", ".", "a/b", "a" * 16, "a b", "fn*", "fn%d", '"', "docker0", "lo", "-x", "ü", "fn\n"],
)
DRIVERS = seldom(st.sampled_from(["bridge"] * 5 + ["macvlan", "ipvlan"]), ["overlay", "host", "null", "none", "weave"])
PINNED = {
    4: seldom(
        st.sampled_from(["172.30.0.0/24", "172.30.1.0/28", "172.30.2.0/30", "198.51.100.0/25", "172.31.0.0/16"]),
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
    6: seldom(
        st.sampled_from(["fd00:9::/64", "fd00:8::/80", "fd00:7::/126", "2001:db8:5::/48"]),
        ["fd00::/127", "::/64", "ff02::/64", "fe80::/64", "::ffff:10.0.0.0/120", "::/0"],
    ),
}
ADDRESSES = ["172.30.0.1", "172.30.0.0", "172.30.0.255", "172.30.1.14", "fd00:9::", "fd00:9::1", "fd00:7::3", "x", True]
NUMBERS = st.sampled_from([1, 2, 3, 5, 6, 13, 14, 100, 253, 254, -2, -3, -254, -255, -13, -14])
PLACES = seldom(NUMBERS, [0, -1, 255, 256, -256, 2**40, *ADDRESSES, ["172.30.0.1", "fd00:9::1"], ["172.30.0.1"] * 2])
RANGES = seldom(
    st.sampled_from(["0.0.0.128/25", "0.0.0.0/26", "::/65", "172.30.0.128/25", "fd00:9::8000:0:0:0/65"]),
    ["0.0.1.0/24", "::/63", "172.30.0.0/23", "10.0.0.0/33", "0.0.0.0/0", ["0.0.0.0/25", "0.0.0.128/25"]],
)
OPTIONS: dict[str, st.SearchStrategy[t.Any]] = {
    MTU: seldom(
        st.sampled_from([1400, "1400", 1500, "9000", 1279]), ["jumbo", "", 67, 65536, "1_4", "\uff11\uff14", True]
    ),
    BRIDGE + "name": BRIDGES,
    BRIDGE + "enable_icc": seldom(st.sampled_from([True, "false", "0", "T"]), ["perhaps", "", 2]),
    BRIDGE + "enable_ip_masquerade": seldom(st.sampled_from([False, "f", True]), ["1", "no"]),
    BRIDGE + "gateway_mode_ipv4": seldom(st.just("nat-unprotected"), ["nat", "routed", "bogus"]),
    BRIDGE + "gateway_mode_ipv6": seldom(st.just("nat-unprotected"), ["isolated", ""]),
    BRIDGE + "host_binding_ipv4": seldom(st.just("127.0.0.1"), ["::1", "x"]),
    "macvlan_mode": seldom(st.just("bridge"), ["any"]),
    "parent": seldom(st.just("eth0.10"), ["a/b", ""]),
    "anything": st.sampled_from(["x", 1, 1.5, False, ""]),
}
LABELS = st.fixed_dictionaries(
    {}, optional={"team": st.sampled_from(["a", 1, True]), "io.fleetnet.managed": seldom(st.just("true"), ["false", 1])}
)


@st.composite
def networks(draw: st.DrawFn, pinned_only: bool = False) -> Declaration:
    driver = draw(st.none() | DRIVERS)
    network: Declaration = {"name": draw(NAMES)}
    optional: dict[str, st.SearchStrategy[t.Any]] = {
        "bridge_name": BRIDGES,
        "driver_options": st.lists(st.sampled_from(sorted(OPTIONS)), min_size=1, max_size=2, unique=True).flatmap(
            lambda keys: st.fixed_dictionaries({key: OPTIONS[key] for key in keys})
        ),
        "mtu": seldom(st.sampled_from([1400, "1400", 1279, 1280]), [67, 65536, "x", True]),
        "labels": LABELS,
        "internal": st.sampled_from([True, False, "yes"]),
        "attachable": st.booleans(),
        "gateway": PLACES,
        "aux_addresses": st.dictionaries(st.sampled_from(["a", "b", 5]), PLACES, max_size=2),
        "ip_range": RANGES,
    }
    for key in draw(st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)):
        network[key] = draw(optional[key])
    if driver is not None:
        network["driver"] = driver
    if pinned_only or driver not in (None, "bridge") or draw(st.integers(0, 3)) == 0:
        versions = draw(st.sampled_from([(4,), (6,), (4, 6), (4,)]))
        network["subnet"] = [draw(PINNED[version]) for version in versions]
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
            seldom(st.just("10.64.0.0/12"), ["224.0.0.0/8", "0.0.0.0/4", "127.0.0.0/8", "240.0.0.0/8"])
        )
    if 6 in supernets:
        fleet["supernet_v6"] = draw(seldom(st.just("fd00:64::/48"), ["ff00::/16", "::/32", "fe80::/48"]))
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
    except InvalidValue:
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


def test_each_edge_is_accepted_or_rejected_by_both() -> None:
    """A host's part of an accepted network is valid, and each key is accepted at times."""
    found = set()

    @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(networks())
    def check(network: Declaration) -> None:
        hosts = {"h1": {"ansible_host": "192.0.2.1", "underlay_address_v6": "2001:db8::1"}}
        fleet = {"supernet": "10.64.0.0/12", "supernet_v6": "fd00:64::/48", "networks": [network]}
        plan = accepted(fleet, hosts)
        if plan is not None:
            parse_items(slices(plan)["h1"]["networks"])
            found.update(network.keys())

    check()
    assert found >= {"name", "driver", "subnet", "gateway", "ip_range", "aux_addresses", "bridge_name", "mtu", "labels"}
