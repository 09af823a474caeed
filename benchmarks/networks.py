# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a host's networks take: fleetnet.docker.networks, a loop over community.docker, and the bare SDK.

    script/fleet up --name bench
    script/env python benchmarks/networks.py --inventory "$(script/fleet inventory --name bench)" --host h2

All of them make the same networks on the same host, one after the other in one run. Times are those of the tasks, as
Ansible's own clock has them on the controller, and of the SDK's calls, as a script on the host has them.
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
    """The same networks on one host, made by one after the other."""

    def __init__(self, host: plays.Host, count: int) -> None:
        self._host = host
        self._items = items(count)

    def bare(self, verb: str) -> float:
        return float(self._host.script(BARE, verb, json.dumps(self._items)))

    def ours(self) -> tuple[float, bool]:
        ((seconds, result),) = self._host.play({"fleetnet.docker.networks": {"networks": self._items, "strict": True}})
        return seconds, bool(result["changed"])

    def ours_and_ping(self, rounds: int) -> tuple[list[float], list[float]]:
        """No-change runs and pings in turn, over one warm connection; the first pair is not counted."""
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
    parser.add_argument("--host", required=True, help="a host of the inventory; its networks bench-N come and go")
    parser.add_argument("--count", type=int, default=100, help="how many networks (default: 100)")
    parser.add_argument("--rounds", type=int, default=2, help="how often all is done (default: 2)")
    parser.add_argument("--no-change-runs", type=int, default=5, help="how often in each round (default: 5)")
    plays.add_options(parser)
    options = parser.parse_args()

    times = plays.Times()
    note = times.note
    with tempfile.TemporaryDirectory() as folder:
        host = plays.Host(options.host, options.inventory, plays.collections_path(options), pathlib.Path(folder))
        bench = Bench(host, options.count)
        bench.bare("create")  # the first time is slower for everybody
        bench.bare("remove")
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", flush=True)
            # Whoever comes later finds the kernel still busy with the removal before, so they take turns.
            for ours_now in (number % 2 == 0, number % 2 == 1):
                if ours_now:
                    seconds, changed = bench.ours()
                    assert changed
                    note("networks create", seconds)
                else:
                    note("bare create", bench.bare("create"))
                bench.bare("remove")
            note("loop create", bench.loop())
            # Around the loop, which takes longest: what else the machine does then weighs on all of them.
            for half in (True, False):
                ours, pings = bench.ours_and_ping(options.no_change_runs)
                note("networks no change", *ours)
                note("ping", *pings)
                if half:
                    note("loop no change", bench.loop())
            bench.bare("remove")

    print(f"\n{options.count} networks on {options.host}, seconds, median (lowest to highest)\n")
    print(f"{'':34}{'create':>24}{'nothing to change':>24}")
    for label, create, idle in (
        ("bare SDK calls", "bare create", None),
        ("fleetnet.docker.networks", "networks create", "networks no change"),
        ("loop over community.docker", "loop create", "loop no change"),
        ("ping", None, "ping"),
    ):
        cells = [times.shown(what) if what else "-" for what in (create, idle)]
        print(f"{label:34}{cells[0]:>24}{cells[1]:>24}")
    allowed = 1.2 * times.middle("bare create") + 1
    faster = times.middle("loop no change") / times.middle("networks no change")
    pings_worth = times.middle("networks no change") / times.middle("ping")
    loop_worth = times.middle("loop create") / times.middle("networks create")
    targets = (
        (f"create within 1.2 x bare + 1 s = {allowed:.2f} s", times.middle("networks create") <= allowed),
        (f"no change at least 40 x faster than the loop: {faster:.0f} x", faster >= 40),
        (f"no change within 2.5 x ping: {pings_worth:.2f} x", pings_worth <= 2.5),
        (f"create, against the loop: {loop_worth:.1f} x faster", True),
    )
    return plays.tell_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
