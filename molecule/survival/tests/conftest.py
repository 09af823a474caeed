# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands on hosts, probing from their containers, and the table of results."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
import subprocess
import typing as t

import pytest
import testinfra

from .leak_meter import HOSTS, METER, LeakMeter, Metered

# Runs on a host. Prints the names of the probes that succeed. All run in parallel, with the containers' own busybox, in
# their namespaces: a round of `docker exec` costs twenty times as much.
PROBER = """
probe() { timeout 5 nsenter --net --mount --target "$2" sh -c "$3" >/dev/null 2>&1 && echo "$1"; }
pids=$(docker inspect --format '{{.State.Pid}}' web db) || exit
set -- $pids
web=$1 db=$2
%s
wait
"""
# Prints how rules, routes and units differ from the plan.
CHECK = """
for part in firewall routes; do
    /etc/fleetnet/apply-$part --check
done
for unit in firewall routes reconciler; do
    state=$(systemctl is-active fleetnet-$unit.service) || echo $unit: $state
done
"""


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of probes from one host: allowed flows that failed, and denied flows that passed.

    ``differences`` are those of rules, routes and units; they are read once the flows are as declared.
    """

    missing: tuple[str, ...]
    leaked: tuple[str, ...]
    differences: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.missing and not self.leaked and not self.differences


class Fleet:
    """The hosts under test."""

    def __init__(self, inventory: str, observed: t.Any) -> None:
        self._hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in HOSTS}
        # read before any fault
        self._addresses = {
            (name, container): observed.host(name).container(container).address
            for name in HOSTS
            for container in ("web", "db")
        }

    def host(self, name: str) -> t.Any:
        """The host as testinfra's."""
        return self._hosts[name]

    def backend(self, name: str) -> str:
        """The firewall backend of a host's engine."""
        return str(self._hosts[name].ansible.get_variables()["testbed_firewall_backend"])

    def run(self, name: str, command: str) -> None:
        """Run a shell command that must succeed."""
        result = self._hosts[name].run(command)
        assert result.rc == 0, f"{name}: {command}: {result.stdout}{result.stderr}"

    def read(self, name: str, command: str) -> str:
        """The output of a shell command; empty while the host reboots."""
        try:
            return self._hosts[name].run(command).stdout
        except RuntimeError:  # testinfra's error for a failed SSH connection
            return ""

    def reboot(self, name: str, wait_until: t.Callable[..., str]) -> None:
        """Reboot a host, and wait until it runs again; its containers may not."""
        started = "awk '{ print $22 }' /proc/1/stat"  # the start time of its process 1
        before = self.read(name, started)
        self.read(name, "systemctl reboot")
        wait_until(f"{name} has rebooted", lambda: self.read(name, started), lambda now: now not in ("", before), 300)

    def probe(self, name: str) -> Round:
        """Probe all allowed and denied flows from the containers of one host to all hosts."""
        wanted, denied = {}, {}
        own = self._addresses[name, "web"]
        for other in HOSTS:
            web, db = self._addresses[other, "web"], self._addresses[other, "db"]
            wanted[f"web->web@{other}:icmp"] = ("web", f"ping -c 1 -W 1 {web}")
            wanted[f"db->db@{other}:icmp"] = ("db", f"ping -c 1 -W 1 {db}")
            # the server answers with its connections: the client's address must be that of the container
            wanted[f"web->db@{other}:5432"] = ("web", f"nc -w 3 {db} 5432 </dev/null | grep -qF {own}:")
            denied[f"web->db@{other}:icmp"] = ("web", f"ping -c 1 -W 1 {db}")
            denied[f"db->web@{other}:80"] = ("db", f"nc -w 1 {web} 80 </dev/null")
        lines = "\n".join(
            f'probe "{probe}" ${container} "{command}" &'
            for probe, (container, command) in {**wanted, **denied}.items()
        )
        passed = set(self.read(name, PROBER % lines).split())
        missing = tuple(probe for probe in wanted if probe not in passed)
        leaked = tuple(probe for probe in denied if probe in passed)
        differences = () if missing or leaked else tuple(self.read(name, CHECK).splitlines())
        return Round(missing, leaked, differences)


@pytest.fixture(scope="session")
def on_all() -> t.Callable[..., list[t.Any]]:
    """Call a function for each of several values at once, and return the results. The first error is raised."""

    def call(function: t.Callable[[t.Any], t.Any], values: t.Iterable[t.Any]) -> list[t.Any]:
        with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
            return list(pool.map(function, values))

    return call


@pytest.fixture(scope="module")
def fleet(inventory, observed_fleet) -> Fleet:
    """The fleet."""
    return Fleet(inventory, observed_fleet)


@pytest.fixture(scope="module")
def leak_meter(inventory, fleet, observed_fleet, underlay, underlay_v6) -> t.Iterator[LeakMeter]:
    """Denied packets are sent from all containers, hosts and the world, and counted where they arrive."""
    of = {
        network: [address for name in HOSTS for address in observed_fleet.host(name).container(network).addresses]
        for network in ("web", "db")
    }
    hosts = {name: [underlay[name], underlay_v6[name]] for name in HOSTS}
    others = {name: [each for other in HOSTS if other != name for each in hosts[other]] for name in HOSTS}
    meter = LeakMeter(fleet.run, fleet.read)
    meter.start({name: {**of, "others": others[name]} for name in HOSTS})
    program = f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/script/fleet"
    world = [program, "exec", "world", "--name", pathlib.Path(inventory).resolve().parent.name, "--"]
    command = [*world, "python3", "-c", METER, *underlay.values()]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as outside:
            assert outside.stdout is not None
            assert outside.stdout.readline() == "ready\n"
            yield meter
            outside.communicate()
    finally:
        meter.stop()


class Recovery(t.NamedTuple):
    """A host after a fault: seconds until all was as declared, denied flows that passed, and what the meter counted."""

    seconds: float
    flows: tuple[str, ...]
    metered: Metered


_table: dict[str, dict[str, Recovery]] = {}


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, Recovery]]:
    """The recoveries by fault and host."""
    return _table


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the table of faults per host. A hyphen marks a host on which the fault did not happen."""
    terminalreporter.section("seconds until as declared / longest gap of allowed packets / denied packets, arrived")
    terminalreporter.line(f"{'fault':24}" + "".join(f"{name:>26}" for name in HOSTS))
    for fault, found in _table.items():
        cells = [_cell(found[name]) if name in found else "-" for name in HOSTS]
        terminalreporter.line(f"{fault:24}" + "".join(f"{cell:>26}" for cell in cells))


def _cell(found: Recovery) -> str:
    metered = found.metered
    return f"{found.seconds:.1f} / {metered.gap:.2f} / {metered.sent}, {sum(metered.leaked.values())}"
