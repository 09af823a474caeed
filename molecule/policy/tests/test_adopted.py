# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of a network that the hosts had before, with subnets of their own, in both IP versions."""

from __future__ import annotations

import pytest

from .conftest import HOSTS

WORLD = "198.51.100.1"


@pytest.mark.parametrize("target", HOSTS)
def test_its_containers_reach_each_other(probes, address, target):
    assert probes.ping("shop", address("shop", target))


@pytest.mark.parametrize("target", HOSTS)
def test_lines_apply_to_it(probes, once, address, target):
    seen = probes.ask("web", address("shop", target), 80)
    assert seen is not None
    assert f"{address('web')}:" in seen
    assert not once.ping("web", address("shop", target))
    assert once.ask("db", address("shop", target), 80) is None
    assert once.ask("shop", address("web", target), 80) is None
    assert probes.ask("shop", address("shop", target), 80) is not None
    seen = probes.ask("shop", address("cache", target), 6379)
    assert seen is not None
    assert f"{address('shop')}:" in seen


def test_its_egress_is_limited(probes, once):
    assert not once.ping("shop", WORLD)
    assert probes.ping("lab", WORLD)


def test_it_is_limited_to_lines_from_outside(once, me, address, world, world_is_denied, underlay, container):
    """Also from a machine with a route to the container."""
    block = f"{container('shop').address}/32"
    try:
        assert world(f"ip route replace {block} via {underlay[me]}")
        assert world_is_denied(container("shop").address, 80)
    finally:
        world(f"ip route del {block}")
    assert not once.ping("db", address("shop"))
