# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Items of the module: valid ones, invalid ones with their messages, and the table of options.

``FLEETNET_RECORD=1`` records the messages of bad_inputs.yml; review the difference.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Block,
    Definition,
    Item,
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    BLOCK_TABLE,
    ENGINE_OPTIONS,
    TABLE,
    Option,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import describe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.target import same_network, target
from ansible_collections.fleetnet.docker.plugins.modules import networks as module

FILE = pathlib.Path(__file__).with_name("bad_inputs.yml")
BAD = yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_input_is_rejected_with_its_message(case: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidValue) as error:
        parse_items(case["networks"])
    if os.environ.get("FLEETNET_RECORD"):
        case["error"] = str(error.value)
        text = yaml.safe_dump(BAD, sort_keys=False, width=116, allow_unicode=True)
        FILE.write_text(f"---\n# Invalid items, each with its message.\n{text}", encoding="utf-8")
    assert str(error.value) == case["error"]


def test_at_least_a_hundred_bad_inputs_exist() -> None:
    assert len({str(case["networks"]) for case in BAD}) >= 100


def documented(options: dict[str, t.Any]) -> set[tuple[t.Any, ...]]:
    return {
        (name, option["type"], tuple(option.get("aliases", ())), tuple(option.get("choices", ())))
        for name, option in options.items()
    }


def in_table(table: t.Iterable[Option]) -> set[tuple[t.Any, ...]]:
    return {(option.name, option.type, option.aliases, option.choices) for option in table}


def test_the_documentation_agrees_with_the_table() -> None:
    options = yaml.safe_load(module.DOCUMENTATION)["options"]["networks"]["suboptions"]
    assert documented(options) == in_table(TABLE)
    assert documented(options["ipam_config"]["suboptions"]) == in_table(BLOCK_TABLE)


def test_each_field_of_the_model_is_in_the_table() -> None:
    of_the_engine = {option.key for option in ENGINE_OPTIONS}
    others = {option.key for option in TABLE if not option.api and not option.driver_option}
    fields = {each: {field.name for field in dataclasses.fields(each)} for each in (Item, Definition, Block)}
    assert fields[Definition] == {"name", *of_the_engine}
    assert fields[Item] == {"path", "adopts_bridge", *of_the_engine, *others}
    assert fields[Block] == {option.key for option in BLOCK_TABLE}


OTHER_VALUES = {
    "driver": "macvlan",
    "ipam_driver": "dhcp",
    "scope": "global",
    "config_from": "base",
    "blocks": (Block(ipaddress.ip_network("10.64.1.0/24")),),
}


@pytest.mark.parametrize("option", ENGINE_OPTIONS, ids=lambda option: option.name)
def test_each_option_is_sent_read_back_compared_and_described(option: Option) -> None:
    value = OTHER_VALUES.get(option.key, not option.default if option.type == "bool" else (("key", "value"),))
    plain = Definition("web")
    changed = dataclasses.replace(plain, **{option.key: value})
    answer = {"Id": "1" * 64, **creation(changed, (28, 5, 2))}
    assert getattr(parse_network(answer).definition, option.key) == value
    observed = ObservedNetwork("1" * 64, plain)
    item = Item("networks[0]", "web", **{option.key: value})
    assert differences(item, observed, strict=False)
    assert getattr(target(item, observed, False, {}), option.key) != getattr(plain, option.key)
    assert not same_network(changed, observed)
    assert describe(NetworkState(changed)) != describe(NetworkState(plain))


def test_an_item_of_community_docker_is_valid() -> None:
    (item,) = parse_items(
        [
            {
                "network_name": "three",
                "driver": "bridge",
                "driver_options": {"com.docker.network.bridge.enable_icc": True, "com.docker.network.driver.mtu": 1400},
                "ipam_config": [
                    {
                        "subnet": "172.23.27.0/24",
                        "gateway": "172.23.27.2",
                        "iprange": "172.23.27.0/26",
                        "aux_addresses": {"host1": "172.23.27.3", "host2": "172.23.27.4"},
                    }
                ],
                "labels": {"key": 1},
                "containers": ["a", "/b"],
                "incremental": "yes",
                "internal": "no",
                "scope": None,
            }
        ]
    )
    assert item.driver_options == (
        ("com.docker.network.bridge.enable_icc", "true"),
        ("com.docker.network.driver.mtu", "1400"),
    )
    assert item.labels == (("key", "1"),)
    assert item.connected == ("a", "b")
    assert (item.appends, item.internal, item.scope) == (True, False, None)


def test_an_ipv6_subnet_switches_ipv6_on() -> None:
    (item,) = parse_items([{"name": "six", "ipam_config": [{"subnet": "fd00:64::/64"}]}])
    assert item.enable_ipv6 is True


def test_one_option_may_be_set_twice_with_one_value() -> None:
    (item,) = parse_items([{"name": "a", "mtu": 1400, "driver_options": {"com.docker.network.driver.mtu": "1400"}}])
    assert item.driver_options == (("com.docker.network.driver.mtu", "1400"),)


def test_a_driver_option_that_engines_write_is_compared_where_it_is_declared() -> None:
    key = "com.docker.network.enable_ipv6"
    observed = parse_network({"Id": "1" * 64, "Name": "web", "Driver": "bridge", "Options": {key: "false"}})
    plain, declared = parse_items([{"name": "web"}, {"name": "other", "driver_options": {key: "true"}}])
    assert not differences(plain, observed, strict=True)
    assert target(plain, observed, False, {}).driver_options == ()
    assert [str(each) for each in differences(declared, observed, strict=False)] == [
        f"driver_options.{key} false -> true"
    ]
    assert target(declared, observed, False, {}).driver_options == ((key, "true"),)
