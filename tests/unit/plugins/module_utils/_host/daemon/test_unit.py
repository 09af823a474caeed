# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dockerd's unit as systemd reports it, and its file on a real file system."""

from __future__ import annotations

import errno
import os
import stat
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import unit as daemon_file
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import (
    Before,
    Daemon,
    logged_failure,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import back_up, read_text, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

ACTIVE = """\
MainPID=0
NRestarts=0
ExecMainStartTimestampMonotonic=5000000
ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --config-file=/etc/d.json $DOCKER_OPTS ; pid=1 }
LoadState=loaded
ActiveState=active
SubState=running
InvocationID=abc
"""


class FakeCommands:
    """Answers by the first two words after the program; a list is a sequence of answers, the last one repeated."""

    def __init__(self, answers: dict[str, t.Any]) -> None:
        self.answers = answers
        self.ran: list[str] = []

    def run(self, *argv: str, **_options: t.Any) -> str:
        line = " ".join(argv)
        self.ran.append(line)
        for start, answer in self.answers.items():
            if line.startswith(start):
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if isinstance(answer, Exception):
                    raise answer
                return str(answer)
        return ""

    def find(self, program: str) -> str | None:
        return f"/bin/{program}"


def test_the_unit_has_command_line_and_start() -> None:
    unit = Daemon(FakeCommands({"systemctl show": ACTIVE}), "docker.service").unit()
    assert unit.argv == ("/usr/sbin/dockerd", "-H", "fd://", "--config-file=/etc/d.json")
    assert unit.config_file == "/etc/d.json"
    boot = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    assert unit.started == pytest.approx(boot + 5, abs=1)


def test_a_missing_unit_is_an_error() -> None:
    commands = FakeCommands({"systemctl show": "LoadState=not-found\nActiveState=inactive\n"})
    with pytest.raises(FleetnetError, match=r"^the unit docker\.service is not-found\. Install the Docker engine"):
        Daemon(commands, "docker.service").unit()


def test_a_host_without_systemd_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = FakeCommands({})
    monkeypatch.setattr(commands, "find", lambda _program: None)
    with pytest.raises(FleetnetError, match="systemd does not run on this host"):
        Daemon(commands, "docker.service").unit()


def test_a_restart_waits_for_the_job() -> None:
    commands = FakeCommands({"systemctl show": ACTIVE, "systemctl list-jobs": ["1 docker.service restart running", ""]})
    Daemon(commands, "docker.service").restart(5)
    assert commands.ran[:2] == [
        "systemctl reset-failed docker.service",
        "systemctl --no-block restart docker.service",
    ]


FAILED = ACTIVE.replace("=active", "=failed")
STARTING = ACTIVE.replace("=active", "=activating")
STARTING_AGAIN = STARTING.replace("NRestarts=0", "NRestarts=1")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([STARTING, FAILED], "does not start"),
        ([STARTING, STARTING_AGAIN], "does not start"),
        ([STARTING], r"has not started within 0 s \(it is activating\)"),
    ],
)
def test_a_daemon_that_does_not_start_is_an_error(answers: list[str], message: str) -> None:
    with pytest.raises(FleetnetError, match=message):
        Daemon(FakeCommands({"systemctl show": answers}), "docker.service").restart(0)


@pytest.mark.parametrize(
    ("answers", "jobs"),
    [
        # systemd's own attempt, which fell between the two commands, failed: that is not this restart
        ([STARTING_AGAIN, STARTING_AGAIN, ACTIVE.replace("NRestarts=0", "NRestarts=1")], ["1 docker.service", ""]),
        ([STARTING_AGAIN, STARTING, ACTIVE], ["1 docker.service", ""]),
        ([STARTING, FAILED, ACTIVE], ["1 docker.service", "1 docker.service", ""]),
    ],
)
def test_the_state_of_the_former_daemon_does_not_count(answers: list[str], jobs: list[str]) -> None:
    Daemon(FakeCommands({"systemctl show": answers, "systemctl list-jobs": jobs}), "docker.service").restart(5)


def test_validation_reports_the_last_line_and_keeps_the_flags() -> None:
    failure = CommandFailed(["dockerd"], 1, "warning\nunable to configure: unknown key bpi\n")
    commands = FakeCommands({"/usr/sbin/dockerd --validate": failure})
    argv = ("/usr/sbin/dockerd", "-H", "fd://", "--config-file", "/etc/docker/daemon.json")
    with pytest.raises(FleetnetError, match="rejects the new configuration: unable to configure: unknown key bpi"):
        Daemon(commands, "docker.service").validate('{"bpi": 1}', argv)
    assert commands.ran[0].endswith(" -H fd://")
    assert "/etc/docker/daemon.json" not in commands.ran[0]


