# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the module's parameters to what is desired; the role hands every option on."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import desired_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.default_bridge import OPTIONS

ROLE = Path(__file__).parents[4] / "roles" / "docker_default_bridge" / "tasks" / "main.yml"


def params(**given: t.Any) -> dict[str, t.Any]:
    return {"unset": [], "allow_overlap": [], **given}


def test_there_is_an_option_for_every_key_of_the_table() -> None:
    assert set(BY_OPTION) <= set(OPTIONS)


def test_the_role_hands_every_option_on() -> None:
    handed_on = set(re.findall(r"^    (\w+):", ROLE.read_text(), re.MULTILINE))
    assert handed_on == set(OPTIONS)


def test_what_is_not_given_is_not_desired() -> None:
    desired = desired_state(params(bip="10.64.0.1/24", mtu=None, icc=False, unset=["dns"]))
    assert desired.values == {"bip": "10.64.0.1/24", "icc": False}
    assert desired.unset == ("dns",)


def test_driver_options_become_text() -> None:
    options = {"bridge": {"com.docker.network.driver.mtu": 1450, "com.docker.network.bridge.enable_icc": False}}
    assert desired_state(params(default_network_opts=options)).values["default_network_opts"] == {
        "bridge": {"com.docker.network.driver.mtu": "1450", "com.docker.network.bridge.enable_icc": "false"}
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unset": ["bpi"]}, "there is no such key"),
        ({"unset": ["mtu"], "mtu": 1400}, "it is declared as well"),
        ({"default_network_opts": {"bridge": 1450}}, "a mapping of driver options"),
        ({"allow_overlap": ["10.0.0.1/8"]}, "it has to be a network"),
    ],
)
def test_contradictions_are_refused(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        desired_state(params(**given))
