# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the host under test in the address plan, the containers."""

from __future__ import annotations

import pytest
import testinfra

from .expected import FLEET, NETWORKS, Expected


@pytest.fixture
def me(host) -> Expected:
    """The host under test in the plan."""
    return FLEET[host.backend.get_hostname()]


@pytest.fixture
def others(me) -> list[Expected]:
    """The rest of the fleet."""
    return [expected for expected in FLEET.values() if expected != me]


@pytest.fixture(scope="session")
def addresses(request) -> dict[tuple[str, str], str]:
    """(host, network) -> address of the container there, as its engine tells."""
    found = {}
    for name in FLEET:
        remote = testinfra.get_host(
            f"ansible://{name}", ansible_inventory=request.config.getoption("--ansible-inventory")
        )
        for network in NETWORKS:
            form = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
            found[name, network] = remote.check_output("docker inspect --format %s %s", form, network)
    return found
