# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the interfaces of containers: each namespace is entered once."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import ContainerReport
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns import container_interfaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.container_interfaces import (
    add_interfaces,
    read_proxies,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace

GONE = 2**22


def a_container(name: str, pid: int | None, mode: str = "none") -> ContainerReport:
    return {"name": name, "id": name, "pid": pid, "mode": mode, "networks": []}


def test_containers_of_one_namespace_report_each_other(apart: t.Callable[[str], int]) -> None:
    pid = apart("owner")
    owner, sidecar = a_container("owner", pid), a_container("sidecar", pid, "container:owner")
    other = a_container("other", apart("other"))
    add_interfaces([owner, sidecar, other])
    assert owner["namespace"] == sidecar["namespace"] == Namespace.of_process(pid).id.inode != other["namespace"]
    assert (owner["shares_namespace_with"], sidecar["shares_namespace_with"]) == (["sidecar"], ["owner"])
    assert other["shares_namespace_with"] == []
    assert [link["name"] for link in owner["interfaces"]] == ["lo"]
    assert owner["interfaces"] == sidecar["interfaces"]


def test_a_namespace_is_entered_once(apart: t.Callable[[str], int], monkeypatch) -> None:
    opened: list[int] = []
    real = container_interfaces.open_netlink
    monkeypatch.setattr(container_interfaces, "open_netlink", lambda: opened.append(1) or real())
    pid = apart("owner")
    add_interfaces([a_container(f"c{number}", pid) for number in range(5)])
    assert len(opened) == 2  # the host's own, and that of all five


def test_a_container_in_the_hosts_namespace_has_no_interfaces() -> None:
    host = a_container("host", os.getpid(), "host")
    add_interfaces([host])
    assert host["namespace"] == pathlib.Path("/proc/self/ns/net").stat().st_ino
    assert host["interfaces"] == []


def test_a_container_that_has_ended_has_no_interfaces(apart: t.Callable[[str], int]) -> None:
    gone, unknown, web = a_container("gone", GONE), a_container("unknown", None), a_container("web", apart("web"))
    add_interfaces([gone, unknown, web])
    for ended in (gone, unknown):
        assert (ended["namespace"], ended["shares_namespace_with"], ended["interfaces"]) == (None, [], [])
    assert web["interfaces"]


def test_proxies_are_found_among_all_processes(tmp_path: pathlib.Path) -> None:
    proxy = (
        "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80"
    )
    lines = {"7": proxy, "8": "/usr/sbin/dockerd -H fd://", "net": proxy}
    for pid, line in lines.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text(line.replace(" ", "\0") + "\0", encoding="utf-8")
    (tmp_path / "9").mkdir()  # has ended since
    (found,) = read_proxies(str(tmp_path))
    assert found.pid == 7
