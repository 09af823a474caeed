# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks without the label of this collection, on an engine in memory: left as they are, or refused."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

from .fake_docker import FakeDocker
from .networks_runs import plan_on, run

Json = dict[str, t.Any]


THEIRS = {"Name": "theirs", "Labels": {"a": "b"}, "IPAM": {"Config": [{"Subnet": "10.64.9.0/24"}]}}
FITS = {"name": "theirs", "ipam_config": [{"subnet": "10.64.9.0/24"}]}


def test_a_network_without_the_label_that_fits_stays_as_it_is_and_is_not_pruned() -> None:
    docker = FakeDocker()
    docker._add_network(dict(THEIRS))
    assert not plan_on(docker, FITS).changed
    assert not plan_on(docker, {**FITS, "labels": {"a": "b"}}, strict=True, prune=True).changed
    assert not plan_on(docker, prune=True).changed


@pytest.mark.parametrize("on_drift", ["recreate", "fail"])
@pytest.mark.parametrize("allow_disconnect", [False, True])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("config_only", [False, True])
def test_a_network_without_the_label_that_differs_is_refused_whatever_is_allowed(
    config_only: bool, used: bool, allow_disconnect: bool, on_drift: str
) -> None:
    docker = FakeDocker()
    docker._add_network({**THEIRS, "ConfigOnly": config_only})
    if used and config_only:
        docker.post("/networks/create", {"Name": "dependent", "ConfigFrom": {"Network": "theirs"}})
    elif used:
        docker.add_container("c", theirs={})
    before, nid = docker.state(), docker.network("theirs")["Id"]
    with pytest.raises(FleetnetError) as refusal:
        run(
            docker,
            {"name": "new"},
            {**FITS, "config_only": config_only, "mtu": 1400},
            on_drift=on_drift,
            allow_disconnect=allow_disconnect,
        )
    assert str(refusal.value) == (
        f"network 'theirs' ({nid[:12]}) differs from networks[1] (theirs) (mtu none -> 1400) and does not carry the "
        "label io.fleetnet.managed=true, so it is not changed. Declare it as it is with adopt: true, leave it out "
        "of the declaration, declare another name, or disconnect its containers and remove it with 'docker network rm "
        "theirs'."
    )
    assert docker.state() == before


def test_a_network_without_the_label_that_differs_is_a_warning_with_on_drift_warn() -> None:
    docker = FakeDocker()
    docker._add_network(dict(THEIRS))
    before = docker.state()
    _plan, _warnings = run(docker, {**FITS, "mtu": 1400}, on_drift="warn", prune=True)
    assert docker.state() == before
