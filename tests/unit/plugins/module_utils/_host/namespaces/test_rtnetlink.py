# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rtnetlink says is what `ip` says; and neighbours that came with probes go again, while others stay."""

from __future__ import annotations

import json
import socket
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import DefaultRoute, Neighbour
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.neighbours import Forgetter, room
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import Netlink, opened

from .conftest import Path


@pytest.fixture
def here(path: Path) -> t.Iterator[Netlink]:
    with path.here.entered(), opened() as found:
        yield found


def ip(*arguments: str) -> t.Any:
    return json.loads(subprocess.run(["ip", "-json", *arguments], check=True, capture_output=True).stdout)


def test_links_are_those_of_ip(here: Netlink) -> None:
    told = {
        (link["ifindex"], link["ifname"], link["address"], link["mtu"], link["operstate"].lower(), link["link_index"])
        for link in ip("link")
        if "link_index" in link
    }
    assert told
    assert {tuple(link)[:6] for link in here.links() if link.peer is not None} == told
    assert {link.kind for link in here.links() if link.peer is not None} == {"veth"}
    assert [link.name for link in here.links() if link.peer is None] == ["lo"]


def test_addresses_are_those_of_ip(here: Netlink) -> None:
    told = {
        (link["ifindex"], f"{address['local']}/{address['prefixlen']}")
        for link in ip("address")
        for address in link["addr_info"]
    }
    assert {tuple(address) for address in here.addresses()} == told


def test_of_routes_only_the_default_ones_are_taken(here: Netlink) -> None:
    (link,) = (link.number for link in here.links() if link.name == "eth0")
    found = sorted(here.default_routes(), key=lambda route: len(route.gateway))
    assert [route._replace(metric=0) for route in found] == [
        DefaultRoute(link, "fd01::1", 0),
        DefaultRoute(link, "10.1.0.1", 0),
    ]


def say_something(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"x", (address, 9))


def permanent(address: str) -> None:
    """An entry that an administrator made."""
    command = ["ip", "neigh", "replace", address, "lladdr", "02:00:00:00:00:01", "dev", "eth0"]
    subprocess.run(command, check=True)


def test_neighbours_that_came_are_forgotten_and_no_others(path: Path, here: Netlink) -> None:
    def addresses() -> set[str]:
        return {neighbour.address for neighbour in here.neighbours()}

    with path.here.entered():
        say_something("10.1.0.77")  # somebody else's entry
        subprocess.run(
            ["ip", "neigh", "replace", "10.1.0.88", "lladdr", "02:00:00:00:00:01", "dev", "eth0"], check=True
        )
    forgetter = Forgetter([path.here])
    with path.here.entered():
        say_something("10.1.0.99")
        permanent("10.1.0.89")
    assert {"10.1.0.77", "10.1.0.88", "10.1.0.89", "10.1.0.99"} <= addresses()
    forgetter.forget()
    forgetter.close()
    assert {"10.1.0.77", "10.1.0.88", "10.1.0.89"} <= addresses()
    assert "10.1.0.99" not in addresses()
    assert Neighbour(here.links()[-1].number, "10.1.0.88", True) in here.neighbours()
    with path.here.entered():
        for address in ("10.1.0.88", "10.1.0.89"):
            subprocess.run(["ip", "neigh", "del", address, "dev", "eth0"], check=True)


def test_what_has_gone_by_itself_is_no_error(here: Netlink) -> None:
    here.forget(Neighbour(here.links()[-1].number, "10.1.0.123", False))


def test_there_is_room_even_where_the_kernel_does_not_tell(tmp_path) -> None:
    assert room(str(tmp_path / "none")) == 256
    (tmp_path / "gc_thresh3").write_text("8192\n")
    assert room(str(tmp_path / "gc_thresh3")) == 2048
