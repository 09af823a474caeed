# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks on the fleet, what other programs have on its hosts, and flows that continue while playbooks run."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
import testinfra
import yaml

# What nothing of this collection may change, in lines. The name of a network is their first word but one.
STATE = r"""
docker ps --all --quiet | xargs docker inspect --format \
    'container {{.Name}} {{.State.Status}} {{.State.StartedAt}} {{.State.Pid}} {{.RestartCount}}' | sort
docker ps --all --quiet | xargs docker inspect --format \
    '{{$name := .Name}}{{range $on, $end := .NetworkSettings.Networks}}endpoint {{$on}} {{$name}} {{$end.IPAddress}}
{{end}}' | sort
docker network inspect $(docker network ls --format '{{.Name}}' | sort) --format \
    'network {{.Name}} {{.Id}} {{json .IPAM}} {{json .Options}} {{json .Labels}}'
echo "daemon.json $(sha256sum </etc/docker/daemon.json) $(stat --format %a /etc/docker/daemon.json)"
echo "engine $(systemctl show docker --property ActiveEnterTimestamp) $(cat /run/docker.pid)"
echo "docker0 $(ip -4 -oneline address show docker0)"
ufw status numbered | sed 's/^/ufw /'
"""
# A line per connection: 0 if it was established.
FLOW = """
pid=$(docker inspect --format '{{{{.State.Pid}}}}' {container})
systemd-run --quiet --unit flow-{name} --property StandardOutput=file:/run/flow-{name} \
    nsenter --net --mount --target $pid /bin/sh -c \
    'cd /bin; while :; do ./busybox nc -w 5 {address} {port} </dev/null >/dev/null 2>&1; echo $?; ./sleep 0.3; done'
"""
_STEP = re.compile(r"(\d+)\. network (\S+) of host (\S+) \(")


class LivingFleet:
    """All hosts, and the folder of the inventory, in which the import writes."""

    def __init__(self, inventory: str, underlay: t.Mapping[str, str]) -> None:
        self._inventory = inventory
        self.addresses = underlay
        self.file = pathlib.Path(inventory).parent / "docker_fleet.import.yml"
        self.lock = pathlib.Path(inventory).parent / "docker_fleet.lock.yml"
        self._hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in underlay}

    def run(self, playbook: str, *arguments: str) -> str:
        """Run a playbook of the collection with the imported declaration, if there is one. Return what it prints."""
        inventories = ["--inventory", self._inventory, *(["--inventory", str(self.file)] if self.file.exists() else [])]
        command = ["ansible-playbook", *inventories, f"fleetnet.docker.{playbook}", *arguments]
        environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def each(self, command: str) -> dict[str, list[str]]:
        """The lines that a shell command prints on each host."""
        with concurrent.futures.ThreadPoolExecutor(len(self._hosts)) as pool:
            found = pool.map(lambda host: host.check_output(command).splitlines(), self._hosts.values())
            return dict(zip(self._hosts, found, strict=True))

    def state(self) -> dict[str, list[str]]:
        """What other programs have on each host, as lines."""
        return self.each(STATE)

    def start_flows(self) -> None:
        """Connect from container shop to db on the same host, and to the published port of shop on the next one."""
        names = list(self._hosts)
        for number, name in enumerate(names):
            following = self.addresses[names[(number + 1) % len(names)]]
            self._hosts[name].check_output(
                FLOW.format(container="shop", name="same", address=f"172.2{number + 1}.0.10", port=80)
            )
            self._hosts[name].check_output(FLOW.format(container="shop", name="cross", address=following, port=8080))

    def connects(self, host: str, container: str, address: str, port: int) -> bool:
        """Whether a container on a host can connect to an address."""
        shell = self._hosts[host].run(
            "pid=$(docker inspect --format '{{.State.Pid}}' %s) && nsenter --net --mount --target $pid /bin/busybox nc"
            " -w 5 %s %s </dev/null",
            container,
            address,
            str(port),
        )
        return shell.rc == 0

    def flow(self, name: str) -> dict[str, list[str]]:
        """The results of a flow since its start, on each host."""
        return self.each(f"cat /run/flow-{name}")

    def declared(self) -> dict[str, t.Any]:
        """The variables of the imported declaration."""
        return yaml.safe_load(self.file.read_text(encoding="utf-8"))["docker_fleet"]["vars"]


class ProposedStep(t.NamedTuple):
    """A step of the renumbering: the network, its host, and the items in its comments, in their order."""

    network: str
    host: str
    items: list[dict[str, t.Any]]


def proposed_steps(text: str) -> list[ProposedStep]:
    """The steps that the comments of an imported file propose, as a person would copy them."""
    steps: list[ProposedStep] = []
    block: list[str] = []
    for line in [each.removeprefix("    # ") for each in text.splitlines() if each.startswith("    # ")] + [""]:
        if line.startswith("  "):
            block.append(line)
            continue
        if block and steps:
            steps[-1].items.extend(yaml.safe_load("\n".join(block)))
        block = []
        found = _STEP.match(line)
        if found:
            steps.append(ProposedStep(found[2], found[3], []))
    return steps


@pytest.fixture(scope="session")
def fleet(inventory, underlay) -> LivingFleet:
    """The fleet."""
    return LivingFleet(inventory, underlay)
