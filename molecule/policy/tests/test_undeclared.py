# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A managed host is not more open than before: what is not declared is reached from outside as Docker alone allows."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
import testinfra

from .conftest import HOSTS

# Docker publishes these before and after.
PUBLISHED = {f"{name}-{version}-published" for name in ("plain", "foreign") for version in ("ipv4", "ipv6")}
READY = "systemctl is-active fleetnet-firewall.service docker.service && docker exec foreign netstat -ltn | grep ':81 '"


@pytest.fixture
def before(inventory) -> dict[str, list[str]]:
    """Host -> what passed before the hosts were managed."""
    return json.loads(pathlib.Path(inventory).resolve().with_name("openness.json").read_text(encoding="utf-8"))


@pytest.fixture
def passed(inventory):
    """Run the same probes now."""
    fleet = pathlib.Path(inventory).resolve().parent.name
    program = pathlib.Path(__file__).parent.parent / "openness.py"
    command = [sys.executable, program, f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet", fleet]
    return lambda: json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_nothing_more_passes_than_before(before, passed):
    compare(before, passed())


def test_nothing_more_passes_after_a_reboot(inventory, before, passed, wait_until):
    """Docker leaves FORWARD on ACCEPT if forwarding was on before it started."""
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(lambda name: reboot(inventory, name, wait_until), HOSTS))
    compare(before, passed())


def compare(before, after):
    more = {host: sorted(set(after[host]) - set(before[host])) for host in HOSTS}
    assert more == {host: [] for host in HOSTS}
    assert all(set(after[host]) >= PUBLISHED for host in HOSTS), f"published ports are closed: {after}"


def reboot(inventory, name, wait_until):
    """Reboot a host and wait until its containers serve."""
    host = testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory)
    booted = "systemctl show --property=UserspaceTimestampMonotonic"
    before = host.check_output(booted)

    def run(command):
        with contextlib.suppress(RuntimeError):  # testinfra's error if the SSH connection ends
            return host.run(command)
        return None

    run("systemctl reboot")
    wait_until(f"{name} boots", lambda: run(booted), lambda seen: seen and seen.stdout.strip() not in ("", before))
    wait_until(f"{name} serves", lambda: run(READY), lambda seen: seen and seen.rc == 0)
