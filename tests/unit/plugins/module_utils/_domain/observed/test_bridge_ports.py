# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ports of a bridge are not containers' interfaces."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.bridge_ports import ports_of_others

HOSTS = sorted(Path(__file__).parent.glob("*.json"))


def port(name: str, kind: str | None, **more: t.Any) -> dict[str, t.Any]:
    info = {"info_slave_kind": "bridge", **({"info_kind": kind} if kind else {})}
    return {"ifname": name, "master": "br0", "linkinfo": info, "addr_info": [], **more}


def peer(**more: t.Any) -> dict[str, t.Any]:
    return {"ifname": "peer", "link": "veth1", "linkinfo": {"info_kind": "veth"}, "addr_info": [], **more}


@pytest.mark.parametrize("path", HOSTS, ids=lambda path: path.stem)
def test_the_bridges_of_real_hosts_have_containers_only(path: Path) -> None:
    links = json.loads(path.read_text())["answers"]["links"]
    assert any(link.get("linkinfo", {}).get("info_slave_kind") == "bridge" for link in links)
    assert ports_of_others(links) == {}


def test_ports_of_others_are_named_by_bridge() -> None:
    links = [
        {"ifname": "br0", "linkinfo": {"info_kind": "bridge"}, "addr_info": []},
        port("veth0", "veth", link_netnsid=0),
        port("tap0", "tun"),
        port("eth0", None),
        {**port("bond1", "bond"), "master": "br1"},
        {"ifname": "eth1", "master": "bond1", "linkinfo": {"info_slave_kind": "bond"}, "addr_info": []},
    ]
    assert ports_of_others(links) == {"br0": ["eth0", "tap0"], "br1": ["bond1"]}


def test_a_veth_of_the_host_itself_is_one_unless_its_container_is_about_to_start() -> None:
    link_local, address = {"local": "fe80::1", "scope": "link"}, {"local": "192.0.2.1", "scope": "global"}
    for other, found in (
        (peer(), {}),
        (peer(addr_info=[link_local]), {}),
        (peer(addr_info=[address]), {"br0": ["veth1"]}),
        (peer(master="br9"), {"br0": ["veth1"]}),
    ):
        assert ports_of_others([port("veth1", "veth", link="peer"), other]) == found
