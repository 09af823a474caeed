# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that recreates a network is killed at each of its changes, on each engine: all endpoints come back.

A program that takes the place of the engine's socket kills the module. The reconciler, the next run, or the boot then
finishes the change.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from .leak_meter import HOSTS
from .module_run import run_module

KILLER = pathlib.Path(__file__).parents[2] / "shared/killer.py"
SOCKET = "/run/docker.sock"
JOURNALS = "/var/lib/fleetnet/networks"
RECONCILER = "fleetnet-reconciler.service"
CONTAINERS = ("crash-fixed", "crash-chosen", "crash-stopped", "crash-both")
NETWORKS = {"crash": "10.67.80.0/24", "crash-other": "10.67.81.0/24"}
CREATE = """
set -e
docker network create --subnet 10.67.80.0/24 --gateway 10.67.80.1 --label io.fleetnet.managed=true crash
docker network create --subnet 10.67.81.0/24 --label io.fleetnet.managed=true crash-other
docker run -d --restart always --name crash-fixed --network crash --ip 10.67.80.50 --network-alias www \
    --network-alias front fleetnet/workload:latest
docker run -d --restart always --name crash-chosen --network crash --link crash-fixed:peer fleetnet/workload:latest
docker create --name crash-stopped --network crash --ip 10.67.80.60 fleetnet/workload:latest
docker run -d --restart always --name crash-both --network crash-other --ip 10.67.81.70 fleetnet/workload:latest
docker network connect --alias api --ip 10.67.80.70 crash crash-both
"""
REMOVE = f"docker rm -f {' '.join(CONTAINERS)}; docker network rm {' '.join(NETWORKS)}"
ENDPOINTS = (
    "docker inspect --format "
    "'{{json .Name}} {{json .Id}} {{json .State.Running}} {{json .NetworkSettings.Networks}}' %s"
)
# Each endpoint is disconnected and connected, each network is removed and created.
CHANGES = 2 * 5 + 2 * len(NETWORKS)


class Crash:
    """The networks and containers of these tests on the host under test."""

    def __init__(self, host: t.Any, wait_until: t.Callable[..., t.Any]) -> None:
        self.host = host
        self._wait_until = wait_until
        self.before = self.endpoints()

    def endpoints(self) -> dict[tuple[str, str], t.Any]:
        """What a user has set or sees of each endpoint, by container and network."""
        found = {}
        result = self.host.run(ENDPOINTS % " ".join(CONTAINERS))
        for line in result.stdout.splitlines():
            name, container, running, networks = _values(line)
            for network, settings in networks.items():
                ipam = settings.get("IPAMConfig") or {}
                found[name, network] = {
                    "running": running,
                    "address": ipam.get("IPv4Address") or settings["IPAddress"],
                    # engines before 25 add the short id
                    "aliases": sorted(set(settings.get("Aliases") or ()) - {container[:12], name.lstrip("/")}),
                    "links": settings.get("Links") or [],
                }
        return found

    def journals(self) -> str:
        return str(self.host.run(f"ls {JOURNALS} 2>/dev/null").stdout)

    def mtu(self) -> str:
        options = json.loads(self.host.check_output("docker network inspect --format '{{json .Options}}' crash"))
        return str(options.get("com.docker.network.driver.mtu", "1500"))

    def declare(self, mtu: int, check_mode: bool = False) -> dict[str, t.Any]:
        """Run the module. If it is killed, its result names the signal."""
        items = [{"name": name, "ipam_config": [{"subnet": subnet}], "mtu": mtu} for name, subnet in NETWORKS.items()]
        return run_module(self.host, "networks", {"networks": items, "allow_disconnect": True}, check_mode)

    def declare_and_be_killed(self, mtu: int, number: int, when: str) -> bool:
        """Run the module, and kill it at a change. False if it has fewer changes."""
        self.host.check_output(
            f"systemd-run --quiet --collect --unit fleetnet-killer python3 /run/killer.py {SOCKET} {number} {when}"
        )
        ready = f"test -S {SOCKET}.engine && test -S {SOCKET}"
        self._wait_until("the killer is ready", lambda: self.host.run(ready).rc, lambda code: code == 0)
        result = self.declare(mtu)
        killed = "operations" not in result
        if killed:  # then the killer ends by itself
            self._wait_until(
                f"the killer has ended after {result}",
                lambda: self.host.run("systemctl is-active fleetnet-killer").rc,
                lambda code: code != 0,
            )
        self.host.run("systemctl stop fleetnet-killer")
        assert (result.get("signal") == "SIGKILL") == killed, result
        return killed

    def await_restored(self) -> None:
        self._wait_until(
            "all endpoints are back",
            lambda: (self.endpoints(), self.journals()),
            lambda found: found == (self.before, ""),
            120,
        )


