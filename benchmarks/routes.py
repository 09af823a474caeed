# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the time to manage the routes of a host: fleetnet.docker.host_routes, and `ip -batch`.

    script/fleet up --name bench
    script/env python benchmarks/routes.py --inventory "$(script/fleet inventory --name bench)" --host h2

Both create the same routes on the same host, one after the other in one run. They remove the fleet's own routes from
the host, so use a host for tests. Ansible measures the times of tasks on the controller. A script on the host measures
the time of `ip -batch`. The overhead of a task is the time of a ping.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import pathlib
import sys
import tempfile

import plays

# The gateways are in the host's own segment and need not exist: routes are created, and no packet is sent.
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
    """Routes to peers in the host's own segment."""

    def __init__(self, host: plays.Host, count: int) -> None:
        self._host = host
        ((_seconds, result),) = host.play({"ansible.builtin.command": "ip -json -4 route get 198.51.100.1"})
        own = ipaddress.ip_address(json.loads(result["stdout"])[0]["prefsrc"])
        segment = ipaddress.ip_network(f"{own}/24", strict=False)
        gateways = [str(segment[number]) for number in range(2, 250) if segment[number] != own]
        self._peers = [
            {"host": f"p{number}", "underlay_address": gateways[number % len(gateways)],
             "blocks": [f"10.{96 + number // 256}.{number % 256}.0/24"]}
            for number in range(count)
        ]  # fmt: skip

    def bare(self) -> float:
        return float(
            self._host.script(
                BARE, json.dumps([f"{peer['blocks'][0]} via {peer['underlay_address']}" for peer in self._peers])
            )
        )

    def round(self, runs: int) -> dict[str, list[float]]:
        """Open the connection, write the files with one route, then add all routes, then run without changes."""
        routes: plays.Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers}}
        ping: plays.Task = {"ansible.builtin.ping": {}}
        one: plays.Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers[:1]}}
        gone: plays.Task = {"fleetnet.docker.host_routes": {"state": "absent"}}
        answers = self._host.play(ping, one, ping, routes, *((ping, routes) * runs), gone)
        assert answers[3][1]["changed"], "the routes existed before"
        again = answers[4:-1]
        assert not any(result["changed"] for _seconds, result in again)
        seconds = [each for each, _result in again]
        return {"apply": [answers[3][0]], "ping": [answers[2][0], *seconds[::2]], "no change": seconds[1::2]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory; its routes of protocol 213 are removed")
    parser.add_argument("--count", type=int, default=1000, help="number of routes (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--no-change-runs", type=int, default=3, help="runs without changes per round (default: 3)")
    plays.add_options(parser)
    options = parser.parse_args()

    times = plays.Times()
    with tempfile.TemporaryDirectory() as folder:
        host = plays.Host(options.host, options.inventory, plays.collections_path(options), pathlib.Path(folder))
        bench = Bench(host, options.count)
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", flush=True)
            for what, seconds in {"ip -batch": [bench.bare()], **bench.round(options.no_change_runs)}.items():
                times.note(what, *seconds)

    print(f"\n{options.count} routes on {options.host}, seconds, median (lowest to highest)\n")
    for what in times.all:
        print(f"{what:14}{times.shown(what):>24}")
    # "One task" is a run of the module that only reads.
    apply, idle, ping = (times.median(what) for what in ("apply", "no change", "ping"))
    allowed = 1.5 * times.median("ip -batch") + idle
    targets = (
        (
            f"apply within 1.5 x ip -batch + one task without changes = {allowed:.2f} s: {apply:.2f} s, "
            f"{apply / ping:.2f} x ping",
            apply <= allowed,
        ),
        (f"no change is one read: {idle:.2f} s, {idle / ping:.2f} x ping", idle <= 2.5 * ping),
    )
    return plays.report_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
