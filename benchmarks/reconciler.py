# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what the reconciler costs on a host where nothing changes: processor time and memory.

    script/env python benchmarks/reconciler.py --seconds 600

Creates a fleet named bench-reconciler with one host per engine, and removes it. The time is that of the unit's
processes and of the programs that they have run. It includes the check every five minutes, so measure longer than that.
Memory is PSS, in which a page that processes share is divided among them, and RSS; both include Python's own.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
import typing as t

import plays

ROOT = pathlib.Path(__file__).parent.parent
BY_HAND = pathlib.Path(__file__).parent / "by_hand"
FLEET = "bench-reconciler"
WORKLOADS = {
    "workload_networks": ["web", "app"],
    "workload_commands": {"web": "httpd -f -v -p 80", "app": "httpd -f -v -p 8080"},
}
# Runs on a host. Prints seconds of processor time, PSS and RSS in bytes, and the number of processes.
READ = """
import json, os
cpu = pss = rss = number = 0
for process in filter(str.isdigit, os.listdir("/proc")):
    folder = "/proc/" + process
    try:
        if "fleetnet-reconciler.service" not in open(folder + "/cgroup").read():
            continue
        # its own in nanoseconds; its children's user and system time in ticks
        children = open(folder + "/stat").read().rpartition(") ")[2].split()[13:15]
        cpu += int(open(folder + "/schedstat").read().split()[0]) / 1e9
        cpu += sum(map(int, children)) / os.sysconf("SC_CLK_TCK")
        sizes = dict(line.split()[:2] for line in open(folder + "/smaps_rollup").read().splitlines()[1:])
    except OSError:
        continue
    pss += int(sizes["Pss:"]) * 1024
    rss += int(sizes["Rss:"]) * 1024
    number += 1
print(json.dumps([cpu, pss, rss, number]))
"""


class Cost(t.NamedTuple):
    """What the unit has used: ``cpu`` in seconds since it started, ``pss`` and ``rss`` in bytes, of all processes."""

    cpu: float
    pss: int
    rss: int
    processes: int


def fleet(verb: str, *options: str) -> str:
    return plays.output([str(ROOT / "script/fleet"), verb, *options[:1], "--name", FLEET, *options[1:]])


def provision(folder: pathlib.Path, engines: str) -> dict[str, str]:
    """Create the fleet; return the engine of each host."""
    fleet("down")
    plays.output([str(ROOT / "script/fleet"), "up", "--name", FLEET, "--engines", engines])
    inventory = folder / "hosts.yml"
    inventory.symlink_to(fleet("inventory").strip())
    (folder / "group_vars").symlink_to(BY_HAND / "group_vars")
    for playbook in ("fleetnet.docker.site", str(ROOT / "examples/workloads.yml")):
        plays.output(
            ["ansible-playbook", "--inventory", str(inventory), playbook, "--extra-vars", json.dumps(WORKLOADS)],
            {**os.environ, "ANSIBLE_HOST_KEY_CHECKING": "false"},
        )
    return {f"h{number}": engine for number, engine in enumerate(engines.split(","), 1)}


def read(host: str) -> Cost:
    return Cost(*json.loads(fleet("exec", host, "--", "python3", "-c", READ)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="20.10,26.1,28.5", help="default: 20.10,26.1,28.5")
    parser.add_argument("--seconds", type=float, default=600, help="how long to measure (default: 600)")
    parser.add_argument("--settle", type=float, default=30, help="how long to wait before that (default: 30)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            hosts = provision(pathlib.Path(folder), options.engines)
            time.sleep(options.settle)
            before = {host: (time.monotonic(), read(host)) for host in hosts}
            time.sleep(options.seconds)
            after = {host: (time.monotonic(), read(host)) for host in hosts}
        finally:
            fleet("down")
    print(f"{'engine':>8}{'% of a core':>14}{'PSS, MB':>10}{'RSS, MB':>10}{'processes':>11}")
    targets = []
    for host, engine in hosts.items():
        (begun, first), (ended, last) = before[host], after[host]
        share, pss = 100 * (last.cpu - first.cpu) / (ended - begun), last.pss / 1e6
        print(f"{engine:>8}{share:>14.3f}{pss:>10.1f}{last.rss / 1e6:>10.1f}{last.processes:>11}")
        targets.append((f"{engine}: {share:.3f} % of a core (below 0.1)", share < 0.1))
        targets.append((f"{engine}: {pss:.1f} MB (below 15)", pss < 15))
    return plays.report_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