def _values(line: str) -> list[t.Any]:
    decoder, found = json.JSONDecoder(), []
    while line:
        value, end = decoder.raw_decode(line)
        found.append(value)
        line = line[end:].lstrip()
    return found


@pytest.fixture
def crashes(
    fleet: t.Any, wait_until: t.Callable[..., t.Any], on_all: t.Callable[..., t.Any]
) -> t.Iterator[list[Crash]]:
    """The networks and containers on each host."""
    text = KILLER.read_text(encoding="utf-8")

    def create(name: str) -> Crash:
        host = fleet.host(name)
        host.check_output("printf %%s %s > /run/killer.py", text)
        host.check_output(CREATE)
        return Crash(host, wait_until)

    def remove(name: str) -> None:
        fleet.host(name).run(f"systemctl stop fleetnet-killer; systemctl start {RECONCILER}; {REMOVE}")

    try:
        yield on_all(create, HOSTS)
    finally:
        on_all(remove, HOSTS)


def test_the_reconciler_restores_all_endpoints_after_a_kill_at_each_change(crashes, on_all):
    """Each run is killed before the engine makes the change on one or two hosts, and after it on the others."""

    def kill_at_each_change(crash: Crash) -> None:
        number, mtu, other = 0, 1400, 1450
        place = crashes.index(crash)
        while crash.declare_and_be_killed(mtu, number, ("before", "after")[(number + place) % 2]):
            crash.await_restored()
            # now both networks have the same MTU, so that the next run has all changes again
            assert "operations" in crash.declare(mtu)
            assert crash.endpoints() == crash.before
            number, mtu, other = number + 1, other, mtu
        assert number == CHANGES

    on_all(kill_at_each_change, crashes)


def test_the_next_run_finishes_what_check_mode_predicts(crashes, on_all):
    def finish(crash: Crash) -> None:
        crash.host.check_output(f"systemctl stop {RECONCILER}")
        # 4 endpoints on crash are disconnected; the network is removed and not created
        assert crash.declare_and_be_killed(1400, len(CONTAINERS), "after")
        assert crash.journals()
        preview = crash.declare(1400, check_mode=True)
        assert any("an interrupted run (recreate network crash)" in line for line in preview["operations"])
        result = crash.declare(1400)
        assert (result["changed"], result["operations"]) == (True, preview["operations"])
        assert crash.endpoints() == crash.before
        assert not crash.journals()
        again = crash.declare(1400)
        assert (again["changed"], again["operations"]) == (False, [])

    on_all(finish, crashes)


def test_the_boot_restores_all_endpoints(crashes, on_all, fleet, wait_until):
    def reboot(crash: Crash) -> None:
        crash.host.check_output(f"systemctl stop {RECONCILER}")
        assert crash.declare_and_be_killed(1400, len(CONTAINERS), "after")
        assert crash.host.run("docker network inspect crash").rc != 0
        fleet.reboot(crash.host.ansible.get_variables()["inventory_hostname"], wait_until)
        crash.await_restored()
        assert crash.mtu() == "1400"

    on_all(reboot, crashes)
