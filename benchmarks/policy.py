# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the cost of a large policy on a host: our verdict maps, and one rule per pair of networks and host.

    script/fleet up --name bench
    script/env python benchmarks/policy.py --inventory "$(script/fleet inventory --name bench)" --host h2

Compiles the policy of 200 networks with 1,000 rules as module bridge_routing does, and writes what an administrator
would write by hand for the same policy: one accept per policy line, from the source's subnet on each host of the fleet.
`nft -f` loads both on one host, one after the other, each in a temporary network namespace.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
import typing as t

import plays

sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":", maxsplit=1)[0])
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_fleet, parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import Local
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.compiler import (
    EngineFirewall,
    compile_rules,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, make_plan

# The maximum for compiling and loading, in seconds.
LIMIT = 1.0
# Runs on the host: measures `nft -f FILE` in a namespace of its own, for each file.
LOADER = """
import glob, json, subprocess, sys, time
times = {}
for path in sorted(glob.glob(sys.argv[1] + "/*.nft")):
    start = time.monotonic()
    subprocess.run(["unshare", "--net", "nft", "-f", path], check=True)
    times[path.rsplit("/", 1)[1]] = time.monotonic() - start
print(json.dumps(times))
"""


def declared(networks: int, lines: int) -> dict[str, t.Any]:
    """Return the same policy in every run: each line opens one TCP port between two networks."""
    choose = random.Random(6)
    names = [f"net{number:03d}" for number in range(networks)]
    return {
        "supernet": "10.0.0.0/8",
        "host_prefix_length": 19,
        "network_prefix_length": 28,
        "networks": names,
        "policy": [
            {"from": source, "to": target, "ports": choose.randint(1024, 49151)}
            for source, target in (choose.sample(names, 2) for _line in range(lines))
        ],
    }


def planned(fleet: t.Mapping[str, t.Any], hosts: int) -> FleetPlan:
    members = [parse_host(f"h{number}", {}, f"172.31.{number >> 8}.{number & 255}") for number in range(1, hosts + 1)]
    return make_plan(parse_fleet(fleet), members, {}, None)


def ours(plan: FleetPlan) -> tuple[str, float]:
    """Return the nftables table, and the seconds to compile it from a module's arguments."""
    given = json.loads(json.dumps(plan.policy.to_data()))
    own = [subnet for _network, subnet in plan.networks_of(plan.hosts[0])]
    start = time.monotonic()
    bridges = {network.name: network.bridge_name for network, _subnet in plan.networks_of(plan.hosts[0])}
    text = compile_rules(Policy.from_data(given), Local(own, bridges), EngineFirewall((28, 5, 2))).nft
    return text, time.monotonic() - start


def by_hand(plan: FleetPlan) -> str:
    """Return a table with one accept per line and sending host, and one per network and host."""
    subnets = {
        host.name: {network.name: str(subnet) for network, subnet in plan.networks_of(host)} for host in plan.hosts
    }
    here = subnets[plan.hosts[0].name]
    rules = [
        f"ip saddr {there[name]} ip daddr {subnet} accept"
        for name, subnet in here.items()
        for there in subnets.values()
    ]
    for line in plan.fleet.policy:
        for source in line.sources:
            for target in line.targets:
                service = f"tcp dport {line.ports[0][0]} accept"
                rules += [f"ip saddr {there[source]} ip daddr {here[target]} {service}" for there in subnets.values()]
    body = "\n".join(f"\t\t{rule}" for rule in rules)
    chain = f"\tchain forward {{\n\t\ttype filter hook forward priority filter; policy drop;\n{body}\n\t}}\n"
    return f"table ip byhand {{\n{chain}}}\n"


def load(host: plays.Host, folder: pathlib.Path, files: t.Mapping[str, str]) -> dict[str, float]:
    """Return the seconds to load each file on the host."""
    place = folder / "rules"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    there = "/run/fleetnet-benchmark"
    host.play({"ansible.builtin.copy": {"src": f"{place}/", "dest": f"{there}/", "mode": "0600"}})
    found = host.script(LOADER, there)
    host.play({"ansible.builtin.file": {"path": there, "state": "absent"}})
    return t.cast("dict[str, float]", found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory that has nft and Python")
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--hosts", type=int, nargs="+", default=[3, 30, 100], help="sizes of fleets to compare")
    parser.add_argument("--rounds", type=int, default=3)
    plays.add_options(parser)
    options = parser.parse_args()

    fleet = declared(options.networks, options.lines)
    files: dict[str, str] = {}
    compiled: dict[str, list[float]] = {}
    for hosts in options.hosts:
        plan = planned(fleet, hosts)
        for _round in range(options.rounds):
            files[f"{hosts:05d}-ours.nft"], seconds = ours(plan)
            compiled.setdefault(f"{hosts:05d}-ours.nft", []).append(seconds)
        files[f"{hosts:05d}-byhand.nft"] = by_hand(plan)
    loaded: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        host = plays.Host(options.host, options.inventory, plays.collections_path(options), folder)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for file, seconds in load(host, folder, files).items():
                loaded.setdefault(file, []).append(seconds)

    print(f"\n{options.networks} networks, {options.lines} lines, on {options.host}; seconds are medians\n")
    print(f"{'hosts':>6} {'':12}{'bytes':>12}{'compile':>10}{'load':>10}{'load, ratio':>14}")
    worst = 0.0
    for hosts in options.hosts:
        names = {"maps": f"{hosts:05d}-ours.nft", "by hand": f"{hosts:05d}-byhand.nft"}
        base = statistics.median(loaded[names["maps"]])
        for what, name in names.items():
            seconds = statistics.median(loaded[name])
            made = f"{statistics.median(compiled[name]):.3f}" if name in compiled else "-"
            print(f"{hosts:6} {what:12}{len(files[name]):12,}{made:>10}{seconds:10.3f}{seconds / base:14.1f}")
        worst = max(worst, base + statistics.median(compiled[names["maps"]]))
    same = len({text for name, text in files.items() if name.endswith("ours.nft")}) == 1
    return plays.report_targets(
        (
            (f"compile and load in less than {LIMIT:.0f} s: {worst:.3f} s", worst < LIMIT),
            ("identical table for every size of the fleet", same),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
