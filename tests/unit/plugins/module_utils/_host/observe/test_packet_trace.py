# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trace on a host in memory: a start that fails or is killed leaves no table that marks packets."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe import packet_trace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.packet_trace import Incoming, PacketTrace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

FLOWS = [Flow("10.64.1.2", "10.64.2.2"), Flow("fd00::1", "fd00::2")]


TABLES = ("inet fleetnet_trace", "bridge fleetnet_trace")


class Killed(BaseException):
    """The module is killed at this point."""


class Host:
    """nft's tables and the unit. ``failing`` is the program that fails, with ``error`` if that is a kill."""

    def __init__(self, failing: str = "", error: BaseException | None = None) -> None:
        self.failing, self.error = failing, error
        self.tables: dict[str, str] = {}
        self.unit = False
        self.answers: dict[str, str] = {}

    def find(self, program: str) -> str | None:
        return None if program == self.failing else f"/sbin/{program}"

    def run(self, *argv: str, stdin: str | None = None) -> str:
        line = " ".join(argv)
        if self.failing and line.startswith(self.failing):
            raise self.error or CommandFailed(argv, 1, "injected")
        if line.startswith("systemctl show"):
            return "0"  # the monitor is not awaited
        if argv[0] == "systemd-run":
            for table in TABLES:
                assert f"--property=ExecStopPost=-nft delete table {table}" in argv
            self.unit = True
        elif line.startswith("nft -f"):
            text = stdin or ""
            self.tables[" ".join(text.split()[1:3])] = text
        elif line.startswith("systemctl stop"):
            if not self.unit:
                raise CommandFailed(argv, 5, "not loaded")
            self.end()
        elif line.startswith("nft delete table") and self.tables.pop(" ".join(argv[3:]), None) is None:
            raise CommandFailed(argv, 1, "No such file or directory")
        return self.answers.get(line, "")

    def end(self) -> None:
        """The unit ends, by its time limit or a stop."""
        self.unit, self.tables = False, {}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packet_trace, "RUN_FOLDER", str(tmp_path / "run"))
    monkeypatch.setattr(packet_trace, "_FILE", str(tmp_path / "trace"))
    monkeypatch.setattr(packet_trace, "_COUNTERS", str(tmp_path / "trace.counters"))
    return tmp_path


def test_both_directions_of_both_versions_are_marked() -> None:
    host = Host()
    PacketTrace(host).start(FLOWS, 10)
    for rule in (
        "ip saddr 10.64.1.2 ip daddr 10.64.2.2", "ip saddr 10.64.2.2 ip daddr 10.64.1.2",
        "ip6 saddr fd00::1 ip6 daddr fd00::2", "ip6 saddr fd00::2 ip6 daddr fd00::1",
    ):  # fmt: skip
        assert all(f"{rule} meta nftrace set 1" in host.tables[table] for table in TABLES)
    assert host.unit


@pytest.mark.parametrize("failing", ["nft -f", "systemd-run --unit"])
def test_a_start_that_fails_leaves_nothing(failing: str) -> None:
    host = Host(failing)
    with pytest.raises(CommandFailed, match="injected"):
        PacketTrace(host).start(FLOWS, 10)
    assert (host.tables, host.unit) == ({}, False)


@pytest.mark.parametrize("failing", ["nft -f", "systemd-run --unit"])
def test_a_start_that_is_killed_leaves_nothing_after_the_time_limit(failing: str) -> None:
    host = Host(failing, Killed())
    with pytest.raises(Killed):
        PacketTrace(host).start(FLOWS, 10)
    if host.unit:
        host.end()
    assert host.tables == {}


def test_a_stop_returns_the_text_and_the_rules(folder: Path) -> None:
    host = Host()
    host.answers["nft -a list ruleset"] = "table ..."
    trace = PacketTrace(host)
    assert trace.stop() == ("", "")
    trace.start(FLOWS, 10)
    (folder / "trace").write_text("trace id 1")
    assert trace.stop() == ("trace id 1", "table ...")
    assert (host.tables, host.unit) == ({}, False)
    assert not (folder / "trace").exists()


