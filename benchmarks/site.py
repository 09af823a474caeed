# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of site.yml costs, on fleets of several sizes: against a ping, and against the same written by hand.

    script/env python benchmarks/site.py --hosts 3,9,18

Makes fleets of its own, named bench-site, and takes them down. The first provisioning starts from new hosts for either
playbook (benchmarks/by_hand/site.yml is the one by hand). With nothing to change, a ping and site.yml without and with
its verification take turns; for that there is a container on two networks of each host. Times are those of the whole
command, as a shell would have them.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import networks

ROOT = pathlib.Path(__file__).parent.parent
BY_HAND = pathlib.Path(__file__).parent / "by_hand"
FLEET = "bench-site"
WORKLOADS = {"workload_networks": ["web", "db"]}


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
        self.ping()  # the first connection is slower for everybody

    def down(self) -> None:
        self._fleet("down")

    def ping(self) -> float:
        return self._run("ansible", "docker_fleet", "--module-name", "ping")

    def play(self, playbook: str, *options: str) -> float:
        return self._run("ansible-playbook", playbook, *options)

    def _fleet(self, verb: str, *options: str) -> str:
        command = [str(ROOT / "script/fleet"), verb, "--name", FLEET, *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
        return done.stdout

    def _run(self, *command: str) -> float:
        started = time.monotonic()
        done = subprocess.run(
            [*command, "--inventory", str(self._inventory)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return time.monotonic() - started


def measure(fleet: Fleet, rounds: int) -> dict[str, list[float]]:
    """Seconds of each kind of run."""
    times: dict[str, list[float]] = {}

    def note(what: str, seconds: float) -> None:
        times.setdefault(what, []).append(seconds)
        print(f"  {what}: {seconds:.1f} s", flush=True)

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
    parser.add_argument("--hosts", default="3,9,18", help="sizes of fleets (default: 3,9,18)")
    parser.add_argument("--rounds", type=int, default=3, help="how often what changes nothing is run (default: 3)")
    parser.add_argument("--ansible", default="12.3.0", help="the release of `ansible` that community.docker comes from")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/fleetnet/benchmarks")
    options = parser.parse_args()

    found: dict[int, dict[str, list[float]]] = {}
    deps = networks.community_docker(options.cache, options.ansible)
    collections = f"{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}:{deps}".lstrip(":")
    with tempfile.TemporaryDirectory() as folder:
        for hosts in map(int, options.hosts.split(",")):
            print(f"{hosts} hosts", flush=True)
            fleet = Fleet(hosts, collections, pathlib.Path(folder))
            try:
                found[hosts] = measure(fleet, options.rounds)
            finally:
                fleet.down()

    print("\nSeconds, median (lowest to highest)\n")
    kinds = list(next(iter(found.values())))
    print(f"{'hosts':>6}" + "".join(f"{kind:>26}" for kind in kinds))
    for hosts, times in found.items():
        print(f"{hosts:>6}" + "".join(f"{networks.shown(times[kind]):>26}" for kind in kinds))
    print()
    missed = False
    for hosts, times in found.items():
        middle = {kind: statistics.median(seconds) for kind, seconds in times.items()}
        for text, ratio, limit in (
            ("nothing to change, not verified, in pings", middle["site.yml, not verified"] / middle["ping"], 6),
            ("nothing to change, in pings", middle["site.yml"] / middle["ping"], 10),
            ("first provisioning, against by hand", middle["first, site.yml"] / middle["first, by hand"], 0.5),
        ):
            missed = missed or ratio > limit
            print(f"{'MISSED' if ratio > limit else 'met   '} {hosts:>2} hosts: {text}: {ratio:.2f} (at most {limit})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
