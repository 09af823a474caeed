# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of policy line's end, allowed and denied, on each engine."""

from __future__ import annotations

import ipaddress

import pytest

from .conftest import HOSTS

WORLD = "198.51.100.1"


@pytest.mark.parametrize("target", HOSTS)
def test_every_declared_network_reaches_an_open_one(probes, once, address, target):
    for source in ("web", "db", "lab"):
        seen = probes.ask(source, address("cache", target), 6379)
        assert seen is not None
        assert f"{address(source)}:" in seen
    assert not once.ping("cache", address("web", target))


@pytest.mark.parametrize("target", HOSTS)
def test_a_local_network_is_limited_to_its_host(probes, once, address, me, target):
    assert (probes if target == me else once).ping("lab", address("lab2", target)) == (target == me)
    assert probes.ping("web", address("web", target))


@pytest.mark.parametrize("target", HOSTS)
def test_lines_between_networks_apply_in_addition_to_the_others(probes, once, address, target):
    assert probes.ask("web", address("db", target), 5432) is not None
    assert not once.ping("web", address("db", target))
    assert probes.ask("web", address("web", target), 80) is not None
    assert once.ask("db", address("web", target), 80) is None


# --- the world --------------------------------------------------------------------------------------------------------


def test_a_line_limits_published_ports(me, probes, underlay, world_connects, world_is_denied):
    """web publishes 80 and 90, and a line opens 80 to the world; db's ingress is by policy, and no line opens it."""
    assert world_connects(underlay[me], 8080)
    assert world_is_denied(underlay[me], 8090)
    assert world_is_denied(underlay[me], 5433)
    # it is published and has a server: the host itself reaches it
    assert probes.ask(None, underlay[me], 5433) is not None
    assert world_connects(underlay[me], 6380)


def test_a_line_with_addresses_allows_published_and_routed_ports(
    me, underlay, container, world, world_connects, world_is_denied
):
    """From these addresses only, published and routed."""
    block = f"{container('web').address}/32"
    try:
        assert world(f"ip route replace {block} via {underlay[me]}")
        assert world_connects(underlay[me], 8090, source=WORLD)
        assert world_connects(container("web").address, 90, source=WORLD)
        assert world_is_denied(container("web").address, 90)
        # the world's line is for published ports
        assert world_is_denied(container("web").address, 80, source=WORLD)
    finally:
        world(f"ip route del {block}")


def test_egress(probes, once):
    """web by its line, db has none for this port, lab by Docker's default."""
    page = f"http://{WORLD}/"
    assert probes.fetch("web", page)
    assert not once.ping("web", WORLD)
    assert not once.fetch("db", page)
    assert probes.fetch("lab", page)
    assert probes.ping("lab", WORLD)


def test_the_source_of_egress_is_as_the_driver_options_declare(me, probes, underlay, container, world):
    """The world answers with the client's address."""
    page = f"http://{WORLD}/"
    assert probes.fetch("lab", page).strip() == underlay[me]
    assert probes.fetch("mail", page).strip() == f"{underlay[me]}0"
    block = f"{container('routed').address}/32"
    try:
        assert world(f"ip route replace {block} via {underlay[me]}")
        assert probes.fetch("routed", page).strip() == container("routed").address
    finally:
        world(f"ip route del {block}")


@pytest.mark.parametrize("target", HOSTS)
def test_published_ports_of_all_hosts_are_filtered_by_the_container_behind_them(
    probes, once, container, underlay, me, target
):
    """cache is open to lab. No line opens web's published port to cache, though one opens it to the world."""
    seen = probes.ask("lab", underlay[target], 6380)
    assert seen is not None
    address = container("lab").address
    # other hosts see the first address of the network
    assert f"{address if target == me else str(ipaddress.ip_network(f'{address}/24', strict=False)[0])}:" in seen
    assert once.ask("cache", underlay[target], 8080) is None


@pytest.mark.parametrize("target", HOSTS)
def test_other_hosts_themselves_are_the_world(probes, once, underlay, me, target):
    """lab reaches its own host by its line only, and other hosts as Docker allows."""
    assert ((once if target == me else probes).ask("lab", underlay[target], 22) is not None) == (target != me)


# --- the host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "pings", "connects"),
    [("web", True, False), ("lab", True, False), ("db", False, False), ("cache", True, True)],
)
def test_from_containers_to_their_host(probes, once, underlay, underlay_v6, me, source, pings, connects):
    """To any address of the host, which runs an SSH server."""
    for host in (underlay[me], underlay_v6[me]):
        assert (probes if pings else once).ping(source, host) == pings
        assert ((probes if connects else once).ask(source, host, 22) is not None) == connects


def test_from_the_host_to_its_containers(probes, once, address):
    assert probes.ask(None, address("db"), 5432) is not None
    assert not once.ping(None, address("db"))
    assert probes.ping(None, address("web"))


# --- unmanaged networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", HOSTS)
def test_an_unmanaged_network_reaches_the_ports_of_its_line(probes, once, container, me, target):
    """On its own host with its source address. Other hosts see the host's address, which the line does not name."""
    cache = container("cache", target).address
    if target == me:
        seen = probes.ask("stranger", cache, 6379)
        assert seen is not None
        assert f"{container('stranger').address}:" in seen
    else:
        assert once.ask("stranger", cache, 6379) is None
    assert probes.ask("web", container("web", target).address, 80) is not None
    assert once.ask("stranger", container("web", target).address, 80) is None
    assert not once.ping("stranger", cache)


def test_nothing_else_reaches_an_unmanaged_network(probes, once, container):
    address = container("stranger").address
    # its server runs
    assert probes.ask(None, address, 80) is not None
    for source in ("web", "cache", "lab"):
        assert once.ask(source, address, 80) is None
