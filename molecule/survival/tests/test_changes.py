# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No denied packet arrives while a playbook changes the policy, or replaces files of an earlier release."""

from __future__ import annotations

import json
import subprocess
import time

from .conftest import Recovery
from .leak_meter import HOSTS

LINES = [
    {"from": "web", "to": "db", "protocol": "tcp", "ports": [5432]},
    {"from": "web", "to": "db", "protocol": "udp", "ports": [5433]},
]
MORE = [*LINES, {"from": "db", "to": "web", "protocol": "tcp", "ports": [80]}]
# As files of an earlier release: another content, which the running reconciler has read.
AGE = """
set -e
for file in $(find /etc/fleetnet -name '*.py') /etc/fleetnet/apply-firewall; do
    echo '# an earlier release' >> $file
done
systemctl restart fleetnet-reconciler.service
"""


def site(inventory: str, *arguments: str) -> str:
    command = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.site", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def metered(name, leak_meter, wait_until, table, change) -> None:
    before = {
        host: wait_until(f"the meter of {host} counts", lambda host=host: leak_meter.state(host), bool)
        for host in HOSTS
    }
    begun = time.monotonic()
    change()
    seconds = time.monotonic() - begun
    table[name] = {
        host: Recovery(
            seconds,
            (),
            wait_until(f"{host} sends denied packets", lambda host=host: leak_meter.since(before[host], host), bool),
        )
        for host in HOSTS
    }
    assert {host: found.metered.leaked for host, found in table[name].items() if found.metered.leaked} == {}


def test_a_change_of_the_policy_lets_no_denied_packet_arrive(inventory, leak_meter, wait_until, table):
    def change() -> None:
        for lines in (MORE, LINES):
            # the next test verifies the fleet
            variables = {"docker_fleet_policy": lines, "docker_fleet_verify": False}
            assert "changed=0" not in site(inventory, "--extra-vars", json.dumps(variables))

    metered("policy changed", leak_meter, wait_until, table, change)


def test_an_upgrade_lets_no_denied_packet_arrive(inventory, fleet, leak_meter, wait_until, table):
    def upgrade() -> None:
        for host in HOSTS:
            fleet.run(host, AGE)
        assert "changed=0" not in site(inventory)
        for host in HOSTS:
            fleet.run(host, "! grep -rl 'an earlier release' /etc/fleetnet")

    metered("files replaced", leak_meter, wait_until, table, upgrade)
