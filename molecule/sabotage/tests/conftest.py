# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages hosts, verifies the fleet, and prints the reported causes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ipaddress
import json
import pathlib
import subprocess
import typing as t

import pytest
import testinfra

from .damages import PRELUDE

HOSTS = ("h1", "h2", "h3")
# The containers whose flows are damaged, which have the names of their networks, and their bridges.
BRIDGES = {"web": "fn-web", "db": "fn-db"}
# It owns the policy's tables and repairs the damage.
RECONCILER = "fleetnet-reconciler.service"


class Change(t.NamedTuple):
    """A shell command, the one that undoes it, and the container for which both are run."""

    command: str
    undo: str
    container: str = "web"


class Report(t.NamedTuple):
    """What a verification reports: causes and findings, the hosts that they name, failed probes, and the exit code.

    ``unexplained`` are failures without a cause.
    """

    causes: list[str]
    hosts: set[str]
    failed: int
    code: int
    unexplained: list[str]

    def __str__(self) -> str:
        return "\n".join([f"{self.failed} probes failed. Causes:", *self.causes, "Without a cause:", *self.unexplained])


def _only_reconciler(finding: t.Mapping[str, t.Any]) -> bool:
    """Whether a host differs from the plan only because the tests stopped the reconciler."""
    names = [each["name"] for each in finding["differences"]]
    return bool(names) and set(names) == {RECONCILER}


class Fleet:
    """The hosts under test, without the reconciler, which repairs them."""

    def __init__(
        self, inventory: str, observed: t.Any, underlays: t.Sequence[t.Mapping[str, str]], folder: pathlib.Path
    ) -> None:
        self._inventory = inventory
        self._hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in HOSTS}
        self._addresses = {
            (network, version): {
                name: observed.host(name).container(network).address_on(network, version) for name in HOSTS
            }
            for network in BRIDGES
            for version in (4, 6)
        }
        self._underlays = underlays
        self._folder = folder

    def each(self, command: str) -> None:
        for name in HOSTS:
            self._hosts[name].check_output(command)

    def values(self, name: str, container: str) -> dict[str, str]:
        """Return the values for commands and expectations of a container's host; those of IPv6 end in a 6."""
        other, third = HOSTS[(HOSTS.index(name) + 1) % 3], HOSTS[(HOSTS.index(name) + 2) % 3]
        elsewhere = next(bridge for network, bridge in BRIDGES.items() if network != container)
        found = {
            "host": name, "container": container, "bridge": BRIDGES[container], "elsewhere": elsewhere,
            "foreign": f"foreign_{container}",
        }  # fmt: skip
        for suffix, version, underlay, length, own_length in (
            ("", 4, self._underlays[0], 20, 24),
            ("6", 6, self._underlays[1], 56, 64),
        ):
            addresses = self._addresses[container, version]
            block = ipaddress.ip_network(f"{addresses[other]}/{length}", strict=False)
            own = ipaddress.ip_network(f"{addresses[name]}/{own_length}", strict=False)
            values = {
                "own": addresses[name], "other": addresses[other], "third": addresses[third],
                "other_host": underlay[other], "third_host": underlay[third],
                "block": str(block), "gateway": str(own[1]), "nowhere": str(ipaddress.ip_address(underlay[name]) + 200),
            }  # fmt: skip
            found.update((f"{key}{suffix}", value) for key, value in values.items())
        return found

    @contextlib.contextmanager
    def changed(self, changes: t.Mapping[str, t.Sequence[Change]]) -> t.Iterator[None]:
        """Change each host, and undo it afterwards."""
        try:
            self._run({name: [(each.container, each.command) for each in found] for name, found in changes.items()})
            yield
        finally:
            self._run({name: [(each.container, each.undo) for each in found] for name, found in changes.items()})

    def _run(self, commands: t.Mapping[str, t.Sequence[tuple[str, str]]]) -> None:
        """Run commands on each host, each for a container. All are run, and all must succeed."""

        def run(name: str) -> None:
            lines = "\n".join(
                f"{PRELUDE.format(**self.values(name, container))}\n{{ {command}\n}} || failed=1"
                for container, command in commands[name]
            )
            result = self._hosts[name].run(f"failed=0\n{lines}\nexit $failed")
            assert result.rc == 0, f"{name}: {commands[name]}: {result.stderr}"

        with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
            list(pool.map(run, commands))

    def run(self, playbook: str, **variables: t.Any) -> tuple[int, str]:
        """Run a playbook; return its exit code and its output."""
        command = ["ansible-playbook", "--inventory", self._inventory, playbook]
        command += ["--extra-vars", json.dumps({"docker_fleet_report_dir": str(self._folder), **variables})]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def verify(self) -> Report:
        """Run the playbook; return what it reports.

        The stopped reconciler itself is left out. Without a report, the causes are the playbook's output.
        """
        report, hosts = self._folder / "reachability.json", self._folder / "hosts.json"
        for path in (report, hosts):
            path.unlink(missing_ok=True)
        code, output = self.run("fleetnet.docker.verify")
        if not report.exists():
            assert code != 0
            return Report(output.splitlines(), set(), 1, code, [])
        verdicts = json.loads(report.read_text(encoding="utf-8"))
        wrong = [verdict for verdict in verdicts if verdict["kind"] != "as_declared"]
        found = json.loads(hosts.read_text(encoding="utf-8"))
        assert (code != 0) == bool(wrong or found), output[-3000:]
        causes = [verdict["explanation"] for verdict in wrong if verdict["explanation"]]
        findings = [each for each in found if not _only_reconciler(each)]
        named = {cause["host"] for verdict in wrong for cause in verdict["causes"]} | {
            each["host"] for each in findings
        }
        texts = [*causes, *(each["text"] for each in findings)]
        unexplained = [str(verdict["problem"]) for verdict in wrong if not verdict["explanation"]]
        return Report(list(dict.fromkeys(texts)), named, len(wrong), code, unexplained)


@pytest.fixture(scope="module")
def fleet(inventory, observed_fleet, underlay, underlay_v6, tmp_path_factory) -> t.Iterator[Fleet]:
    """The fleet."""
    found = Fleet(inventory, observed_fleet, (underlay, underlay_v6), tmp_path_factory.mktemp("report"))
    found.each(f"systemctl stop {RECONCILER}")
    yield found
    found.each(f"systemctl start {RECONCILER}")


_table: dict[str, str] = {}


@pytest.fixture(scope="session")
def table() -> dict[str, str]:
    """Return the reported causes by damage."""
    return _table


def pytest_terminal_summary(terminalreporter) -> None:
    """Print each damage with its reported cause."""
    terminalreporter.section("damage and reported cause")
    for damage, cause in _table.items():
        terminalreporter.line(f"{damage:38}{cause}")
