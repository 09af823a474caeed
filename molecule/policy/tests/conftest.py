# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: containers' addresses on all hosts, and probes by the containers' own tools."""

from __future__ import annotations

import typing as t

import pytest
import testinfra

HOSTS = ("h1", "h2", "h3")
CONTAINERS = ("web", "db", "cache", "lab", "lab2", "stranger")
# Seconds that nc and ping wait; what is denied is dropped, and has to be waited for.
PATIENCE = 1


@pytest.fixture(scope="session")
def addresses(request) -> dict[tuple[str, str], str]:
    """(host, container) -> its address, as its engine tells."""
    found = {}
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    for name in HOSTS:
        remote = testinfra.get_host(
            f"ansible://{name}", ansible_inventory=request.config.getoption("--ansible-inventory")
        )
        lines = remote.check_output(f"docker inspect --format %s {' '.join(CONTAINERS)}", form).split()
        found.update({(name, container): line for container, line in zip(CONTAINERS, lines, strict=True)})
    return found


@pytest.fixture
def me(host) -> str:
    """The name of the host under test."""
    return host.backend.get_hostname()


class Probes:
    """Probes from the host under test: from one of its containers, or from itself (``source`` None)."""

    def __init__(self, host) -> None:
        self._host = host

    def ping(self, source: str | None, address: str) -> bool:
        return self._run(source, f"ping -c 1 -W {PATIENCE} {address}").rc == 0

    def ask(self, source: str | None, address: str, port: int) -> str | None:
        """What a server answers: the addresses of its connections. None where no connection comes about."""
        result = self._run(source, f"nc -w {PATIENCE} {address} {port} </dev/null")
        return result.stdout if result.rc == 0 else None

    def _run(self, source: str | None, command: str) -> t.Any:
        # the host has the containers' busybox, and no nc of its own
        where = "docker run --rm --network host fleetnet/workload" if source is None else f"docker exec {source}"
        return self._host.run(f"{where} sh -c %s", command)


@pytest.fixture
def probes(host) -> Probes:
    """Probes from the host under test."""
    return Probes(host)