def test_a_swap_keeps_mode_and_link(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text("{}")
    real.chmod(0o640)
    link = tmp_path / "daemon.json"
    link.symlink_to(real)
    copy = back_up(str(link))
    write_atomically(str(link), '{"mtu": 1400}')
    assert link.is_symlink()
    assert real.read_text() == '{"mtu": 1400}'
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert copy is not None
    assert Path(copy).read_text() == "{}"
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o640


def test_a_new_file_is_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "docker" / "daemon.json"
    assert read_text(str(path)) is None
    assert back_up(str(path)) is None
    write_atomically(str(path), "{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_full_disk_does_not_change_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(daemon_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(str(path), '{"mtu": 1400}')
    assert [entry.name for entry in tmp_path.iterdir()] == ["daemon.json"]
    assert path.read_text() == "{}"


@pytest.fixture
def unit_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(daemon_file.own_bridge, "UNIT_FILE", str(tmp_path / "bridge.service"))
    return tmp_path / "bridge.service"


def test_a_unit_of_a_bridge_is_written_enabled_and_removed(unit_file: Path) -> None:
    commands = FakeCommands({})
    daemon = Daemon(commands, "docker.service")
    daemon.install_own_bridge("[Unit]\n")
    assert unit_file.read_text() == "[Unit]\n"
    unit = daemon_file.own_bridge.UNIT
    assert commands.ran == ["systemctl daemon-reload", f"systemctl enable {unit}", f"systemctl restart {unit}"]
    commands.ran.clear()
    daemon.install_own_bridge(None)
    assert not unit_file.exists()
    assert commands.ran == [f"systemctl disable --now {unit}", "systemctl daemon-reload"]
    commands.ran.clear()
    daemon.install_own_bridge(None)
    assert commands.ran == []


def test_a_unit_of_a_bridge_that_cannot_be_stopped_is_kept(unit_file: Path) -> None:
    """Without its file, the next run could not stop it."""
    unit_file.write_text("[Unit]\n")
    commands = FakeCommands({"systemctl disable": CommandFailed(["systemctl"], 1, "injected")})
    with pytest.raises(CommandFailed, match="injected"):
        Daemon(commands, "docker.service").install_own_bridge(None)
    assert unit_file.exists()


def test_a_bridge_that_does_not_exist_can_be_deleted() -> None:
    commands = FakeCommands({"/bin/ip link delete": CommandFailed(["ip"], 1, "Cannot find device")})
    Daemon(commands, "docker.service").delete_bridge("fn0")
    assert commands.ran == ["/bin/ip link delete dev fn0 type bridge"]


JOURNAL = """\
{"MESSAGE": "level=error msg=stopping", "_SYSTEMD_INVOCATION_ID": "former"}
{"MESSAGE": "Stopped Docker", "INVOCATION_ID": "former"}
{"MESSAGE": [110, 111, 255], "_SYSTEMD_INVOCATION_ID": "new"}
{"MESSAGE": null}
{"MESSAGE": "no\\nluck", "_SYSTEMD_INVOCATION_ID": "new"}
"""


def test_the_log_can_omit_an_invocation() -> None:
    commands = FakeCommands({"journalctl": JOURNAL})
    log = Daemon(commands, "docker.service").log_since
    assert log(1.5) == ["level=error msg=stopping", "Stopped Docker", "no\N{REPLACEMENT CHARACTER}", "no", "luck"]
    assert log(1.5, "former") == ["Stopped Docker", "no\N{REPLACEMENT CHARACTER}", "no", "luck"]
    assert "--since=@1.500" in commands.ran[0]


@pytest.mark.parametrize("answer", [CommandFailed(["journalctl"], 1, "no journal"), "-- No entries --\n"])
def test_an_unreadable_journal_is_an_empty_log(answer: str | CommandFailed) -> None:
    assert Daemon(FakeCommands({"journalctl": answer}), "docker.service").log_since(1.5) == []


@pytest.mark.parametrize(
    ("former", "active", "said"),
    [
        ("former", "failed", " Log of docker.service: no | luck"),
        ("new", "failed", " Log of docker.service: level=error msg=stopping"),
        ("former", "active", ""),
        ("new", "active", " Log of docker.service: level=error msg=stopping"),
    ],
)
def test_the_errors_of_a_daemon_that_stops_are_not_the_reason_of_a_failed_start(
    former: str, active: str, said: str
) -> None:
    journal = "\n".join(line for line in JOURNAL.splitlines() if "255" not in line)
    show = f"InvocationID=new\nActiveState={active}\nLoadState=loaded\nId=docker.service\n"
    daemon = Daemon(FakeCommands({"journalctl": journal, "systemctl show": show}), "docker.service")
    assert logged_failure(daemon, Before(1.5, former)) == said
