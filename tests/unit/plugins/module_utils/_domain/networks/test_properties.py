# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of all networks: values have one normal form, and a network fits the item that it was created from."""

from __future__ import annotations

import dataclasses
import ipaddress
import random
import typing as t

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import fits, refit
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_item
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.plan import Snapshot, plan_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import (
    NetworksRequest,
    survey_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network, target

Json = dict[str, t.Any]
fast = settings(max_examples=60, deadline=None)
KEYS = st.text("abc.", min_size=1, max_size=4)
VALUES = st.one_of(st.booleans(), st.integers(0, 3), st.text("xy =", max_size=3))


@st.composite
def blocks(draw: st.DrawFn, family: int, slot: int) -> Json:
    length = draw(st.integers(24, 28) if family == 4 else st.integers(64, 120))
    base = ipaddress.ip_network(f"10.64.{slot}.0/24" if family == 4 else f"fd00:{slot:x}::/64")
    subnet = next(iter(base.subnets(new_prefix=length)))
    block: Json = {"subnet": str(subnet)}
    used = draw(st.lists(st.integers(1, 12), min_size=3, max_size=3, unique=True))
    if draw(st.booleans()):
        block["gateway"] = str(subnet[used[0]])
    if draw(st.booleans()):
        block["aux_addresses"] = {"h": str(subnet[used[1]])}
    if draw(st.booleans()):
        block["ip_range"] = str(list(subnet.subnets(prefixlen_diff=1))[1])
    return block


@st.composite
def items(draw: st.DrawFn) -> Json:
    driver = draw(st.sampled_from([None, "bridge", "macvlan"]))
    many = 2 if driver == "macvlan" else 1
    ipam = [draw(blocks(4, slot)) for slot in range(draw(st.integers(0, many)))]
    ipam += [draw(blocks(6, slot)) for slot in range(draw(st.integers(0, many)))]
    item: Json = {"name": "net", "driver": driver, "ipam_config": ipam}
    item["labels"] = draw(st.none() | st.dictionaries(KEYS, VALUES, max_size=3))
    item["driver_options"] = draw(st.none() | st.dictionaries(KEYS, VALUES, max_size=3))
    item["internal"] = draw(st.none() | st.booleans())
    item["attachable"] = draw(st.none() | st.booleans())
    item["mtu"] = draw(st.none() | st.integers(1280 if any(":" in block["subnet"] for block in ipam) else 68, 9000))
    return item


def answered(body: Json, seed: int) -> Json:
    """The engine's answer for a created network: another order, another spelling, additional options."""
    shuffled = random.Random(seed)
    config = [dict(block) for block in body.get("IPAM", {}).get("Config", [])]
    for block in config:
        subnet = ipaddress.ip_network(block["Subnet"])
        if subnet.version == 6:
            block["Subnet"] = f"{subnet[0].exploded.upper()}/{subnet.prefixlen}"
        if "Gateway" not in block and shuffled.random() < 0.5:
            block["Gateway"] = block["IPRange"].split("/")[0] if "IPRange" in block else str(subnet[1])
    shuffled.shuffle(config)
    options = {**body.get("Options", {}), "com.docker.network.enable_ipv6": "false"}
    return {
        "Id": "a" * 64,
        "Name": body["Name"],
        "Driver": body["Driver"],
        "Scope": "local",
        "EnableIPv4": True,
        "EnableIPv6": body.get("EnableIPv6", False),
        "Internal": body.get("Internal", False),
        "Attachable": body.get("Attachable", False),
        "IPAM": {"Driver": "default", "Options": None, "Config": config or None},
        "Options": dict(shuffled.sample(sorted(options.items()), len(options))),
        "Labels": dict(shuffled.sample(sorted(body.get("Labels", {}).items()), len(body.get("Labels", {})))),
    }


def made(raw: Json, seed: int, before: ObservedNetwork | None = None, strict: bool = False) -> ObservedNetwork:
    definition = target(parse_item(raw, "networks[0]"), before, strict, {})
    return parse_network(answered(creation(definition, (28, 5, 2)), seed))


@fast
@given(items(), st.integers(), st.booleans())
def test_a_network_created_from_an_item_matches_it(raw: Json, seed: int, strict: bool) -> None:
    network = made(raw, seed)
    item = parse_item(raw, "networks[0]")
    assert differences(item, network, strict) == ()
    assert same_network(target(item, None, strict, {}), network)


@fast
@given(items(), items(), st.integers(), st.booleans())
def test_one_recreate_is_enough(old: Json, new: Json, seed: int, strict: bool) -> None:
    item = parse_item(new, "networks[0]")
    before = made(old, seed)
    if before.definition.driver == "macvlan" and item.driver is None:
        return  # the item does not change the driver, and may not match it
    after = made(new, seed, before, strict)
    assert differences(item, after, strict) == ()


@fast
@given(items(), items(), st.integers())
def test_strict_finds_at_least_what_is_found_without(old: Json, new: Json, seed: int) -> None:
    network, item = made(old, seed), parse_item(new, "networks[0]")
    assert set(differences(item, network, False)) <= set(differences(item, network, True))


@fast
@given(items(), items(), st.integers(), st.integers())
def test_the_order_and_spelling_of_the_engine_are_ignored(old: Json, new: Json, one: int, other: int) -> None:
    def comparable(network: ObservedNetwork) -> ObservedNetwork:
        bare = [dataclasses.replace(block, gateway=None) for block in network.definition.blocks]
        ordered = tuple(sorted(bare, key=lambda block: (block.family, block.subnet)))
        return dataclasses.replace(network, definition=dataclasses.replace(network.definition, blocks=ordered))

    assert comparable(made(old, one)) == comparable(made(old, other))
    item = parse_item(new, "networks[0]")
    found = [{each.option for each in differences(item, made(old, seed), False)} for seed in (one, other)]
    # An engine that does not report the gateway of a range may have chosen one of several.
    unsaid = any("ip_range" in block and "gateway" not in block for block in old["ipam_config"])
    if len(old["ipam_config"]) <= 1 and not unsaid:
        assert found[0] == found[1]


@fast
@given(items(), items(), st.integers())
def test_plan_diff_and_differences_agree(old: Json, new: Json, seed: int) -> None:
    before = made(old, seed)
    request = NetworksRequest(items=(parse_item(new, "networks[0]"),), version=(28, 5, 2))
    survey = survey_networks(request, [before])
    plan = plan_networks(request, survey, Snapshot())
    assert plan.changed == bool(differences(request.items[0], before, False))
    assert plan.changed == (plan.diff()["before"] != plan.diff()["after"])
    assert [(each.key, each.observed, each.declared) for each in plan.differences] == [
        (each.option, each.observed, each.declared) for each in differences(request.items[0], before, False)
    ]


@fast
@given(items(), st.integers(), st.lists(st.integers(0, 300), max_size=4))
def test_an_endpoint_keeps_exactly_the_addresses_that_are_in_the_network(raw: Json, seed: int, at: list[int]) -> None:
    definition = made(raw, seed).definition
    for offset in at:
        address = ipaddress.IPv4Address("10.64.0.0") + offset
        attachment = Attachment("1" * 64, "c", ipv4=address, aliases=("a",))
        kept, lost = refit(attachment, definition)
        assert (kept.ipv4 == address) == fits(address, definition) == (not lost)
        assert dataclasses.replace(kept, ipv4=address) == attachment
