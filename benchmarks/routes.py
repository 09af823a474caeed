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
import ipaddress
import json
import pathlib
import sys
import tempfile

import plays

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
    """Routes to peers on the host's own segment."""

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
        """A warm connection, the part's files in place with one route, then all of them, and runs without a change."""
        routes: plays.Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers}}
        ping: plays.Task = {"ansible.builtin.ping": {}}
        one: plays.Task = {"fleetnet.docker.host_routes": {"host": "me", "peers": self._peers[:1]}}
        gone: plays.Task = {"fleetnet.docker.host_routes": {"state": "absent"}}
        answers = self._host.play(ping, one, ping, routes, *((ping, routes) * runs), gone)
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
    # "One task" is what the module costs that only reads.
    apply, idle, ping = (times.middle(what) for what in ("apply", "no change", "ping"))
    allowed = 1.5 * times.middle("ip -batch") + idle
    targets = (
        (
            f"apply within 1.5 x ip -batch + one task that has nothing to change = {allowed:.2f} s: {apply:.2f} s, "
            f"{apply / ping:.2f} x ping",
            apply <= allowed,
        ),
        (f"no change is one read: {idle:.2f} s, {idle / ping:.2f} x ping", idle <= 2.5 * ping),
    )
    return plays.tell_targets(targets)


if __name__ == "__main__":
    sys.exit(main())
