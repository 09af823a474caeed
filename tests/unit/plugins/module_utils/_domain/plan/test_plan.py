# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the planner (golden/plan/*): declaration and lock file in, lock file and slices out."""

from __future__ import annotations

import json
import os

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import overlapping
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.controller import with_controllers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.mtu import fit_to_underlay
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import take_out
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import peers, slices

from ..planning import GOLDEN, message_of, plan_of


@pytest.mark.parametrize("case", sorted(path.name for path in (GOLDEN / "plan").iterdir()))
def test_golden(case):
    folder = GOLDEN / "plan" / case
    given_ = yaml.safe_load((folder / "input.yml").read_text(encoding="utf-8"))
    held = lockfile.parse(given_["lock"], "lock") if "lock" in given_ else None
    plan = plan_of(given_["fleet"], given_["hosts"], given_.get("groups"), held)
    reports = given_.get("observed", {})
    plan = with_controllers(fit_to_underlay(plan, reports), reports)
    outputs = {
        "lock.yml": lockfile.render(plan.leases),
        "plan.yml": yaml.safe_dump(
            # through JSON, or what hosts have in common would be written as aliases
            json.loads(json.dumps({"hosts": slices(plan), "peers": peers(plan), "policy": plan.policy.to_data()})),
            explicit_start=True,
        ),
    }
    for name, text in outputs.items():
        if os.environ.get("FLEETNET_RECORD"):  # read the difference before committing it
            (folder / name).write_text(text, encoding="utf-8")
        assert text == (folder / name).read_text(encoding="utf-8")


SUPERNETS = {"supernet": "10.64.0.0/14", "supernet_v6": "fd00:64::/44"}
HOST_NAMES = [f"h{number}" for number in range(12)]
STEP = st.fixed_dictionaries(
    {
        "hosts": st.lists(st.sampled_from(HOST_NAMES), min_size=1, max_size=8, unique=True),
        "networks": st.lists(st.sampled_from("abcdef"), max_size=4, unique=True),
        # of those networks that have no lease yet; what is leased keeps its length
        "length": st.sampled_from([24, 25, 26]),
        "default_length": st.sampled_from([None, 24, 26]),
        "reclaim": st.lists(st.sampled_from([*HOST_NAMES, *"abcdef"]), max_size=2),
    }
)
HISTORY = st.tuples(st.sets(st.sampled_from(sorted(SUPERNETS)), min_size=1), st.lists(STEP, min_size=1, max_size=6))


def declared(supernets, step, held):
    networks = []
    for name in step["networks"]:
        length = (held.slot_length(name) if held else None) or step["length"]
        networks.append({"name": name, "prefix_length": length} if name in "abc" else name)
    fleet = {key: SUPERNETS[key] for key in supernets}
    return {**fleet, "networks": networks, "network_prefix_length": step["default_length"]}


def addressed(name):
    return {"ansible_host": f"192.0.2.{name[1:]}", "underlay_address_v6": f"2001:db8::{name[1:]}"}


def underlay(name, supernets):
    """What a fleet without IPv4 wants is an IPv6 address."""
    variables = addressed(name)
    return variables if "supernet" in supernets else {"underlay_address": variables["underlay_address_v6"]}


@settings(deadline=None)  # the machine may be busy
@given(HISTORY)
def test_leases_never_move(history):
    """Any sequence of joins, leaves and renames: disjoint, inside the supernet, and nothing moves until reclaimed."""
    supernets, steps = history
    held = None
    places = {}
    for step in steps:
        hosts = {name: underlay(name, supernets) for name in step["hosts"]}
        if held:
            reclaimed = held.departed() & set(step["reclaim"])
            held = held.reclaimed(step["reclaim"], unreachable=True)
            places = {key: place for key, place in places.items() if key[2] not in reclaimed}
        fleet = declared(supernets, step, held)
        plan = plan_of(fleet, hosts, held=held)
        assert len(plan.leases.families) == len(supernets)
        for leases in plan.leases.families:
            version = leases.supernet.version
            assert set(leases.blocks) == set(hosts)
            for kind, part in (("host", leases.blocks), ("network", leases.slots)):
                for name, place in part.items():
                    assert places.setdefault((version, kind, name), place) == place
            everything = [*leases.blocks.items(), *leases.departed_blocks.items()]
            assert all(leases.supernet.contains(block) for _name, block in everything)
            assert not overlapping((block, name) for name, block in everything)
        subnets = [(subnet, None) for host in plan.hosts for _network, subnet in plan.networks_of(host)]
        subnets += [(subnet, None) for host in plan.hosts for subnet in plan.default_bridge(host)]
        subnets += [(pool, None) for host in plan.hosts for pool in plan.pools(host)]
        assert len(subnets) == len(hosts) * (len(step["networks"]) + 2) * len(supernets)
        assert not overlapping(subnets)
        assert all(
            any(block.contains(subnet) for block in plan.blocks(host))
            for host in plan.hosts
            for _network, subnet in plan.networks_of(host)
        )
        held = lockfile.parse(lockfile.render(plan.leases), "lock")
        assert held == plan.leases
        again = plan_of(fleet, dict(reversed(hosts.items())), held=held)
        assert again.leases == plan.leases
        assert slices(again) == slices(plan)


