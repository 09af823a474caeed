# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the undeclared can be reached from outside: docker0, a network that is not ours, and the hosts as routers.

    python3 openness.py PROGRAM FLEET

PROGRAM is script/fleet. For each host, a machine gets routes to the addresses of the host's containers, and tries
ports that are published and ports that are not. The machine is the world outside, and for IPv6, which it lacks, another
host. Prints {host: [what passed]} as JSON. This shares no code with the collection.
"""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys

HOSTS = ("h1", "h2", "h3")
# On a busy machine, probes are repeated until all published ports of a host have answered.
PUBLISHED, ROUNDS = 4, 4
# Port 80 is not published, port 81 is.
SERVE = "nc -ll -p 80 -e echo & nc -ll -p 81 -e echo"
ADDRESSES = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}"
PREPARE = f"""
set -e
docker network inspect foreign >/dev/null 2>&1 ||
    docker network create --ipv6 --subnet 172.28.%(number)s.0/24 --subnet fd00:28:0:%(number)s::/64 foreign >/dev/null
for each in "plain bridge 8181" "foreign foreign 8182"; do
    set -- $each
    docker container inspect $1 >/dev/null 2>&1 ||
        docker run --detach --restart unless-stopped --name $1 --network $2 --publish $3:81 fleetnet/workload:latest \\
            sh -c '{SERVE}' >/dev/null
    timeout 20 sh -c "until docker exec $1 netstat -ltn | grep -q ':81 '; do sleep 0.1; done"
    docker container inspect -f "$1 {ADDRESSES}" $1
done
echo host $(ip -o address show dev eth0 scope global | awk '{{ sub("/.*", "", $4); print $4 }}')
"""
# Runs outside. Prints the name of each attempt that succeeds: NAME ADDRESS PORT GATEWAY, "-" for a ping or no route.
TRY = r"""
attempts=$(cat)
routes() { echo "$attempts" | while read -r _ address _ gateway; do
    [ "$gateway" = - ] || ip route "$1" "$address" via "$gateway" 2>/dev/null
done; }
try() {
    for _ in 1 2 3; do
        if [ "$3" = - ]; then
            ping -c 1 -W 1 "$2"
        else
            timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3"
        fi >/dev/null 2>&1 && echo "$1" && break
    done
}
routes replace
echo "$attempts" | {
    while read -r name address port _; do
        try "$name" "$address" "$port" &
    done
    wait
}
routes del
"""


class Fleet:
    def __init__(self, program: str, name: str) -> None:
        self._command = [program, "exec", "--name", name]

    def run(self, host: str, script: str, stdin: str = "") -> list[list[str]]:
        """The words of each line of a shell script's output."""
        command = [*self._command[:2], host, *self._command[2:], "--", "bash", "-c", script]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode and not stdin:
            raise SystemExit(f"{host}: {done.stderr}")
        return [line.split() for line in done.stdout.splitlines()]


def attempts(host: str, shown: dict[str, list[str]], version: str, other: str) -> str:
    """Lines for TRY, to a host, and through it to the address of another host."""
    number = ("ipv4", "ipv6").index(version)
    own = shown["host"][number]
    lines = [f"{host}:router-{version} {other} - {own}"]
    for name, published in (("plain", 8181), ("foreign", 8182)):
        lines.append(f"{host}:{name}-{version}-published {own} {published} -")
        for address in shown[name][number : number + 1]:  # docker0 may have no IPv6
            lines += [f"{host}:{name}-{version}-{port} {address} {port} {own}" for port in ("80", "81", "-")]
    return "".join(f"{line}\n" for line in lines)


def main(program: str, name: str) -> None:
    fleet = Fleet(program, name)
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS) + 1) as pool:
        prepared = pool.map(lambda host: fleet.run(host, PREPARE % {"number": host[1:]}), HOSTS)
        shown = {host: {words[0]: words[1:] for words in lines} for host, lines in zip(HOSTS, prepared, strict=True)}
        batches: dict[str, list[tuple[str, str]]] = {"ipv4": [], "ipv6": []}
        for number, host in enumerate(HOSTS):
            near, far = HOSTS[number - 1], HOSTS[number - 2]
            batches["ipv4"].append(("world", attempts(host, shown[host], "ipv4", shown[near]["host"][0])))
            batches["ipv6"].append((near, attempts(host, shown[host], "ipv6", shown[far]["host"][1])))

        def run(version: str) -> set[str]:
            """One batch after the other: hosts have the same docker0, and a batch routes to a host through another."""
            found = [fleet.run(machine, TRY, lines) for machine, lines in batches[version]]
            return {words[0] for lines in found for words in lines}

        passed: set[str] = set()
        for _round in range(ROUNDS):
            passed = passed.union(*pool.map(run, batches))
            if len([name for name in passed if name.endswith("-published")]) == PUBLISHED * len(HOSTS):
                break
    names = [name.split(":") for name in passed]
    print(json.dumps({host: sorted(what for where, what in names if where == host) for host in HOSTS}, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
