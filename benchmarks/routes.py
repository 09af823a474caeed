# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a host's routes take: fleetnet.docker.host_routes, and `ip -batch` itself.

    script/fleet up --name bench
    script/env python benchmarks/routes.py --inventory "$(script/fleet inventory --name bench)" --host h2

Both make the same routes on the same host, one after the other in one run; the host's own fleet routes are gone
afterwards, so take a host that is for this. Times are those of the tasks, as Ansible's own clock has them on the
controller, and of `ip -batch`, as a script on the host has them. A task's own cost is that of a ping.
"""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing as t

from networks import community_docker, shown

Task = dict[str, t.Any]

# A gateway on the host's own segment that need not be there: routes are made, and nothing is sent.
BARE = """
import json, subprocess, sys, time
lines = "".join("route replace " + line + " proto 213\\n" for line in json.loads(sys.argv[1]))
flush = ["ip", "route", "flush", "proto", "213"]
subprocess.run(flush, check=True)
start = time.time()
subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
seconds = time.time() - start
subprocess.run(flush, check=True)
print(json.dumps(seconds))
"""


class Bench:
    """One host, and tasks on it."""

    def __init__(self, host: str, inventory: str, collections: str, folder: pathlib.Path, count: int) -> None:
        self._host = host
        self._folder = folder
        self._environment = {
            **os.environ,
            "ANSIBLE_INVENTORY": inventory,
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": "1",
        }
        (folder / "bare.py").write_text(BARE, encoding="utf-8")
        own = ipaddress.ip_address(json.loads(self._output("ip -json -4 route get 198.51.100.1"))[0]["prefsrc"])
        segment = ipaddress.ip_network(f"{own}/24", strict=False)
        gateways = [str(segment[number]) for number in range(2, 250) if segment[number] != own]
        self._peers = [
            {"host": f"p{number}", "underlay_address": gateways[number % len(gateways)],
             "blocks": [f"10.{96 + number // 256}.{number % 256}.0/24"]}
            for number in range(count)
        ]  # fmt: skip

    def _output(self, command: str) -> str:
        ((_seconds, result),) = self._play({"ansible.builtin.command": command})
        return str(result["stdout"])

    def _play(self, *tasks: Task) -> list[tuple[float, dict[str, t.Any]]]:
        """Run tasks on the host; the seconds and the result of each."""
        path = self._folder / "play.json"
        path.write_text(json.dumps([{"hosts": self._host, "gather_facts": False, "tasks": list(tasks)}]))
        command = ["ansible-playbook", str(path)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        answers = []
        for task in json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]:
            duration = task["task"]["duration"]
            start, end = (datetime.datetime.fromisoformat(duration[key].rstrip("Z")) for key in ("start", "end"))
            answers.append(((end - start).total_seconds(), next(iter(task["hosts"].values()))))
        return answers

    def bare(self) -> float:
        lines = json.dumps([f"{peer['blocks'][0]} via {peer['underlay_address']}" for peer in self._peers])
        script = f"{self._folder / 'bare.py'} '{lines}'"
        ((_seconds, result),) = self._play({"ansible.builtin.script": script, "args": {"executable": "python3"}})
        return float(result["stdout"].strip().splitlines()[-1])

    def round(self, runs: int) -> dict[str, list[float]]:
        """A warm connection, the part's files in place with one route, then all of them, and runs without a change."""
        routes: Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers}}
        ping: Task = {"ansible.builtin.ping": {}}
        one: Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers[:1]}}
        gone: Task = {"fleetnet.docker.host_routes": {"state": "absent"}}
        answers = self._play(ping, one, ping, routes, *((ping, routes) * runs), gone)
        assert answers[3][1]["changed"], "the routes were there already"
        again = answers[4:-1]
        assert not any(result["changed"] for _seconds, result in again)
        seconds = [each for each, _result in again]
        return {"apply": [answers[3][0]], "ping": [answers[2][0], *seconds[::2]], "no change": seconds[1::2]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory; it loses its routes of protocol 213")
    parser.add_argument("--count", type=int, default=1000, help="how many routes (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is done (default: 3)")
    parser.add_argument("--no-change-runs", type=int, default=3, help="how often in each round (default: 3)")
    parser.add_argument("--ansible", default="12.3.0", help="the release of `ansible` that ansible.posix comes from")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/fleetnet/benchmarks")
    options = parser.parse_args()

    deps = community_docker(options.cache, options.ansible)
    collections = f"{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}:{deps}".lstrip(":")
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.host, options.inventory, collections, pathlib.Path(folder), options.count)
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", flush=True)
            for what, seconds in {"ip -batch": [bench.bare()], **bench.round(options.no_change_runs)}.items():
                times.setdefault(what, []).extend(seconds)
                print(f"  {what}: {', '.join(f'{each:.2f}' for each in seconds)} s", flush=True)

    middle = {what: statistics.median(seconds) for what, seconds in times.items()}
    print(f"\n{options.count} routes on {options.host}, seconds, median (lowest to highest)\n")
    for what, seconds in times.items():
        print(f"{what:14}{shown(seconds):>24}")
    # "One task" is what the module costs that only reads.
    allowed = 1.5 * middle["ip -batch"] + middle["no change"]
    targets = (
        (
            f"apply within 1.5 x ip -batch + one task that has nothing to change = {allowed:.2f} s: "
            f"{middle['apply']:.2f} s, {middle['apply'] / middle['ping']:.2f} x ping",
            middle["apply"] <= allowed,
        ),
        (
            f"no change is one read: {middle['no change']:.2f} s, {middle['no change'] / middle['ping']:.2f} x ping",
            middle["no change"] <= 2.5 * middle["ping"],
        ),
    )
    print()
    for text, met in targets:
        print(f"{'met   ' if met else 'MISSED'} {text}")
    return 0 if all(met for _text, met in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
