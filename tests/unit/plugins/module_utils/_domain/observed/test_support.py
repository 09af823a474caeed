# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Engines and hosts that are not supported are recognized, and the error says what to do."""

from __future__ import annotations

import errno
import re
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import (
    DaemonUnits,
    HostManager,
    SocketState,
    engine_refusal,
    info_refusal,
    manager_refusal,
    sdk_hint,
    socket_hint,
    unit_of,
    unit_refusal,
)

SOCKET = "/var/run/docker.sock"


def version(release: str, *components: str) -> dict[str, t.Any]:
    return {"Version": release, "Components": [{"Name": name} for name in components]}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (version("28.5.2", "Engine", "containerd", "runc"), None),
        (version("20.10.24+dfsg1", "Engine"), None),
        # 18.05 and older list no components
        ({"Version": "20.10.0", "Components": None}, None),
        (version("5.4.2", "Podman Engine", "Conmon"), r"^the engine is Podman 5\.4\.2.* Install Docker Engine 20\.10"),
        (version("27.0.1", "Engine", "rootlesskit"), "rootless mode.*docker_host"),
        (version("19.03.15", "Engine"), r"^the engine is Docker 19\.03\.15\. Upgrade it: .* 20\.10\.$"),
        (version("9.1"), "Upgrade it"),
        # the version's own parser rejects it
        (version("dev"), None),
        ({}, None),
    ],
)
def test_an_unsupported_engine_is_named(answer: dict[str, t.Any], says: str | None) -> None:
    matches(engine_refusal(answer), says)


@pytest.mark.parametrize(
    ("options", "says"),
    [(["name=seccomp,profile=builtin", "name=rootless"], "rootless mode"), (["name=seccomp"], None), (None, None)],
)
def test_engines_before_23_report_rootless_mode_in_their_information(options: t.Any, says: str | None) -> None:
    matches(info_refusal({"SecurityOptions": options}), says)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (SocketState(SOCKET, errno.EACCES, "alice", "docker"), "'alice' has no permission .*ansible_become: true"),
        (SocketState(SOCKET, errno.ENOENT, "root", ""), "does not exist. Install Docker Engine .*systemctl start"),
        (
            SocketState(SOCKET, errno.ENOENT, "root", "", rootless=("/run/user/1000/docker.sock",)),
            "/run/user/1000/docker.sock does: the engine runs in rootless mode",
        ),
        (
            SocketState(SOCKET, errno.ENOENT, "root", "", podman=("/run/podman/podman.sock",)),
            "Podman listens at /run/podman/podman.sock",
        ),
        (SocketState(SOCKET, errno.ECONNREFUSED, "root", ""), "Nothing accepts connections .*systemctl start docker"),
        (SocketState(SOCKET, errno.EPROTOTYPE, "root", ""), "EPROTOTYPE. Set docker_host"),
        (SocketState(SOCKET, 0, "root", ""), "does not answer. Restart it"),
    ],
)
def test_the_hint_names_why_the_socket_does_not_answer(state: SocketState, says: str) -> None:
    matches(socket_hint(state), says)


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ({"docker": "6.1.3", "requests": "2.32.3", "urllib3": "1.26.19"}, "SDK for Python 6.1.3 .* requests 2.32.3"),
        ({"docker": "5.0.3", "requests": "2.28.1", "urllib3": "2.0.7"}, r"urllib3 2\.0\.7\. .*urllib3 before 2\.0\.$"),
        ({"docker": "7.1.0", "requests": "2.32.3", "urllib3": "2.3.0"}, None),
        ({"docker": "5.0.3", "requests": "2.28.1", "urllib3": "1.26.12"}, None),
        ({"requests": "2.32.3"}, None),
        ({}, None),
    ],
)
def test_an_sdk_that_does_not_work_with_its_libraries_is_named(versions: dict[str, str], says: str | None) -> None:
    matches(sdk_hint(versions), says)


@pytest.mark.parametrize(
    ("manager", "says"),
    [
        (HostManager(systemd=True, openrc=False), None),
        (HostManager(systemd=False, openrc=True), "^OpenRC manages this host.* units of systemd"),
        (HostManager(systemd=False, openrc=False), "^systemd does not run on this host"),
    ],
)
def test_a_host_without_systemd_is_refused(manager: HostManager, says: str | None) -> None:
    matches(manager_refusal(manager), says)


@pytest.mark.parametrize(
    ("units", "says"),
    [
        (DaemonUnits("docker.service", "loaded"), None),
        (DaemonUnits("docker.service", "loaded", "docker.service", "/usr/lib/systemd/system/docker.service"), None),
        # the alias that the message below advises, while its unit stops
        (
            DaemonUnits("docker.service", "loaded", "own.service", "/etc/systemd/system/own.service", "own.service"),
            None,
        ),
        (
            DaemonUnits("docker.service", "loaded", "own.service", "/etc/systemd/system/own.service"),
            "^the unit docker.service is not active: dockerd runs in the unit own.service. Give it this alias: ln -s",
        ),
        (
            DaemonUnits("docker.service", "not-found"),
            "is not-found. Install the Docker engine, or give its unit this alias",
        ),
        (
            DaemonUnits("docker.service", "not-found", "snap.docker.dockerd.service", "/etc/systemd/system/snap"),
            r"as a snap \(snap\.docker\.dockerd\.service\).*packages\.$",
        ),
        (
            DaemonUnits("docker.service", "masked", "dockerd.service", "/etc/systemd/system/dockerd.service"),
            "is masked: dockerd runs in the unit dockerd.service. Give it this alias: "
            "systemctl unmask docker.service && "
            "ln -s /etc/systemd/system/dockerd.service /etc/systemd/system/docker.service && systemctl daemon-reload",
        ),
    ],
)
def test_another_unit_of_the_daemon_is_named(units: DaemonUnits, says: str | None) -> None:
    matches(unit_refusal(units), says)


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/docker.service\n", "docker.service"),
        (
            "12:cpu:/x\n1:name=systemd:/docker/6f/system.slice/snap.docker.dockerd.service\n",
            "snap.docker.dockerd.service",
        ),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", ""),
        ("", ""),
    ],
)
def test_the_unit_of_a_process(cgroups: str, unit: str) -> None:
    assert unit_of(cgroups) == unit


def matches(found: str | None, says: str | None) -> None:
    if says is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(says, found), found
