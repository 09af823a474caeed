# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module's parameters as desired state."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import desired_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue


def params(**given: t.Any) -> dict[str, t.Any]:
    return {"unset": [], "allow_overlap": [], **given}


def test_missing_options_are_not_desired() -> None:
    desired = desired_state(params(bip="10.64.0.1/24", mtu=None, icc=False, unset=["dns"]))
    assert desired.values == {"bip": "10.64.0.1/24", "icc": False}
    assert desired.unset == ("dns",)


def test_driver_options_become_strings() -> None:
    options = {"bridge": {"com.docker.network.driver.mtu": 1450, "com.docker.network.bridge.enable_icc": False}}
    assert desired_state(params(default_network_opts=options)).values["default_network_opts"] == {
        "bridge": {"com.docker.network.driver.mtu": "1450", "com.docker.network.bridge.enable_icc": "false"}
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unset": ["bpi"]}, "is not a valid option name"),
        ({"unset": ["mtu"], "mtu": 1400}, "is also declared"),
        ({"default_network_opts": {"bridge": 1450}}, "a mapping of driver options"),
        ({"allow_overlap": ["10.0.0.1/8"]}, "must be a network"),
    ],
)
def test_contradictions_are_rejected(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        desired_state(params(**given))
