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
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.packet_trace import PacketTrace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

FLOWS = [Flow("10.64.1.2", "10.64.2.2"), Flow("fd00::1", "fd00::2")]


class Killed(BaseException):
    """The module is killed at this point."""


class Host:
    """nft's table and the unit. ``failing`` is the program that fails, with ``error`` if that is a kill."""

    def __init__(self, failing: str = "", error: BaseException | None = None) -> None:
        self.failing, self.error = failing, error
        self.table = ""
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
            assert "--property=ExecStopPost=-nft delete table inet fleetnet_trace" in argv
            self.unit = True
        elif line.startswith("nft -f"):
            self.table = stdin or ""
        elif line.startswith("systemctl stop"):
            if not self.unit:
                raise CommandFailed(argv, 5, "not loaded")
            self.end()
        elif line.startswith("nft delete table"):
            if not self.table:
                raise CommandFailed(argv, 1, "No such file or directory")
            self.table = ""
        return self.answers.get(line, "")

    def end(self) -> None:
        """The unit ends, by its time limit or a stop."""
        self.unit, self.table = False, ""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packet_trace, "RUN_FOLDER", str(tmp_path / "run"))
    monkeypatch.setattr(packet_trace, "_FILE", str(tmp_path / "trace"))
    return tmp_path


def test_both_directions_of_both_versions_are_marked() -> None:
    host = Host()
    PacketTrace(host).start(FLOWS, 10)
    for rule in (
        "ip saddr 10.64.1.2 ip daddr 10.64.2.2", "ip saddr 10.64.2.2 ip daddr 10.64.1.2",
        "ip6 saddr fd00::1 ip6 daddr fd00::2", "ip6 saddr fd00::2 ip6 daddr fd00::1",
    ):  # fmt: skip
        assert f"{rule} meta nftrace set 1" in host.table
    assert host.unit


@pytest.mark.parametrize("failing", ["nft -f", "systemd-run --unit"])
def test_a_start_that_fails_leaves_nothing(failing: str) -> None:
    host = Host(failing)
    with pytest.raises(CommandFailed, match="injected"):
        PacketTrace(host).start(FLOWS, 10)
    assert (host.table, host.unit) == ("", False)


@pytest.mark.parametrize("failing", ["nft -f", "systemd-run --unit"])
def test_a_start_that_is_killed_leaves_nothing_after_the_time_limit(failing: str) -> None:
    host = Host(failing, Killed())
    with pytest.raises(Killed):
        PacketTrace(host).start(FLOWS, 10)
    if host.unit:
        host.end()
    assert host.table == ""


def test_a_stop_returns_the_text_and_the_rules(folder: Path) -> None:
    host = Host()
    host.answers["nft -a list ruleset"] = "table ..."
    trace = PacketTrace(host)
    assert trace.stop() == ("", "")
    trace.start(FLOWS, 10)
    (folder / "trace").write_text("trace id 1")
    assert trace.stop() == ("trace id 1", "table ...")
    assert (host.table, host.unit) == ("", False)
    assert not (folder / "trace").exists()


def test_the_kernel_routes_each_flow_as_if_it_had_arrived() -> None:
    host = Host()
    host.answers = {
        "ip -json route get 10.64.1.2": '[{"dst": "10.64.1.2", "dev": "fn-a"}]',
        "ip -json route get 10.64.2.2 from 10.64.1.2 iif fn-a": '[{"dev": "eth0"}]',
        "ip -json route get fd00::2 from fd00::1 iif fn-b": '[{"dev": "eth1"}]',
    }
    assert PacketTrace(host).lookups({FLOWS[0]: None, FLOWS[1]: "fn-b"}) == [{"dev": "eth0"}, {"dev": "eth1"}]


def test_a_missing_route_is_part_of_the_report() -> None:
    class Unroutable(Host):
        def run(self, *argv: str, stdin: str | None = None) -> str:
            if argv[:2] == ("ip", "-json"):
                raise CommandFailed(argv, 2, "RTNETLINK answers: Network is unreachable\n")
            return super().run(*argv, stdin=stdin)

    reported = PacketTrace(Unroutable()).lookups({FLOWS[0]: None, FLOWS[1]: "fn-b"})
    assert reported == [
        {"error": "no route back to 10.64.1.2: Network is unreachable"},
        {"error": "Network is unreachable"},
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


def test_queues_that_drop_packets() -> None:
    host = Host()
    host.answers["tc qdisc show"] = (
        "qdisc noqueue 0: dev lo root refcnt 2\nqdisc netem 8001: dev eth0 root refcnt 2 limit 1000 loss 100%\n"
    )
    (found,) = PacketTrace(host).queues()
    assert (found["kind"], found["link"]) == ("netem", "eth0")


@pytest.mark.parametrize("program", ["nft", "systemd-run"])
def test_a_missing_program_is_named(program: str) -> None:
    with pytest.raises(Unsupported, match=f"program '{program}' not found on the host"):
        PacketTrace(Host(program))
