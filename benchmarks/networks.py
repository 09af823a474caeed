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
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing as t
import zipfile

COLLECTIONS = ("ansible_collections/community/docker/", "ansible_collections/community/library_inventory_filtering_v1/",
               "ansible_collections/ansible/posix/")  # fmt: skip

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
    def __init__(self, host: str, inventory: str, collections: str, folder: pathlib.Path, count: int) -> None:
        self._host = host
        self._folder = folder
        self._items = items(count)
        self._environment = {
            **os.environ,
            "ANSIBLE_INVENTORY": inventory,
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": "1",
        }
        script = folder / "bare.py"
        script.write_text(BARE, encoding="utf-8")

    def _play(self, *tasks: dict[str, t.Any]) -> list[tuple[float, dict[str, t.Any]]]:
        """Run tasks on the host; the seconds and the result of each."""
        path = self._folder / "play.json"
        play = [{"hosts": self._host, "gather_facts": False, "tasks": list(tasks)}]
        path.write_text(json.dumps(play), encoding="utf-8")
        done = subprocess.run(
            ["ansible-playbook", str(path)], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        told = json.loads(done.stdout[done.stdout.index("{") :])
        answers = []
        for task in told["plays"][0]["tasks"]:
            duration = task["task"]["duration"]
            start, end = (datetime.datetime.fromisoformat(duration[key].rstrip("Z")) for key in ("start", "end"))
            answers.append(((end - start).total_seconds(), next(iter(task["hosts"].values()))))
        return answers

    def bare(self, verb: str) -> float:
        payload = json.dumps(self._items).replace("'", "")
        script = f"{self._folder / 'bare.py'} {verb} '{payload}'"
        ((_seconds, result),) = self._play({"ansible.builtin.script": script, "args": {"executable": "python3"}})
        return float(result["stdout"].strip().splitlines()[-1])

    def ours(self) -> tuple[float, bool]:
        ((seconds, result),) = self._play({"fleetnet.docker.networks": {"networks": self._items, "strict": True}})
        return seconds, bool(result["changed"])

    def ours_and_ping(self, rounds: int) -> tuple[list[float], list[float]]:
        """No-change runs and pings in turn, over one warm connection; the first pair is not counted."""
        pair = (
            {"ansible.builtin.ping": {}},
            {"fleetnet.docker.networks": {"networks": self._items, "strict": True, "prune": True}},
        )
        answers = self._play(*(pair * (rounds + 1)))[2:]
        assert not any(result["changed"] for _seconds, result in answers)
        seconds = [each for each, _result in answers]
        return seconds[1::2], seconds[::2]

    def loop(self) -> float:
        task = {
            "community.docker.docker_network": {
                "name": "{{ item.name }}",
                "ipam_config": "{{ item.ipam_config }}",
                "driver_options": "{{ item.driver_options }}",
                "labels": "{{ item.labels }}",
            },
            "loop": self._items,
            "loop_control": {"label": "{{ item.name }}"},
        }
        ((seconds, _result),) = self._play(task)
        return seconds


def community_docker(cache: pathlib.Path, version: str) -> pathlib.Path:
    """A folder with community.docker and ansible.posix, taken out of the Python package ``ansible``."""
    folder = cache / f"ansible-{version}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"ansible=={version}"]
            subprocess.run([*command, "--dest", scratch], check=True)
            (wheel,) = pathlib.Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith(COLLECTIONS)])
    return folder


def shown(seconds: t.Sequence[float]) -> str:
    spread = f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(seconds) > 1 else ""
    return f"{statistics.median(seconds):.2f}{spread}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory; its networks bench-N come and go")
    parser.add_argument("--count", type=int, default=100, help="how many networks (default: 100)")
    parser.add_argument("--rounds", type=int, default=2, help="how often all is done (default: 2)")
    parser.add_argument("--no-change-runs", type=int, default=5, help="how often in each round (default: 5)")
    parser.add_argument("--ansible", default="12.3.0", help="the release of `ansible` that community.docker comes from")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/fleetnet/benchmarks")
    options = parser.parse_args()

    deps = community_docker(options.cache, options.ansible)
    collections = f"{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}:{deps}".lstrip(":")
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.host, options.inventory, collections, pathlib.Path(folder), options.count)

        def note(what: str, *seconds: float) -> None:
            times.setdefault(what, []).extend(seconds)
            print(f"  {what}: {', '.join(f'{each:.2f}' for each in seconds)} s", flush=True)

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

    middle = {what: statistics.median(seconds) for what, seconds in times.items()}
    print(f"\n{options.count} networks on {options.host}, seconds, median (lowest to highest)\n")
    print(f"{'':34}{'create':>24}{'nothing to change':>24}")
    for label, create, idle in (
        ("bare SDK calls", "bare create", None),
        ("fleetnet.docker.networks", "networks create", "networks no change"),
        ("loop over community.docker", "loop create", "loop no change"),
        ("ping", None, "ping"),
    ):
        cells = [shown(times[what]) if what else "-" for what in (create, idle)]
        print(f"{label:34}{cells[0]:>24}{cells[1]:>24}")
    allowed = 1.2 * middle["bare create"] + 1
    faster = middle["loop no change"] / middle["networks no change"]
    pings_worth = middle["networks no change"] / middle["ping"]
    targets = (
        (f"create within 1.2 x bare + 1 s = {allowed:.2f} s", middle["networks create"] <= allowed),
        (f"no change at least 40 x faster than the loop: {faster:.0f} x", faster >= 40),
        (f"no change within 2.5 x ping: {pings_worth:.2f} x", pings_worth <= 2.5),
        (f"create, against the loop: {middle['loop create'] / middle['networks create']:.1f} x faster", True),
    )
    print()
    for text, met in targets:
        print(f"{'met   ' if met else 'MISSED'} {text}")
    return 0 if all(met for _text, met in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
