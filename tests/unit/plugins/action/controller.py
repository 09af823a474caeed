# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on a controller, for tests of what runs there."""

from __future__ import annotations

import os
import pathlib
import subprocess

import yaml

FLEET = {"docker_fleet_supernet": "10.64.0.0/12", "docker_fleet_networks": ["web"]}
# Fills in what hosts would have reported.


class Controller:
    """A folder with an inventory, and ansible-playbook on it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.lock = folder / "docker_fleet.lock.yml"

    def declare(self, hosts, fleet=None, name="hosts.yml"):
        variables = {host: {"ansible_host": f"192.0.2.{number}"} for number, host in enumerate(hosts, 1)}
        for host in variables:
            variables[host].update(hosts[host] if isinstance(hosts, dict) else {})
        inventory = {"docker_fleet": {"hosts": variables, "vars": fleet or FLEET}}
        (self.folder / name).write_text(yaml.safe_dump(inventory))

    def start(self, *arguments, playbook="fleetnet.docker.plan", inventory="hosts.yml", **variables):
        command = ["ansible-playbook", "-i", str(self.folder / inventory), playbook, *arguments]
        if playbook == "fleetnet.docker.plan":
            command += ["--skip-tags", "docker_fleet_contact"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", **variables}
        return subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments, fails=False, **more):
        process = self.start(*arguments, **more)
        output, _stderr = process.communicate(timeout=300)
        assert bool(process.returncode) == fails, output
        return output

    def held(self):
        return yaml.safe_load(self.lock.read_text())["docker_fleet_leases"]["vars"]


def words(output):
    """The output without line breaks."""
    return " ".join(output.split())
