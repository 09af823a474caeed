# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on a controller, for tests of what runs there."""

from __future__ import annotations

import os
import pathlib
import subprocess

import yaml

from .playbook_runs import ENVIRONMENT, PlaybookRuns

FLEET = {"docker_fleet_supernet": "10.64.0.0/12", "docker_fleet_networks": ["web"]}


class Controller:
    """A folder with an inventory, and ansible-playbook on it."""

    def __init__(self, folder: pathlib.Path, runs: PlaybookRuns) -> None:
        self.folder = folder
        self._runs = runs
        self.lock = folder / "docker_fleet.lock.yml"

    def declare(self, hosts, fleet=None, name="hosts.yml"):
        variables = {host: {"ansible_host": f"192.0.2.{number}"} for number, host in enumerate(hosts, 1)}
        for host in variables:
            variables[host].update(hosts[host] if isinstance(hosts, dict) else {})
        inventory = {"docker_fleet": {"hosts": variables, "vars": fleet or FLEET}}
        (self.folder / name).write_text(yaml.safe_dump(inventory))

    def arguments(self, *more, playbook="fleetnet.docker.plan", inventory="hosts.yml"):
        """The arguments of ansible-playbook. Without contact to hosts, the inventory has what they report."""
        without = ("--skip-tags", "docker_fleet_contact") if playbook == "fleetnet.docker.plan" else ()
        return ("-i", str(self.folder / inventory), playbook, *more, *without)

    def start(self, *arguments, settings=None, **more):
        """Start a run beside others, or with other settings of Ansible: environment variables."""
        command = ["ansible-playbook", *self.arguments(*arguments, **more)]
        environment = {**os.environ, **ENVIRONMENT, **(settings or {})}
        return subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments, fails=False, settings=None, **more):
        if settings:
            process = self.start(*arguments, settings=settings, **more)
            output, _stderr = process.communicate(timeout=300)
            code = process.returncode
        else:
            code, output = self._runs.run(*self.arguments(*arguments, **more), folder=self.folder)
        assert bool(code) == fails, output
        return output

    def held(self):
        return yaml.safe_load(self.lock.read_text())["docker_fleet_leases"]["vars"]


def words(output):
    """The output without line breaks."""
    return " ".join(output.split())