def test_the_kernel_routes_each_flow_as_if_it_had_arrived() -> None:
    host = Host()
    host.answers = {
        "ip -json route get 10.64.1.2": '[{"dst": "10.64.1.2", "dev": "fn-a"}]',
        "ip -json route get 10.64.2.2 from 10.64.1.2 iif fn-a": '[{"dev": "eth0"}]',
        "ip -json route get fd00::2 from fd00::1 iif fn-b": '[{"dev": "eth1"}]',
    }
    host.answers["ip -json route get fd00::2 from fd00::1 iif fn-b mark 0x5"] = '[{"dev": "eth2"}]'
    trace = PacketTrace(host)
    expected = [{"dev": "eth0", "iif": "fn-a", "mark": None}, {"dev": "eth1", "iif": "fn-b", "mark": None}]
    assert trace.lookups({FLOWS[0]: Incoming(), FLOWS[1]: Incoming("fn-b")}) == expected
    assert trace.lookups({FLOWS[1]: Incoming("fn-b", "0x5")}) == [{"dev": "eth2", "iif": "fn-b", "mark": "0x5"}]


def test_a_missing_route_is_part_of_the_report() -> None:
    class Unroutable(Host):
        def run(self, *argv: str, stdin: str | None = None) -> str:
            if argv[:2] == ("ip", "-json"):
                raise CommandFailed(argv, 2, "RTNETLINK answers: Network is unreachable\n")
            return super().run(*argv, stdin=stdin)

    reported = PacketTrace(Unroutable()).lookups({FLOWS[0]: Incoming(), FLOWS[1]: Incoming("fn-b")})
    assert reported == [
        {"error": "no route back to 10.64.1.2: Network is unreachable"},
        {"error": "Network is unreachable", "iif": "fn-b", "mark": None},
    ]


def test_scripts_that_fail_are_differences(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Part(t.NamedTuple):
        script: str

    scripts = [Part(str(folder / name)) for name in ("present", "absent")]
    (folder / "present").touch()
    monkeypatch.setattr(packet_trace, "FIREWALL_PART", scripts[0])
    monkeypatch.setattr(packet_trace, "ROUTES_PART", scripts[1])
    (found,) = PacketTrace(Host(scripts[0].script)).checks()
    assert found["name"] == scripts[0].script
    assert "injected" in str(found)
    assert PacketTrace(Host()).checks() == []


def test_a_kernel_without_tables_for_bridges_traces_the_rest() -> None:
    class Older(Host):
        def run(self, *argv: str, stdin: str | None = None) -> str:
            if (stdin or "").startswith("table bridge"):
                raise CommandFailed(argv, 1, "Operation not supported")
            return super().run(*argv, stdin=stdin)

    host = Older()
    PacketTrace(host).start(FLOWS, 10)
    assert list(host.tables) == [TABLES[0]]


def test_what_was_dropped_before_the_trace_is_not_counted(folder: Path) -> None:
    host, trace_of = Host(), '[{{"kind": "tbf", "handle": "1:", "dev": "eth0", "drops": {}}}]'
    trace = PacketTrace(host)
    host.answers["tc -s -json qdisc show"] = trace_of.format(5)
    trace.start(FLOWS, 10)
    host.answers["tc -s -json qdisc show"] = trace_of.format(7)
    trace.stop()
    (queue,) = trace.state()["queues"]
    assert (queue["link"], queue["lost"]) == ("eth0", 2)
    assert not (folder / "trace.counters").exists()
    # Without the counters of its start, nothing is known about what a trace lost.
    state = trace.state()
    assert (state["queues"], state["connections"]["lost"]) == ([], None)


@pytest.mark.parametrize("program", ["nft", "systemd-run"])
def test_a_missing_program_is_named(program: str) -> None:
    with pytest.raises(Unsupported, match=f"program '{program}' not found on the host"):
        PacketTrace(Host(program))
