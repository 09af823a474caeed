# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the underlay's MTU makes of the plan, and what is refused; the slices are golden cases (golden/plan/mtu)."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.mtu import fit_to_underlay
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices

from ..planning import plan_of

HOSTS = {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}}


def fitted(first, second, networks=("web",), **fleet):
    plan = plan_of({"supernet": "10.64.0.0/12", "networks": list(networks), **fleet}, HOSTS)
    return fit_to_underlay(
        plan,
        {
            f"h{number}": {"links": [{"name": "eth0", "mtu": mtu, "addresses": [f"192.0.2.{number}/24"]}]}
            for number, mtu in ((1, first), (2, second))
        },
    )


def test_dockers_own_default_is_never_written_out():
    for part in slices(fitted(1500, 1500)).values():
        assert "mtu" not in part["default_bridge"]
        assert all("mtu" not in network for network in part["networks"])


@pytest.mark.parametrize("mtu", [1400, 9000])
def test_what_names_no_mtu_gets_the_underlays(mtu):
    for part in slices(fitted(mtu, mtu)).values():
        assert part["default_bridge"]["mtu"] == mtu
        assert [network["mtu"] for network in part["networks"]] == [mtu]


def test_what_the_user_says_of_docker0_stays():
    assert slices(fitted(1400, 1400, default_bridge={"mtu": 1280}))["h1"]["default_bridge"]["mtu"] == 1280


def test_hosts_of_a_link_that_differ_are_refused_where_a_network_leaves_it_to_them():
    with pytest.raises(InvalidValue) as caught:
        fitted(1500, 1400, ["web", {"name": "db", "mtu": 1300}])
    assert str(caught.value) == (
        "host h2: docker_fleet_link: 'default': the hosts on it differ in MTU: 1400 on eth0 here, 1500 on eth0 of host "
        "h1; what the larger one sends would get lost without a word. Give the links the same MTU, or set mtu to 1400 "
        "for the networks that name none: web"
    )
    assert fitted(1500, 1400, [{"name": "web", "mtu": 1400}]).mtus == {"h2": 1400}


def test_a_network_cannot_have_more_than_the_underlay_carries():
    with pytest.raises(
        InvalidValue, match=r"^host h2: docker_fleet_networks\[0\].mtu: 1450: is more than the 1400 bytes"
    ):
        fitted(1500, 1400, [{"name": "web", "mtu": 1450}])
    with pytest.raises(InvalidValue, match=r"^host h1: docker_fleet_default_bridge.mtu: 1450: is more than the 1400"):
        fitted(1400, 1400, default_bridge={"mtu": 1450})
