# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the host under test in the address plan."""

from __future__ import annotations

import pytest

from .expected import FLEET, Expected


@pytest.fixture
def me(host) -> Expected:
    """The host under test in the plan."""
    return FLEET[host.backend.get_hostname()]


@pytest.fixture
def others(me) -> list[Expected]:
    """The rest of the fleet."""
    return [expected for expected in FLEET.values() if expected != me]
