# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the time to manage the networks of a host: fleetnet.docker.networks, a loop over community.docker, the SDK.

    script/fleet up --name bench
    script/env python benchmarks/networks.py --inventory "$(script/fleet inventory --name bench)" --host h2

All of them create the same networks on the same host, one after the other in one run. Ansible measures the times of
tasks on the controller. A script on the host measures the times of SDK calls.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile
import typing as t

import plays

BARE = """
import json, sys, time
import docker
client = docker.APIClient(version="auto")
items = json.loads(sys.argv[2])
start = time.time()
for item in items:
    if sys.argv[1] == "create":
        pools = [docker.types.IPAMPool(**pool) for pool in item["ipam_config"]]
        client.create_network(
            item["name"], options=item["driver_options"], labels=item["labels"],
            ipam=docker.types.IPAMConfig(pool_configs=pools),
        )
    else:
        client.remove_network(item["name"])
print(json.dumps(time.time() - start))
"""


def items(count: int) -> list[dict[str, t.Any]]:
    return [
        {
            "name": f"bench-{number}",
            "ipam_config": [{"subnet": f"10.{70 + number // 256}.{number % 256}.0/24"}],
            "driver_options": {"com.docker.network.driver.mtu": "1450"},
            "labels": {"bench": str(number), "io.fleetnet.managed": "true"},
        }
        for number in range(count)
    ]


class Bench:
    """The same networks on one host, created with each method in turn."""

    def __init__(self, host: plays.Host, count: int) -> None:
        self._host = host
        self._items = items(count)

    def bare(self, verb: str) -> float:
        return float(self._host.script(BARE, verb, json.dumps(self._items)))

    def ours(self) -> tuple[float, bool]:
        ((seconds, result),) = self._host.play({"fleetnet.docker.networks": {"networks": self._items, "strict": True}})
        return seconds, bool(result["changed"])

    def ours_and_ping(self, rounds: int) -> tuple[list[float], list[float]]:
        """Alternate runs without changes and pings over one open connection. The first pair is not counted."""
        pair: tuple[plays.Task, ...] = (
            {"ansible.builtin.ping": {}},
            {"fleetnet.docker.networks": {"networks": self._items, "strict": True, "prune": True}},
        )
        answers = self._host.play(*(pair * (rounds + 1)))[2:]
        assert not any(result["changed"] for _seconds, result in answers)
        seconds = [each for each, _result in answers]
        return seconds[1::2], seconds[::2]

    def loop(self) -> float:
        task: plays.Task = {
            "community.docker.docker_network": {
                "name": "{{ item.name }}",
                "ipam_config": "{{ item.ipam_config }}",
                "driver_options": "{{ item.driver_options }}",
                "labels": "{{ item.labels }}",
            },
            "loop": self._items,
            "loop_control": {"label": "{{ item.name }}"},
        }
        ((seconds, _result),) = self._host.play(task)
        return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory, for temporary networks bench-N")
    parser.add_argument("--count", type=int, default=100, help="number of networks (default: 100)")
    parser.add_argument("--rounds", type=int, default=2, help="number of rounds (default: 2)")
    parser.add_argument("--no-change-runs", type=int, default=5, help="runs without changes per round (default: 5)")
    plays.add_options(parser)
    options = parser.parse_args()

    times = plays.Times()
    note = times.note
    with tempfile.TemporaryDirectory() as folder:
        host = plays.Host(options.host, options.inventory, plays.collections_path(options), pathlib.Path(folder))
        bench = Bench(host, options.count)
        bench.bare("create")  # the first run is always slower
        bench.bare("remove")
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", flush=True)
            # The kernel is still busy with the previous removal, so the methods take turns at being second.
            for ours_now in (number % 2 == 0, number % 2 == 1):
                if ours_now:
                    seconds, changed = bench.ours()
                    assert changed
                    note("networks create", seconds)
                else:
                    note("bare create", bench.bare("create"))
                bench.bare("remove")
            note("loop create", bench.loop())
            # Before and after the loop, which takes longest, so that other load on the machine affects all of them.
            for half in (True, False):
                ours, pings = bench.ours_and_ping(options.no_change_runs)
                note("networks no change", *ours)
                note("ping", *pings)
                if half:
                    note("loop no change", bench.loop())
            bench.bare("remove")

    print(f"\n{options.count} networks on {options.host}, seconds, median (lowest to highest)\n")
    print(f"{'':34}{'create':>24}{'no change':>24}")
    for label, create, idle in (
        ("bare SDK calls", "bare create", None),
        ("fleetnet.docker.networks", "networks create", "networks no change"),
        ("loop over community.docker", "loop create", "loop no change"),
        ("ping", None, "ping"),
    ):
        cells = [times.shown(what) if what else "-" for what in (create, idle)]
        print(f"{label:34}{cells[0]:>24}{cells[1]:>24}")
    allowed = 1.2 * times.median("bare create") + 1
    faster = times.median("loop no change") / times.median("networks no change")
    pings_worth = times.median("networks no change") / times.median("ping")
    loop_worth = times.median("loop create") / times.median("networks create")
    targets = (
        (f"create within 1.2 x bare + 1 s = {allowed:.2f} s", times.median("networks create") <= allowed),
        (f"no change at least 40 x faster than the loop: {faster:.0f} x", faster >= 40),
        (f"no change within 2.5 x ping: {pings_worth:.2f} x", pings_worth <= 2.5),
        (f"create, against the loop: {loop_worth:.1f} x faster", True),
    )
    return plays.report_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
