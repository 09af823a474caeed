# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Items as users write them: what is understood, and what is refused with which words."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.spec import (
    BLOCK_OPTIONS,
    OPTIONS,
    parse_items,
)
from ansible_collections.fleetnet.docker.plugins.modules import networks as module

BAD = yaml.safe_load(pathlib.Path(__file__).with_name("bad_inputs.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_input_is_refused_with_its_message(case: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        parse_items(case["networks"])
    assert str(refusal.value) == case["error"]


def test_there_are_a_hundred_bad_inputs() -> None:
    assert len({str(case["networks"]) for case in BAD}) >= 100


def test_the_documentation_has_the_options_that_the_parser_knows() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]["networks"]["suboptions"]
    assert {name: tuple(option.get("aliases", ())) for name, option in documented.items()} == OPTIONS
    block = documented["ipam_config"]["suboptions"]
    assert {name: tuple(option.get("aliases", ())) for name, option in block.items()} == BLOCK_OPTIONS


def test_an_item_of_community_docker_is_understood_as_it_is() -> None:
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


def test_one_option_under_two_names_may_agree() -> None:
    (item,) = parse_items([{"name": "a", "mtu": 1400, "driver_options": {"com.docker.network.driver.mtu": "1400"}}])
    assert item.driver_options == (("com.docker.network.driver.mtu", "1400"),)
