# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rtnetlink reports what `ip` reports; neighbours added by probes are deleted, others remain."""

from __future__ import annotations

import json
import socket
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.rtnetlink import DefaultRoute, Neighbour
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.neighbours import NewNeighbours, pair_limit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import Netlink, open_netlink

from .conftest import Path


@pytest.fixture
def here(path: Path) -> t.Iterator[Netlink]:
    with path.here.entered(), open_netlink() as found:
        yield found


def ip(*arguments: str) -> t.Any:
    return json.loads(subprocess.run(["ip", "-json", *arguments], check=True, capture_output=True).stdout)


def test_interfaces_are_those_of_ip(here: Netlink) -> None:
    reported = {
        (link["ifindex"], link["ifname"], link["address"], link["mtu"], link["operstate"].lower(), link["link_index"])
        for link in ip("link")
        if "link_index" in link
    }
    assert reported
    assert {tuple(link)[:6] for link in here.links() if link.peer is not None} == reported
    assert {link.kind for link in here.links() if link.peer is not None} == {"veth"}
    assert [link.name for link in here.links() if link.peer is None] == ["lo"]


def test_addresses_are_those_of_ip(here: Netlink) -> None:
    reported = {
        (link["ifindex"], f"{address['local']}/{address['prefixlen']}")
        for link in ip("address")
        for address in link["addr_info"]
    }
    assert {tuple(address) for address in here.addresses()} == reported


def test_only_default_routes_are_returned(here: Netlink) -> None:
    (link,) = (link.number for link in here.links() if link.name == "eth0")
    found = sorted(here.default_routes(), key=lambda route: len(route.gateway))
    assert [route._replace(metric=0) for route in found] == [
        DefaultRoute(link, "fd01::1", 0),
        DefaultRoute(link, "10.1.0.1", 0),
    ]


def send_datagram(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"x", (address, 9))


def permanent(address: str) -> None:
    """Add an entry as an administrator does."""
    command = ["ip", "neigh", "replace", address, "lladdr", "02:00:00:00:00:01", "dev", "eth0"]
    subprocess.run(command, check=True)


def test_only_new_neighbours_are_deleted(path: Path, here: Netlink) -> None:
    def addresses() -> set[str]:
        return {neighbour.address for neighbour in here.neighbours()}

    with path.here.entered():
        send_datagram("10.1.0.77")  # an entry that existed before
        subprocess.run(
            ["ip", "neigh", "replace", "10.1.0.88", "lladdr", "02:00:00:00:00:01", "dev", "eth0"], check=True
        )
    new = NewNeighbours([path.here])
    with path.here.entered():
        send_datagram("10.1.0.99")
        permanent("10.1.0.89")
    assert {"10.1.0.77", "10.1.0.88", "10.1.0.89", "10.1.0.99"} <= addresses()
    new.delete()
    new.close()
    assert {"10.1.0.77", "10.1.0.88", "10.1.0.89"} <= addresses()
    assert "10.1.0.99" not in addresses()
    assert Neighbour(here.links()[-1].number, "10.1.0.88", True) in here.neighbours()
    with path.here.entered():
        for address in ("10.1.0.88", "10.1.0.89"):
            subprocess.run(["ip", "neigh", "del", address, "dev", "eth0"], check=True)


def test_deleting_a_neighbour_that_does_not_exist_is_not_an_error(here: Netlink) -> None:
    here.delete_neighbour(Neighbour(here.links()[-1].number, "10.1.0.123", False))


def test_the_limit_without_the_kernels_file_is_its_default(tmp_path) -> None:
    assert pair_limit(str(tmp_path / "none")) == 256
    (tmp_path / "gc_thresh3").write_text("8192\n")
    assert pair_limit(str(tmp_path / "gc_thresh3")) == 2048
