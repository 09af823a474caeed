# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's state from files, under another root directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.host_state import (
    read_bridges,
    read_control_path,
    read_forwarding,
    read_manages_firewall,
    read_resolver,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_forwarding_settings(root: Path) -> None:
    net = "proc/sys/net/"
    for name, text in (
        ("ipv4/ip_forward", "1\n"),
        ("ipv6/conf/all/forwarding", "0\n"),
        ("bridge/bridge-nf-call-iptables", "1\n"),
        ("ipv4/conf/all/rp_filter", "0\n"),
        ("ipv4/conf/eth0/rp_filter", "2\n"),
    ):
        write(root, net + name, text)
    assert read_forwarding(str(root)) == {
        "ipv4": True,
        "ipv6": False,
        "bridge_nf_call_iptables": True,
        "bridge_nf_call_ip6tables": None,
        "rp_filter": {"all": 0, "eth0": 2},
    }


def test_settings_that_the_kernel_does_not_have(root: Path) -> None:
    switches = read_forwarding(str(root))
    assert switches["ipv4"] is None
    assert switches["rp_filter"] == {}


def test_bridges(root: Path) -> None:
    assert read_bridges(str(root)) == []
    write(root, "sys/class/net/br-lan/bridge/stp_state", "0\n")
    write(root, "sys/class/net/eth0/mtu", "1500\n")
    assert read_bridges(str(root)) == ["br-lan"]


def test_the_resolver(root: Path) -> None:
    assert read_resolver(str(root)) == []
    write(root, "etc/resolv.conf", "nameserver 10.0.0.53\n")
    write(root, "run/systemd/resolve/resolv.conf", "nameserver 10.9.9.53\n")
    assert read_resolver(str(root)) == ["10.0.0.53"]
    write(root, "etc/resolv.conf", "nameserver 127.0.0.53\n")
    assert read_resolver(str(root)) == ["127.0.0.53", "10.9.9.53"]


def test_the_control_path_comes_from_a_parent_of_sudo(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert read_control_path(str(root)) is None
    write(root, f"proc/{os.getpid()}/stat", f"{os.getpid()} (py) thon) S 70 1 1")
    write(root, "proc/70/stat", "70 (sudo) S 60 1 1")
    write(root, "proc/70/environ", "SUDO_USER=me\0")
    write(root, "proc/60/stat", "60 (bash) S 1 1 1")
    write(root, "proc/60/environ", "HOME=/home/me\0SSH_CONNECTION=10.0.0.1 50000 10.0.0.2 22\0")
    assert read_control_path(str(root)) == {"client": "10.0.0.1", "server": "10.0.0.2"}
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.3 50000 10.0.0.2 22")
    assert read_control_path(str(root)) == {"client": "10.0.0.3", "server": "10.0.0.2"}


@pytest.mark.parametrize(
    ("arguments", "configuration", "managed"),
    [
        ("dockerd\0-H\0fd://\0", None, True),
        ("dockerd\0", '{"iptables": false}', False),
        ("dockerd\0--config-file\0/srv/d.json\0", '{"iptables": false}', True),
        ("dockerd\0--config-file=/etc/docker/daemon.json\0", '{"iptables": false}', False),
        ("dockerd\0--iptables=false\0", "", False),
        ("dockerd\0", "{", None),
        ("dockerd\0", "[]", None),
    ],
)
def test_whether_the_daemon_manages_the_firewall(
    root: Path, arguments: str, configuration: str | None, managed: bool | None
) -> None:
    write(root, "run/docker.pid", "70")
    write(root, "proc/70/cmdline", arguments)
    if configuration is not None:
        write(root, "etc/docker/daemon.json", configuration)
    assert read_manages_firewall(str(root)) is managed


def test_without_a_daemon_the_firewall_is_unknown(root: Path) -> None:
    assert read_manages_firewall(str(root)) is None
