# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the policy applies to established flows, and a rollback ends it."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import typing as t

import testinfra

from .conftest import HOSTS

# The line of the declaration that the test removes.
LINE = {"from": "web", "to": "db", "protocol": "tcp", "ports": "5440-5442"}
# The client sends a line every second, and the server appends what it receives to a file. Each nc ends when its
# standard input ends.
SERVER = "docker exec -d {target} sh -c 'sleep 3600 | nc -l -p {port} >/tmp/{name}'"
CLIENT = "docker exec -d {source} sh -c 'while sleep 1; do echo tick; done | nc {address} {port}'"
# The file is read through the container's process, because it is read often.
RECEIVED = "cat /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {target})/root/tmp/{name} 2>/dev/null | wc -c"
TICKS = 5 * len("tick\n")


class Flow:
    """A flow from a container of one host to one of another."""

    def __init__(self, source, target, source_host, target_host, address, port, name):
        self._hosts = source_host, target_host
        self._values = {"source": source, "target": target, "address": address, "port": port, "name": name}

    def start(self, wait_for_server):
        self._hosts[1].check_output(SERVER.format(**self._values))
        wait_for_server(self._hosts[1], self._values["target"], self._values["port"])
        self._hosts[0].check_output(CLIENT.format(**self._values))

    def received(self) -> int:
        """How many bytes have arrived."""
        return int(self._hosts[1].check_output(RECEIVED.format(**self._values)))


class Pair(t.NamedTuple):
    """Two flows between the same hosts: one that the removed line allows, and one that another rule allows."""

    ends: Flow
    continues: Flow

    def received(self) -> tuple[int, int]:
        return self.ends.received(), self.continues.received()


def await_both(pair: Pair, wait_until) -> None:
    """Wait until both flows receive."""
    first = pair.received()
    wait_until(
        f"both flows receive, after {first}", pair.received, lambda now: all(map(int.__gt__, now, first)), pause=0.5
    )


def await_end(pair: Pair, wait_until) -> None:
    """Wait until nothing arrives by one flow while several ticks arrive by the other.

    That none arrives is not a state that can be awaited, and a busy machine delays ticks. The other flow, between the
    same hosts, is the clock.
    """
    last = pair.received()

    def ended(now: tuple[int, int]) -> bool:
        nonlocal last
        if now[0] != last[0]:
            last = now
        return now[1] >= last[1] + TICKS

    wait_until("the flow of the removed line ends, and the other one continues", pair.received, ended, pause=0.5)


# What a run may change on a host. Packets of other tests change counters and the sets of endpoints; Docker does not
# restore the order of its own rules, and the kernel lists chains in the order of their creation.
STATE = """
find /etc/fleetnet /etc/systemd/system/fleetnet-* /etc/docker/daemon.json -type f | sort | xargs sha256sum
nft list tables | grep fleetnet | while read -r table; do nft --stateless --terse list $table; done | sort
ip route show proto 213
docker network inspect --format '{{.Id}} {{.Name}} {{.IPAM.Config}} {{.Options}}' $(docker network ls --quiet) | sort
"""


def play(inventory: str, name: str, *arguments: str, **variables: object) -> str:
    """The output of a playbook, which must succeed."""
    command = ["ansible-playbook", "--inventory", inventory, f"fleetnet.docker.{name}", "-e", json.dumps(variables)]
    done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


def test_a_removed_line_ends_its_flows_until_a_rollback(inventory, observed_fleet, wait_for_server, wait_until):
    """web -> db ends when its line is removed; web -> cache continues, because cache is open.

    The same run creates a network. The return to the state before it restores both.
    """
    hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in HOSTS}
    pairs = []
    for number, source in enumerate(HOSTS):
        target = HOSTS[(number + 1) % len(HOSTS)]
        ends = hosts[source], hosts[target]
        db, cache = (observed_fleet.host(target).container(name).address for name in ("db", "cache"))
        ended = Flow("web", "db", *ends, db, 5440 + number, f"ended{number}")
        kept = Flow("web", "cache", *ends, cache, 6390 + number, f"kept{number}")
        pairs.append(Pair(ended, kept))
    declared = hosts["h1"].ansible.get_variables()
    policy = declared["docker_fleet_policy"]
    assert LINE in policy
    changed = {
        "docker_fleet_policy": [line for line in policy if line != LINE],
        "docker_fleet_networks": [*declared["docker_fleet_networks"], "added"],
        "docker_fleet_verify": False,
    }

    def states() -> dict[str, str]:
        return dict(zip(HOSTS, pool.map(lambda name: hosts[name].check_output(STATE), HOSTS), strict=True))

    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        list(pool.map(lambda flow: flow.start(wait_for_server), [flow for pair in pairs for flow in pair]))
        list(pool.map(lambda pair: await_both(pair, wait_until), pairs))
        before = states()
        try:
            play(inventory, "site", **changed)
            list(pool.map(lambda pair: await_end(pair, wait_until), pairs))
            assert all("fn-added" in state for state in states().values())
        finally:
            play(inventory, "rollback", docker_fleet_rollback_to="previous")
        assert states() == before
    # Only the lock file changes: the declaration no longer has the network.
    output = play(inventory, "site", docker_fleet_verify=False)
    applied = output.split("Apply the plan to docker0")[1].split("TASK [")[0]
    assert (applied.count("ok: ["), applied.count("changed: [")) == (len(HOSTS), 0), applied
