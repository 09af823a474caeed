# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for pytest-testinfra: the state of Docker's networks and containers, and what containers reach.

Load them in a ``conftest.py``:

>>> from ansible.plugins.loader import init_plugin_loader
>>> init_plugin_loader()  # lets Python import collections from Ansible's paths
>>> pytest_plugins = ["ansible_collections.fleetnet.docker.plugins.plugin_utils.testing"]

Tests then use the fixtures ``docker_network``, ``container``, ``network_info`` and ``observed_fleet``. They run the
modules network_info, reachability_info and probe_observer through testinfra's ansible backend
(``--hosts=ansible://...``). A host is read once per test module; a test that changes something calls
``network_info.forget()``. The fixture ``wait_until`` waits for a state instead of a number of seconds.
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
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until as _wait_until

_BACKEND_OPTIONS = ("ansible_inventory", "ssh_config", "ssh_identity_file", "force_ansible", "sudo", "sudo_user")


Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])


def _fixture(function: Function) -> Function:
    """A fixture with one instance per test module."""
    return t.cast(Function, pytest.fixture(scope="module")(function)) if HAS_PYTEST else function


class NetworkInfo:
    """What the module network_info returns for a host, by default the one under test."""

    def __init__(self, fleet: ObservedFleet, host: ObservedHost) -> None:
        self._fleet = fleet
        self._host = host

    def __call__(self, host: str | None = None) -> Json:
        return (self._fleet.host(host) if host else self._host).info

    def forget(self) -> None:
        """Read all hosts again on next use."""
        self._fleet.forget()


@_fixture
def observed_fleet(request: pytest.FixtureRequest) -> ObservedFleet:
    """The inventory's hosts, for tests of several: ``observed_fleet.host("h1").container("web")``."""
    return ObservedFleet(testinfra.get_hosts, {name: request.config.getoption(name) for name in _BACKEND_OPTIONS})


@_fixture
def network_info(host: t.Any, observed_fleet: ObservedFleet) -> NetworkInfo:
    """``network_info()["forwarding"]``: the state of the host under test."""
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


@_fixture
def wait_until() -> t.Callable[..., t.Any]:
    """``wait_until("web runs", lambda: host.run("docker inspect web").rc == 0)``: wait for a state, return it.

    With ``accept``, a function, for states other than true; ``limit`` and ``pause`` are in seconds. If the state is not
    reached within the limit, the error contains what was awaited and the last state.
    """
    return _wait_until
