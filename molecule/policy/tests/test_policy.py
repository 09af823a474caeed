# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of policy line's end, allowed and denied, on each engine."""

from __future__ import annotations

import pytest

from .conftest import HOSTS

WORLD = "198.51.100.1"


@pytest.mark.parametrize("target", HOSTS)
def test_any_declared_network_reaches_an_open_one(probes, container, target):
    for source in ("web", "db", "lab"):
        seen = probes.ask(source, container("cache", target).address, 6379)
        assert seen is not None
        assert f"{container(source).address}:" in seen
    assert not probes.ping("cache", container("web", target).address)


@pytest.mark.parametrize("target", HOSTS)
def test_a_local_network_ends_at_its_host(probes, container, me, target):
    assert probes.ping("lab", container("lab2", target).address) == (target == me)
    assert probes.ping("web", container("web", target).address)


@pytest.mark.parametrize("target", HOSTS)
def test_lines_between_networks_hold_beside_the_others(probes, container, target):
    assert probes.ask("web", container("db", target).address, 5432) is not None
    assert not probes.ping("web", container("db", target).address)
    assert probes.ask("web", container("web", target).address, 80) is not None
    assert probes.ask("db", container("web", target).address, 80) is None


# --- the world --------------------------------------------------------------------------------------------------------


def test_a_line_limits_published_ports(me, probes, underlay, world_connects):
    """web publishes 80 and 90, and a line opens 80 to the world; db's ingress is by policy, and no line opens it."""
    assert world_connects(underlay[me], 8080)
    assert not world_connects(underlay[me], 8090)
    assert not world_connects(underlay[me], 5433)
    # which is published all the same, and has a server: the host itself reaches it
    assert probes.ask(None, underlay[me], 5433) is not None
    assert world_connects(underlay[me], 6380)


def test_addresses_are_let_in_to_the_container_itself(me, underlay, container, world, world_connects):
    """Published and routed alike, but to them alone."""
    block = f"{container('web').address}/32"
    try:
        assert world(f"ip route replace {block} via {underlay[me]}")
        assert world_connects(underlay[me], 8090, source=WORLD)
        assert world_connects(container("web").address, 90, source=WORLD)
        assert not world_connects(container("web").address, 90)
        # the world's line is for published ports
        assert not world_connects(container("web").address, 80, source=WORLD)
    finally:
        world(f"ip route del {block}")


def test_egress(probes):
    """web by its line, db by none, lab as Docker does."""
    page = f"http://{WORLD}/"
    assert probes.fetch("web", page)
    assert not probes.ping("web", WORLD)
    assert not probes.fetch("db", page)
    assert probes.fetch("lab", page)
    assert probes.ping("lab", WORLD)


# --- the host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "pings", "connects"),
    [("web", True, False), ("lab", True, False), ("db", False, False), ("cache", True, True)],
)
def test_from_containers_to_their_host(probes, underlay, me, source, pings, connects):
    """To any address of it; SSH is what it serves."""
    assert probes.ping(source, underlay[me]) == pings
    assert (probes.ask(source, underlay[me], 22) is not None) == connects


def test_from_the_host_to_its_containers(probes, container):
    assert probes.ask(None, container("db").address, 5432) is not None
    assert not probes.ping(None, container("db").address)
    assert probes.ping(None, container("web").address)


# --- networks that are not ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", HOSTS)
def test_a_network_that_is_not_ours_reaches_what_a_line_names(probes, container, me, target):
    """On its own host with its source address. Other hosts see the host's address, which is none of the line's."""
    seen = probes.ask("stranger", container("cache", target).address, 6379)
    if target == me:
        assert seen is not None
        assert f"{container('stranger').address}:" in seen
    assert probes.ask("web", container("web", target).address, 80) is not None
    assert probes.ask("stranger", container("web", target).address, 80) is None
    assert not probes.ping("stranger", container("cache", target).address)


def test_nothing_else_reaches_a_network_that_is_not_ours(probes, container):
    address = container("stranger").address
    # its server is there
    assert probes.ask(None, address, 80) is not None
    for source in ("web", "cache", "lab"):
        assert probes.ask(source, address, 80) is None
