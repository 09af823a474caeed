# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the time to probe every pair of containers on a host: one task, and `docker exec` in a loop.

    script/fleet up --name bench
    script/env python benchmarks/reachability.py --inventory "$(script/fleet inventory --name bench)" --host h2

Each container pings each other container and connects to a TCP port of it. The loop runs on the host itself, without
the overhead of Ansible. It probes an evenly distributed sample of the pairs, and its time is extrapolated to all of
them. The time of the task is measured on the controller.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile

import plays

PORT = 80
NETWORK = "bench-mesh"
# Runs on the host. The first argument is the command.
MESH = """
import json, subprocess, sys, time
import docker
client = docker.APIClient(version="auto")
verb, network, image = sys.argv[1:4]
def remove():
    for container in client.containers(all=True, filters={"label": network}):
        client.remove_container(container["Id"], force=True)
    for found in client.networks(names=[network]):
        client.remove_network(found["Id"])
if verb == "up":
    remove()
    pools = [docker.types.IPAMPool(subnet="10.70.0.0/24")]
    client.create_network(network, ipam=docker.types.IPAMConfig(pool_configs=pools))
    for number in range(int(sys.argv[4])):
        made = client.create_container(image, ["httpd", "-f", "-p", "80"], name=f"{network}-{number}", labels=[network],
            host_config=client.create_host_config(network_mode=network))
        client.start(made["Id"])
    found = client.inspect_network(network)["Containers"].values()
    print(json.dumps({each["Name"]: each["IPv4Address"].partition("/")[0] for each in found}))
elif verb == "loop":
    start, failed = time.time(), 0
    for source, address in json.loads(sys.argv[4]):
        for command in (["ping", "-c", "1", "-W", "1", address], ["nc", "-w", "1", address, "80", "-e", "true"]):
            failed += subprocess.run(["docker", "exec", source, *command], stdout=subprocess.DEVNULL).returncode != 0
    print(json.dumps([time.time() - start, failed]))
else:
    remove()
    print("null")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="a host of the inventory, for temporary containers bench-mesh-N")
    parser.add_argument("--containers", type=int, default=60, help="number of containers (default: 60)")
    parser.add_argument("--sample", type=int, default=200, help="number of pairs for the loop (default: 200)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--image", default="fleetnet/workload:latest", help="an image with ping, nc and httpd")
    plays.add_options(parser)
    options = parser.parse_args()

    times = plays.Times()
    with tempfile.TemporaryDirectory() as folder:
        host = plays.Host(options.host, options.inventory, plays.collections_path(options), pathlib.Path(folder))
        addresses = host.script(MESH, "up", NETWORK, options.image, str(options.containers))
        try:
            pairs = [(one, addresses[other]) for one in addresses for other in addresses if one != other]
            measure(host, pairs, options, times)
        finally:
            host.script(MESH, "down", NETWORK, options.image)
    print(f"\n{options.containers} containers, {len(pairs)} pairs, ICMP and TCP each, on {options.host}; seconds\n")
    for what in times.all:
        print(f"{what:34}{times.shown(what):>24}")
    ratio = times.median("docker exec in a loop, all pairs") / times.median("reachability_info")
    return plays.report_targets([(f"at least 30 x faster than the loop: {ratio:.0f} x", ratio >= 30)])


def measure(host: plays.Host, pairs: list[tuple[str, str]], options: argparse.Namespace, times: plays.Times) -> None:
    """Measure both in turn. All probes pass, so neither waits for timeouts."""
    sample = pairs[:: max(1, len(pairs) // options.sample)]
    probes = [
        {"source": source, "destination": address, "token": number, **what}
        for number, (source, address) in enumerate(pairs)
        for what in ({"protocol": "icmp"}, {"protocol": "tcp", "port": PORT})
    ]
    ping: plays.Task = {"ansible.builtin.ping": {}}
    for number in range(1, options.rounds + 1):
        print(f"round {number} of {options.rounds}", flush=True)
        seconds, failed = host.script(MESH, "loop", NETWORK, options.image, json.dumps(sample))
        if failed:
            sys.exit(f"{failed} of {2 * len(sample)} did not pass in the loop")
        times.note(f"docker exec in a loop, {len(sample)} pairs", seconds)
        times.note("docker exec in a loop, all pairs", seconds / len(sample) * len(pairs))
        answers = host.play(ping, {"fleetnet.docker.reachability_info": {"probes": probes}})
        lost = [result for result in answers[1][1]["results"] if result["outcome"] != "reply"]
        if lost:
            sys.exit(f"{len(lost)} of {len(probes)} probes did not pass, such as {lost[0]}")
        times.note("reachability_info", answers[1][0])


if __name__ == "__main__":
    sys.exit(main())
