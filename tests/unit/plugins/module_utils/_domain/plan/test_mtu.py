# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTUs from the underlay, and invalid ones. The slices are golden cases (golden/plan/mtu)."""

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


def test_dockers_default_is_not_set_explicitly():
    for part in slices(fitted(1500, 1500)).values():
        assert "mtu" not in part["default_bridge"]
        assert all("mtu" not in network for network in part["networks"])


@pytest.mark.parametrize("mtu", [1400, 9000])
def test_networks_without_mtu_get_that_of_the_underlay(mtu):
    for part in slices(fitted(mtu, mtu)).values():
        assert part["default_bridge"]["mtu"] == mtu
        assert [network["mtu"] for network in part["networks"]] == [mtu]


def test_an_mtu_for_docker0_is_kept():
    assert slices(fitted(1400, 1400, default_bridge={"mtu": 1280}))["h1"]["default_bridge"]["mtu"] == 1280


def test_hosts_of_one_segment_must_have_the_same_mtu_unless_networks_set_theirs():
    with pytest.raises(InvalidValue) as caught:
        fitted(1500, 1400, ["web", {"name": "db", "mtu": 1300}])
    assert str(caught.value) == (
        "host h2: docker_fleet_link: 'default': interface eth0 has MTU 1400, and eth0 of host h1 on the same segment "
        "has 1500. Set the same MTU on both, or set mtu to 1400 for networks web."
    )
    assert fitted(1500, 1400, [{"name": "web", "mtu": 1400}]).mtus == {"h2": 1400}


def test_the_mtu_of_a_network_cannot_be_larger_than_that_of_the_underlay():
    with pytest.raises(
        InvalidValue,
        match=r"^host h2: docker_fleet_networks\[0\].mtu: 1450: is larger than the MTU of underlay interface eth0",
    ):
        fitted(1500, 1400, [{"name": "web", "mtu": 1450}])
    with pytest.raises(InvalidValue, match=r"^host h1: docker_fleet_default_bridge.mtu: 1450: is larger than the MTU"):
        fitted(1400, 1400, default_bridge={"mtu": 1450})


def test_the_loopback_interface_sets_no_mtu():
    plan = plan_of({"supernet": "10.64.0.0/12", "networks": ["web"]}, {"h1": {"ansible_host": "127.0.0.1"}})
    report = {"links": [{"name": "lo", "mtu": 65536, "addresses": ["127.0.0.1/8"]}]}
    assert fit_to_underlay(plan, {"h1": report}).mtus == {}


MTU = "com.docker.network.driver.mtu"


def defaults(version, underlay, **default_bridge):
    """``default_network_opts`` of a host whose underlay has this MTU."""
    plan = plan_of({"supernet": "10.64.0.0/12", "networks": ["web"], "default_bridge": default_bridge}, HOSTS)
    links = [{"name": "eth0", "mtu": underlay, "addresses": ["192.0.2.1/24"]}]
    fitted_plan = fit_to_underlay(plan, {"h1": {"engine": {"version": version}, "links": links}})
    return slices(fitted_plan)["h1"]["default_bridge"].get("default_network_opts")


@pytest.mark.parametrize("version", ["24.0.9", "26.1.5+dfsg1", "29.0.0"])
def test_networks_that_are_not_declared_get_the_smaller_mtu_of_the_underlay(version):
    assert defaults(version, 1450) == {"bridge": {MTU: "1450"}}


@pytest.mark.parametrize(("version", "mtu"), [("20.10.24", 1450), ("23.0.6", 1450), ("28.5.2", 1500), ("28.5.2", 9000)])
def test_older_engines_and_other_underlays_keep_their_defaults(version, mtu):
    assert defaults(version, mtu) is None


def test_declared_defaults_of_networks_hold():
    other = {"bridge": {MTU: "1400"}, "overlay": {"a": "b"}}
    assert defaults("28.5.2", 1450, default_network_opts=other) == other
    icc = {"bridge": {"com.docker.network.bridge.enable_icc": "false"}}
    assert defaults("28.5.2", 1450, default_network_opts=icc) == {"bridge": {MTU: "1450", **icc["bridge"]}}
    assert defaults("28.5.2", 1450, unset=["default_network_opts"]) is None
    assert defaults("28.5.2", 1450, mtu=1400) == {"bridge": {MTU: "1450"}}


def test_an_engine_that_reports_no_version_keeps_its_defaults():
    assert defaults(None, 1450) is None
    assert defaults("dev", 1450) is None
