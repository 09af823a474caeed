# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of policy line's end, allowed and denied, on each engine."""

from __future__ import annotations

import pytest

from .conftest import HOSTS, PATIENCE

WORLD = "198.51.100.1"


@pytest.mark.parametrize("target", HOSTS)
def test_any_declared_network_reaches_an_open_one(probes, addresses, me, target):
    for source in ("web", "db", "lab"):
        seen = probes.ask(source, addresses[target, "cache"], 6379)
        assert seen is not None
        assert f"{addresses[me, source]}:" in seen
    assert not probes.ping("cache", addresses[target, "web"])


@pytest.mark.parametrize("target", HOSTS)
def test_a_local_network_ends_at_its_host(probes, addresses, me, target):
    assert probes.ping("lab", addresses[target, "lab2"]) == (target == me)
    assert probes.ping("web", addresses[target, "web"])


@pytest.mark.parametrize("target", HOSTS)
def test_lines_between_networks_hold_beside_the_others(probes, addresses, target):
    assert probes.ask("web", addresses[target, "db"], 5432) is not None
    assert not probes.ping("web", addresses[target, "db"])
    assert probes.ask("db", addresses[target, "web"], 80) is None


# --- the world --------------------------------------------------------------------------------------------------------


def connect(address, port, source=""):
    """A command that succeeds where a connection comes about; the world has Python and no busybox."""
    options = f'timeout={PATIENCE}, source_address=("{source}", 0)'
    return f"python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), {options})'"


def test_a_line_limits_published_ports(me, underlay, world):
    """web publishes 80 and 90, and a line opens 80 to the world; db's ingress is by policy, and no line opens it."""
    assert world(connect(underlay[me], 8080))
    assert not world(connect(underlay[me], 8090))
    assert not world(connect(underlay[me], 5433))
    assert world(connect(underlay[me], 6380))


def test_addresses_are_let_in_to_the_container_itself(me, underlay, addresses, world):
    """Published and routed alike, but to them alone."""
    block = f"{addresses[me, 'web']}/32"
    try:
        assert world(f"ip route replace {block} via {underlay[me]}")
        assert world(connect(underlay[me], 8090, source=WORLD))
        assert world(connect(addresses[me, "web"], 90, source=WORLD))
        assert not world(connect(addresses[me, "web"], 90))
        # the world's line is for published ports
        assert not world(connect(addresses[me, "web"], 80, source=WORLD))
    finally:
        world(f"ip route del {block}")


def test_egress(host, probes):
    """web by its line, db by none, lab as Docker does."""
    page = f"docker exec %s wget -q -T {PATIENCE} -O - http://{WORLD}/"
    assert host.run(page, "web").rc == 0
    assert not probes.ping("web", WORLD)
    assert host.run(page, "db").rc != 0
    assert host.run(page, "lab").rc == 0
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


def test_from_the_host_to_its_containers(probes, addresses, me):
    assert probes.ask(None, addresses[me, "db"], 5432) is not None
    assert not probes.ping(None, addresses[me, "db"])
    assert probes.ping(None, addresses[me, "web"])


# --- networks that are not ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", HOSTS)
def test_a_network_that_is_not_ours_reaches_what_a_line_names(probes, addresses, me, target):
    """On its own host with its source address. Other hosts see the host's address, which is none of the line's."""
    seen = probes.ask("stranger", addresses[target, "cache"], 6379)
    if target == me:
        assert seen is not None
        assert f"{addresses[me, 'stranger']}:" in seen
    assert probes.ask("stranger", addresses[target, "web"], 80) is None
    assert not probes.ping("stranger", addresses[target, "cache"])


def test_nothing_else_reaches_a_network_that_is_not_ours(probes, addresses, me):
    for source in ("web", "cache", "lab"):
        assert probes.ask(source, addresses[me, "stranger"], 80) is None