def test_hosts_that_leave_are_no_longer_referred_to():
    reservations = {"h1": "10.64.32.0/20", "h2": "10.64.48.0/20"}
    hosts = {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in (1, 2, 3)}
    plan = plan_of({"supernet": "10.64.0.0/12", "reservations": reservations}, hosts)
    groups = {"front": ["h1", "h3"]}
    fleet, left = take_out(["h2"], plan.fleet, hosts, groups, None)
    assert {host: [str(block) for block in blocks] for host, blocks in fleet.reservations.items()} == {
        "h1": ["10.64.32.0/20"]
    }
    assert left == {"front": ["h1", "h3"], "h2": ()}
    assert message_of(take_out, ["h4"], plan.fleet, hosts, groups, None) == (
        "docker_fleet_remove: 'h4': is neither a host of the fleet nor departed. Valid names: h1, h2, h3."
    )
    held = plan_of({"supernet": "10.64.0.0/12"}, {"h1": hosts["h1"]}, held=plan.leases).leases
    assert take_out(["h2"], fleet, ["h1"], groups, held)[1] == {"front": ["h1", "h3"], "h2": ()}


def test_the_subnet_of_a_host_that_leaves_is_left_out():
    hosts = {name: {"ansible_host": f"192.0.2.{name[1:]}"} for name in ("h1", "h2")}
    kept = {"supernet": "10.64.0.0/12", "networks": [{"name": "web", "subnets": {"h1": "172.18.0.0/16"}}]}
    whole = plan_of(kept, hosts)
    assert [[str(subnet) for subnet in whole.subnets(host, whole.fleet.networks[0])] for host in whole.hosts] == [
        ["172.18.0.0/16"],
        ["10.64.17.0/24"],
    ]
    rest, _groups = take_out({"h1"}, whole.fleet, list(hosts), {}, None)
    assert not rest.networks[0].all_pinned
    # without remove_host, it may still use its subnet
    left = plan_of(kept, {"h2": hosts["h2"]}, held=whole.leases)
    assert [block for peer in peers(left) for block in peer["blocks"]] == ["10.64.16.0/20"]
    other = {**kept, "networks": [*kept["networks"], {"name": "lab", "subnet": "172.18.4.0/24", "hosts": "h2"}]}
    assert "overlaps docker_fleet_networks[1].subnet (172.18.4.0/24)" in message_of(
        plan_of, other, {"h2": hosts["h2"]}, None, whole.leases
    )


def test_a_network_leases_a_subnet_when_a_host_keeps_none():
    hosts = {"h1": {"ansible_host": "192.0.2.1"}}
    kept = {"supernet": "10.64.0.0/12", "networks": [{"name": "web", "subnets": {"h1": "172.18.0.0/16"}}, "db"]}
    held = plan_of(kept, hosts).leases
    assert list(held.families[0].slots) == ["docker0", "db"]
    plan = plan_of({**kept, "networks": ["web", "db"]}, hosts, held=held)
    assert {network.name: str(subnet) for network, subnet in plan.networks_of(plan.hosts[0])} == {
        "db": "10.64.1.0/24",
        "web": "10.64.2.0/24",
    }
    assert plan.policy.network_of("172.18.0.9") is None
    # the lease stays if all hosts keep a subnet again, and for a host that joins
    again = plan_of(kept, hosts, held=plan.leases)
    joined = plan_of(kept, {**hosts, "h2": {"ansible_host": "192.0.2.2"}}, held=again.leases)
    assert "10.64.18.0/24" in [str(subnet) for _network, subnet in joined.networks_of(joined.hosts[1])]


def test_the_module_keeps_of_an_adopted_network_what_the_plan_chooses():
    given_ = yaml.safe_load((GOLDEN / "plan" / "adopt" / "input.yml").read_text(encoding="utf-8"))
    part = slices(plan_of(given_["fleet"], given_["hosts"]))["h1"]
    items = {item.name: item for item in parse_items(part["networks"])}
    assert {name: item.adopt for name, item in items.items()} == {
        "web": True, "db": True, "vault": False, "inner": True, "lan": True, "lab": True, "own": False,
    }  # fmt: skip
    # All driver options are the plan's or compared: none is missing in both.
    for name in ("web", "db", "inner", "lab"):
        declared = {key for key, _value in items[name].driver_options if key not in items[name].adopt_keeps}
        assert {key.rpartition(".")[2] for key in declared} == {
            "web": {"enable_icc", "inhibit_ipv4"},
            "db": {"enable_icc", "inhibit_ipv4", "enable_ip_masquerade", "name", "mtu"},
            "inner": {"inhibit_ipv4"},
            "lab": {"enable_icc", "inhibit_ipv4"},
        }[name]
