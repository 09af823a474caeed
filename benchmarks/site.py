# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the time of site.yml on fleets of several sizes with a ping, and with a playbook written by hand.

    script/env python benchmarks/site.py --hosts 3,9,18

Creates fleets named bench-site, and removes them. Both playbooks provision new hosts (benchmarks/by_hand/site.yml is
the one written by hand). Without changes, a ping and site.yml without and with verification run in turn, with one
container on each of two networks per host. Times are wall-clock times of the whole command.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile
import time

import plays

ROOT = pathlib.Path(__file__).parent.parent
BY_HAND = pathlib.Path(__file__).parent / "by_hand"
FLEET = "bench-site"
WORKLOADS = {
    "workload_networks": ["web", "app"],
    "workload_commands": {"web": "httpd -f -v -p 80", "app": "httpd -f -v -p 8080"},
}


class Fleet:
    """New hosts, and playbooks on them."""

    def __init__(self, hosts: int, collections: str, folder: pathlib.Path) -> None:
        self._hosts = hosts
        self._inventory = folder / "hosts.yml"
        self._lock = folder / "docker_fleet.lock.yml"
        self._environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections}
        group_vars = folder / "group_vars"
        if not group_vars.exists():
            group_vars.symlink_to(BY_HAND / "group_vars")

    def renew(self) -> None:
        self.down()
        self._fleet("up", "--hosts", str(self._hosts))
        self._inventory.unlink(missing_ok=True)
        self._inventory.symlink_to(self._fleet("inventory").strip())
        self._lock.unlink(missing_ok=True)
        self.ping()  # the first connection is always slower

    def down(self) -> None:
        self._fleet("down")

    def ping(self) -> float:
        return self._run("ansible", "docker_fleet", "--module-name", "ping")

    def play(self, playbook: str, *options: str) -> float:
        return self._run("ansible-playbook", playbook, *options)

    def _fleet(self, verb: str, *options: str) -> str:
        return plays.output([str(ROOT / "script/fleet"), verb, "--name", FLEET, *options])

    def _run(self, *command: str) -> float:
        started = time.monotonic()
        plays.output([*command, "--inventory", str(self._inventory)], self._environment)
        return time.monotonic() - started


def measure(fleet: Fleet, rounds: int) -> plays.Times:
    """Return the times of each kind of run."""
    times = plays.Times()
    note = times.note
    fleet.renew()
    note("first, by hand", fleet.play(str(BY_HAND / "site.yml")))
    fleet.renew()
    note("first, site.yml", fleet.play("fleetnet.docker.site"))
    fleet.play(str(ROOT / "examples/workloads.yml"), "--extra-vars", str(WORKLOADS))
    for _round in range(rounds):
        note("ping", fleet.ping())
        note("site.yml, not verified", fleet.play("fleetnet.docker.site", "--extra-vars", "docker_fleet_verify=false"))
        note("site.yml", fleet.play("fleetnet.docker.site"))
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="3,9,18", help="numbers of hosts per fleet (default: 3,9,18)")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs without changes (default: 3)")
    plays.add_options(parser)
    options = parser.parse_args()

    found: dict[int, plays.Times] = {}
    collections = plays.collections_path(options)
    with tempfile.TemporaryDirectory() as folder:
        for hosts in map(int, options.hosts.split(",")):
            print(f"{hosts} hosts", flush=True)
            fleet = Fleet(hosts, collections, pathlib.Path(folder))
            try:
                found[hosts] = measure(fleet, options.rounds)
            finally:
                fleet.down()

    print("\nSeconds, median (lowest to highest)\n")
    kinds = list(next(iter(found.values())).all)
    print(f"{'hosts':>6}" + "".join(f"{kind:>26}" for kind in kinds))
    for hosts, times in found.items():
        print(f"{hosts:>6}" + "".join(f"{times.shown(kind):>26}" for kind in kinds))
    targets = []
    for hosts, times in found.items():
        ping, by_hand = times.median("ping"), times.median("first, by hand")
        for text, ratio, limit in (
            ("no change, not verified, in pings", times.median("site.yml, not verified") / ping, 6),
            ("no change, in pings", times.median("site.yml") / ping, 10),
            ("first provisioning, relative to by hand", times.median("first, site.yml") / by_hand, 0.5),
        ):
            targets.append((f"{hosts:>2} hosts: {text}: {ratio:.2f} (at most {limit})", ratio <= limit))
    return plays.report_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
