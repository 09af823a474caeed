# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for pytest-testinfra: Docker's networks and containers as they are, and what containers reach.

A ``conftest.py`` takes them up:

>>> from ansible.plugins.loader import init_plugin_loader
>>> init_plugin_loader()  # from here on Python finds collections where Ansible does
>>> pytest_plugins = ["ansible_collections.fleetnet.docker.plugins.plugin_utils.testing"]

Tests then ask for ``docker_network``, ``container``, ``network_info`` and ``observed_fleet``. What these tell comes
from the modules network_info, reachability_info and probe_observer, by testinfra's ansible backend
(``--hosts=ansible://...``). A host is observed once in a test module; a test that changes something calls
``network_info.forget()``.
"""

from __future__ import annotations

import typing as t

try:
    import pytest
    import testinfra
except ImportError:  # Ansible's sanity tests import every plugin, where neither is installed
    HAS_PYTEST = False
else:
    HAS_PYTEST = True

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.container import Container
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.host import (
    DockerNetwork,
    Json,
    ObservedFleet,
    ObservedHost,
)

_BACKEND_OPTIONS = ("ansible_inventory", "ssh_config", "ssh_identity_file", "force_ansible", "sudo", "sudo_user")


Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])


def _fixture(function: Function) -> Function:
    """A fixture that is made once a test module."""
    return t.cast(Function, pytest.fixture(scope="module")(function)) if HAS_PYTEST else function


class NetworkInfo:
    """What the module network_info returns of a host; by default of the one under test."""

    def __init__(self, fleet: ObservedFleet, host: ObservedHost) -> None:
        self._fleet = fleet
        self._host = host

    def __call__(self, host: str | None = None) -> Json:
        return (self._fleet.host(host) if host else self._host).info

    def forget(self) -> None:
        """Ask all hosts again when something is wanted of them next."""
        self._fleet.forget()


@_fixture
def observed_fleet(request: pytest.FixtureRequest) -> ObservedFleet:
    """The inventory's hosts, for tests that are about several: ``observed_fleet.host("h1").container("web")``."""
    return ObservedFleet(testinfra.get_hosts, {name: request.config.getoption(name) for name in _BACKEND_OPTIONS})


@_fixture
def network_info(host: t.Any, observed_fleet: ObservedFleet) -> NetworkInfo:
    """``network_info()["forwarding"]``: the whole truth of the host under test."""
    return NetworkInfo(observed_fleet, observed_fleet.add(host))


@_fixture
def docker_network(host: t.Any, observed_fleet: ObservedFleet) -> t.Callable[..., DockerNetwork]:
    """``docker_network("web")``: a network of the host under test, or of another one with ``host="h2"``."""
    here = observed_fleet.add(host)
    return lambda name, host=None: (observed_fleet.host(host) if host else here).network(name)


@_fixture
def container(host: t.Any, observed_fleet: ObservedFleet) -> t.Callable[..., Container]:
    """``container("web")``: a container of the host under test, or of another one with ``host="h2"``."""
    here = observed_fleet.add(host)
    return lambda name, host=None: (observed_fleet.host(host) if host else here).container(name)
