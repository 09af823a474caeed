# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared networks that are missing or were created again by hand."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import (
    WrongNetwork,
    find_wrong_networks,
)

from ..planning import plan_of

FLEET = {"supernet": "10.64.0.0/12", "supernet_v6": "fd00:64::/40", "networks": ["web", {"name": "db", "hosts": "h2"}]}
HOSTS = {
    f"h{number}": {"ansible_host": f"192.0.2.{number}", "underlay_address_v6": f"fd00::{number}"} for number in (1, 2)
}
SLICES = slices(plan_of(FLEET, HOSTS))


def reported(**networks):
    return {
        "networks": [
            {"name": name, "subnets": [{"subnet": subnet, "gateway": None} for subnet in subnets]}
            for name, subnets in networks.items()
        ]
    }


WEB = ["10.64.1.0/24", "fd00:64:0:1::/64"]


@pytest.mark.parametrize(
    ("report", "observed"),
    [
        (reported(web=WEB, compose=["172.18.0.0/16"]), ()),
        (reported(web=WEB[::-1]), ()),
        (reported(web=[WEB[0]]), ("10.64.1.0/24",)),
        (reported(web=["172.18.0.0/16"]), ("172.18.0.0/16",)),
        (reported(web=[None]), "no subnet"),
        (reported(compose=["172.18.0.0/16"]), None),
        ({}, ()),
    ],
    ids=[
        "as declared",
        "in another order",
        "without IPv6",
        "other addresses",
        "without addresses",
        "missing",
        "no report",
    ],
)
def test_a_network_is_compared_with_the_plan(report, observed):
    found = find_wrong_networks(SLICES, {"h1": report})
    if observed == ():
        assert found == []
        return
    assert found == [WrongNetwork("h1", "web", tuple(WEB), () if observed == "no subnet" else observed)]
    assert [WrongNetwork.from_data(json.loads(json.dumps(each.to_data()))) for each in found] == found


def test_only_networks_of_the_host_are_expected():
    assert [each.network for each in find_wrong_networks(SLICES, {"h2": reported()})] == ["web", "db"]
    assert find_wrong_networks({}, {"h1": reported()}) == []
    overlay = {"name": "mesh", "driver": "overlay", "ipam_config": []}
    assert find_wrong_networks({"h1": {"networks": [overlay]}}, {"h1": reported()}) == []


def test_sentences():
    end = "Run fleetnet.docker.site, with --check to see the changes first."
    missing = WrongNetwork("h1", "web", ("10.64.1.0/24",), None)
    assert text.wrong_network(missing) == f"h1: web: the network is missing. {end}"
    other = missing._replace(observed=("172.18.0.0/16",))
    assert text.wrong_network(other) == f"h1: web: the network has 172.18.0.0/16 instead of 10.64.1.0/24. {end}"
    assert "has no subnet instead of" in text.wrong_network(missing._replace(observed=()))
