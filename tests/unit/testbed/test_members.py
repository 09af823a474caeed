# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from fleetbed import inventory
from fleetbed.members import Machine, Segment, members
from fleetbed.spec import Spec

L1 = Segment("l1", "id1", IPv4Network("10.213.0.0/24"))
L2 = Segment("l2", "id2", IPv4Network("10.213.1.0/24"))
IMAGES = {"20.10": "image:20.10", "28.5": "image:28.5"}
BARE = Machine(modules=False, tun=False)
SPEC = Spec("f", hosts=3, engines=("20.10", "28.5"), links=2)


def test_hosts_and_world() -> None:
    world, hosts = members(SPEC, [L1, L2], IMAGES, BARE)
    assert [(host.container, host.segment.name, host.address, host.image) for host in hosts] == [
        ("f-h1", "l1", "10.213.0.11", "image:20.10"),
        ("f-h2", "l2", "10.213.1.12", "image:28.5"),
        ("f-h3", "l1", "10.213.0.13", "image:20.10"),
    ]
    assert (world.address, world.extra) == ("10.213.0.2", ((L2, "10.213.1.2"),))


def test_hosts_without_an_image_are_omitted() -> None:
    hosts = members(SPEC, [L1, L2], {"28.5": "image:28.5"}, BARE)[1]
    assert [host.name for host in hosts] == ["h2"]


@pytest.mark.parametrize(
    ("segments", "images", "machine"),
    [
        pytest.param([replace(L1, network="new"), L2], IMAGES, BARE, id="recreated network"),
        pytest.param([L1, L2], {**IMAGES, "20.10": "image:other"}, BARE, id="other image"),
        pytest.param([L1, L2], IMAGES, replace(BARE, tun=True), id="other machine"),
    ],
)
def test_fingerprint_changes_with_the_host(segments: list[Segment], images: dict[str, str], machine: Machine) -> None:
    before = members(SPEC, [L1, L2], IMAGES, BARE)[1][0]
    after = members(SPEC, segments, images, machine)[1][0]
    assert before.fingerprint != after.fingerprint


def test_fingerprint_does_not_depend_on_other_hosts() -> None:
    few, many = (members(Spec("f", number, ("20.10",)), [L1], IMAGES, BARE)[1][0] for number in (1, 9))
    assert few.fingerprint == many.fingerprint


def test_inventory_contains_only_connection_variables() -> None:
    hosts = members(SPEC, [L1, L2], IMAGES, BARE)[1]
    text = inventory.render(hosts, {"h1": "20.10.24"}, Path("/state/f"), Path("/run/s/f"))
    group = yaml.safe_load(text)["docker_fleet"]
    assert group["hosts"]["h1"] == {
        "ansible_host": "10.213.0.11",
        "docker_fleet_underlay_address": "10.213.0.11",
        "docker_fleet_link": "l1",
        "testbed_engine": "20.10",
        "testbed_engine_version": "20.10.24",
        "testbed_firewall_backend": "iptables",
    }
    assert list(group["hosts"]) == ["h1", "h2", "h3"]
    assert group["vars"]["ansible_ssh_private_key_file"] == "/state/f/id_ed25519"
    assert group["vars"]["ansible_control_path_dir"] == "/run/s/f"
    assert '-o UserKnownHostsFile="/state/f/known_hosts"' in group["vars"]["ansible_ssh_common_args"]


def test_inventory_names_the_firewall_backend() -> None:
    engines = ("/opt/docker", "/opt/docker:nftables")
    images = dict.fromkeys(engines, "image")
    hosts = members(Spec("f", 2, engines), [L1], images, BARE)[1]
    group = yaml.safe_load(inventory.render(hosts, {}, Path("/state/f"), Path("/run/s/f")))["docker_fleet"]
    backends = [group["hosts"][name]["testbed_firewall_backend"] for name in ("h1", "h2")]
    assert backends == ["iptables", "nftables"]


def test_inventory_sets_no_socket_folder_if_its_path_is_too_long() -> None:
    text = inventory.render([], {}, Path("/f"), Path("/" + "x" * 90))
    assert "ansible_control_path_dir" not in yaml.safe_load(text)["docker_fleet"]["vars"]
