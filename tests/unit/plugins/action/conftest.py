# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of actions."""

from __future__ import annotations

import pytest

from .controller import Controller
from .playbook_runs import PlaybookRuns


@pytest.fixture(scope="session")
def playbook_runs():
    """Run ansible-playbook."""
    runs = PlaybookRuns()
    yield runs
    runs.end()


@pytest.fixture
def controller(tmp_path, playbook_runs):
    return Controller(tmp_path, playbook_runs)
