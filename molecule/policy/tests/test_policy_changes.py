# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the policy applies to established flows."""

from __future__ import annotations

import json
import subprocess
import time

import testinfra

from .conftest import HOSTS

DEADLINE = 30
# The client sends a line every second, and the server appends what it receives to a file. Each nc ends when its
# standard input ends.
SERVER = "docker exec -d {target} sh -c 'sleep 3600 | nc -l -p {port} >/tmp/{name}'"
CLIENT = "docker exec -d {source} sh -c 'while sleep 1; do echo tick; done | nc {address} {port}'"
RECEIVED = "docker exec {target} sh -c 'cat /tmp/{name} 2>/dev/null | wc -c'"


class Flow:
    """A flow from a container of one host to one of another."""

    def __init__(self, source, target, source_host, target_host, address, port, name):
        self._hosts = source_host, target_host
        self._values = {"source": source, "target": target, "address": address, "port": port, "name": name}

    def start(self, wait_for_server):
        self._hosts[1].check_output(SERVER.format(**self._values))
        wait_for_server(self._hosts[1], self._values["target"], self._values["port"])
        self._hosts[0].check_output(CLIENT.format(**self._values))

    def received(self):
        return int(self._hosts[1].check_output(RECEIVED.format(**self._values)))

    def continues(self):
        before, deadline = self.received(), time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.received() > before:
                return True
        return False

    def has_ended(self):
        """Whether nothing arrives for the time of several ticks."""
        before, deadline = self.received(), time.monotonic() + DEADLINE
        quiet_since = time.monotonic()
        while time.monotonic() < deadline:
            received = self.received()
            if received > before:
                before, quiet_since = received, time.monotonic()
            elif time.monotonic() > quiet_since + 5:
                return True
        return False


def test_a_removed_line_ends_its_flows(inventory, observed_fleet, wait_for_server):
    """web -> db ends when its line is removed; web -> cache continues, because cache is open."""
    hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in HOSTS}
    ended, kept = [], []
    for number, source in enumerate(HOSTS):
        target = HOSTS[(number + 1) % len(HOSTS)]
        ends = hosts[source], hosts[target]
        db, cache = (observed_fleet.host(target).container(name).address for name in ("db", "cache"))
        ended.append(Flow("web", "db", *ends, db, 5440 + number, f"ended{number}"))
        kept.append(Flow("web", "cache", *ends, cache, 6390 + number, f"kept{number}"))

    def converge(**variables):
        variables["docker_fleet_verify"] = False
        command = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.site", "-e", json.dumps(variables)]
        subprocess.run(command, check=True, capture_output=True)

    try:
        converge(docker_fleet_policy=[{"from": "web", "to": "db", "protocol": "tcp"}])
        for flow in (*ended, *kept):
            flow.start(wait_for_server)
        assert [flow.continues() for flow in (*ended, *kept)] == [True] * 6
        converge(docker_fleet_policy=[])
        assert [flow.has_ended() for flow in ended] == [True] * 3
        assert [flow.continues() for flow in kept] == [True] * 3
    finally:
        converge()
