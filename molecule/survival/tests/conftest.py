# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands on hosts, probing from their containers, and the table of results."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
import testinfra

HOSTS = ("h1", "h2", "h3")
DEADLINE = 60

# Runs on a host. Prints the names of the probes that succeed; all run in parallel.
PROBER = """
probe() { timeout 5 docker exec "$2" sh -c "$3" >/dev/null 2>&1 && echo "$1"; }
%s
wait
"""


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of probes from one host: allowed flows that failed, and denied flows that passed."""

    missing: tuple[str, ...]
    leaked: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.missing and not self.leaked


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

    def run(self, name: str, command: str) -> str:
        """The output of a shell command; empty while the host reboots."""
        try:
            return self._hosts[name].run(command).stdout
        except RuntimeError:  # testinfra's error for a failed SSH connection
            return ""

    def probe(self, name: str) -> Round:
        """Probe all allowed and denied flows from the containers of one host to all hosts."""
        wanted, denied = {}, {}
        for other in HOSTS:
            web, db = self._addresses[other, "web"], self._addresses[other, "db"]
            wanted[f"web->web@{other}:icmp"] = ("web", f"ping -c 1 -W 1 {web}")
            wanted[f"db->db@{other}:icmp"] = ("db", f"ping -c 1 -W 1 {db}")
            wanted[f"web->db@{other}:5432"] = ("web", f"nc -w 1 {db} 5432 </dev/null")
            denied[f"web->db@{other}:icmp"] = ("web", f"ping -c 1 -W 1 {db}")
            denied[f"db->web@{other}:80"] = ("db", f"nc -w 1 {web} 80 </dev/null")
        lines = "\n".join(
            f'probe "{probe}" {container} "{command}" &' for probe, (container, command) in {**wanted, **denied}.items()
        )
        passed = set(self.run(name, PROBER % lines).split())
        return Round(
            tuple(probe for probe in wanted if probe not in passed), tuple(probe for probe in denied if probe in passed)
        )


@pytest.fixture(scope="module")
def fleet(inventory, observed_fleet) -> Fleet:
    """The fleet."""
    return Fleet(inventory, observed_fleet)


_table: dict[str, dict[str, tuple]] = {}


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, tuple]]:
    """fault -> host -> (seconds until all was as declared, denied flows that passed, the last round)."""
    return _table


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the table of faults: seconds to recover per engine; a star if denied flows passed before that."""
    terminalreporter.section("seconds until all is as declared again (*: denied flows passed before that)")
    terminalreporter.line(f"{'fault':24}" + "".join(f"{name:>10}" for name in HOSTS))
    for fault, found in _table.items():
        cells = [
            f"{'never' if seconds is None else f'{seconds:.1f}'}{'*' if leaked else ''}"
            for seconds, leaked, _last in (found[name] for name in HOSTS)
        ]
        terminalreporter.line(f"{fault:24}" + "".join(f"{cell:>10}" for cell in cells))
