# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all scenarios: the hosts' addresses on the underlay, and the world outside."""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
import yaml


@pytest.fixture(scope="session")
def underlay(request) -> dict[str, str]:
    """host -> its address for the other hosts, as the test bed's inventory has it."""
    with open(request.config.getoption("--ansible-inventory"), encoding="utf-8") as file:
        hosts = yaml.safe_load(file)["docker_fleet"]["hosts"]
    return {name: variables["docker_fleet_underlay_address"] for name, variables in hosts.items()}


@pytest.fixture(scope="session")
def world() -> t.Callable[[str], bool]:
    """Runs a shell command on the machine outside of the fleet; True where it succeeded."""
    fleet = [f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet", "exec", "world"]
    fleet += ["--name", f"molecule-{os.environ['MOLECULE_SCENARIO_NAME']}", "--", "sh", "-c"]
    return lambda command: subprocess.run([*fleet, command], capture_output=True, check=False).returncode == 0
