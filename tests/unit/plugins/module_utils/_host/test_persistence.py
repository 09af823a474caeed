# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing a part of a host in an order in which nothing restores it, and reading what its script reports."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONTENT,
    FILE,
    MODE,
    STATE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import script as firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence import files as host_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    RECONCILER_UNIT,
    ROUTES_PART,
    Part,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import ReconcilerFiles
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes import script as routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host import persistence
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import refuse_overridden


class Commands:
    """Records what is run. A script that ``fails`` prints that and exits with 1."""

    def __init__(self, fails: str | None = None) -> None:
        self.ran: list[str] = []
        self.fails = fails

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert (stdin is not None) == (argv[0] == "sh")
        self.ran.append(" ".join(argv))
        if self.fails is not None:
            raise CommandFailed(argv, 1, self.fails)
        return ""


ROUTE = Difference("route", "10.64.16.0/20 via 192.0.2.2", "state", "present", None)
SCRIPTS = {ROUTES_PART: routes.SCRIPT, FIREWALL_PART: firewall.SCRIPT}


@pytest.fixture
def removed(monkeypatch) -> t.Callable[..., list[str]]:
    """What is run, and which files are deleted, to remove a part of which some files exist."""

    def run(part: Part, paths: t.Iterable[str]) -> list[str]:
        commands = Commands()
        monkeypatch.setattr(persistence.os, "unlink", lambda path: commands.ran.append(f"unlink {path}"))
        monkeypatch.setattr(persistence.os, "removedirs", os.path.dirname)
        observed = host_files.ObservedFiles({}, (ROUTE,))
        plan = host_files.FilesPlan({}, tuple(paths), observed, removal=True)
        persistence.PartFiles(commands, part, SCRIPTS[part]).execute(plan)
        return commands.ran

    return run


@pytest.mark.parametrize("part", [ROUTES_PART, FIREWALL_PART], ids=lambda part: part.name)
def test_nothing_is_left_that_could_restore_it(removed, part) -> None:
    script, unit = host_files.part_files(part, SCRIPTS[part])
    timer, reassert = (f"/etc/systemd/system/{name}" for name in part.former_units)
    assert removed(part, [script, unit, timer, reassert]) == [
        f"systemctl disable --now {' '.join(part.former_units)} {part.service}",
        "sh -s -- --remove",
        *(f"unlink {path}" for path in (unit, timer, reassert)),
        "systemctl daemon-reload",
        f"unlink {script}",
    ]


def test_an_interrupted_removal_continues(removed) -> None:
    left = f"/etc/systemd/system/{ROUTES_PART.service}"
    assert removed(ROUTES_PART, [left]) == [
        f"systemctl disable --now {ROUTES_PART.service}",
        "sh -s -- --remove",
        f"unlink {left}",
        "systemctl daemon-reload",
    ]


def test_only_traces_are_removed_without_units(removed) -> None:
    assert removed(ROUTES_PART, []) == ["sh -s -- --remove"]


def test_files_are_written_and_deleted_before_the_script_applies_them(tmp_path, monkeypatch) -> None:
    commands = Commands()
    (tmp_path / "old").touch()

    def write(path: str, _text: str, **_mode: int) -> None:
        commands.ran.append(f"write {path}")

    monkeypatch.setattr(persistence, "write_atomically", write)
    observed = host_files.ObservedFiles({}, ())
    written = {"/etc/new": host_files.File("text")}
    plan = host_files.FilesPlan(written, (str(tmp_path / "old"),), observed, removal=False)
    persistence.PartFiles(commands, ROUTES_PART, SCRIPTS[ROUTES_PART]).execute(plan)
    assert not (tmp_path / "old").exists()
    assert commands.ran == ["write /etc/new", ROUTES_PART.script]


def test_units_of_earlier_versions_end_before_the_files_change(monkeypatch) -> None:
    """Their script would restore what the new one removes."""
    commands = Commands()
    monkeypatch.setattr(persistence, "write_atomically", lambda path, *_text, **_mode: commands.ran.append(path))
    monkeypatch.setattr(persistence.os, "unlink", lambda path: commands.ran.append(f"unlink {path}"))
    monkeypatch.setattr(persistence, "running_version", lambda: "old")
    reconciler = ReconcilerFiles({"/etc/program": host_files.File("text")}, "new")
    part = persistence.PartFiles(commands, ROUTES_PART, SCRIPTS[ROUTES_PART], reconciler)
    timer = f"/etc/systemd/system/{ROUTES_PART.former_units[0]}"
    files = dict.fromkeys(part.desired({}), None) | {timer: "text"}
    part.execute(host_files.plan_files(part.desired({}), host_files.ObservedFiles(files)))
    assert commands.ran == [
        f"systemctl disable --now {ROUTES_PART.former_units[0]}",
        "/etc/program",
        ROUTES_PART.script,
        f"/etc/systemd/system/{ROUTES_PART.service}",
        f"unlink {timer}",
        "systemctl daemon-reload",
        f"systemctl restart {RECONCILER_UNIT}",
        ROUTES_PART.script,
        f"systemctl enable --now {RECONCILER_UNIT} {ROUTES_PART.service}",
    ]


@pytest.mark.parametrize(
    ("state", "running", "expected"),
    [
        ("active", "new", []),
        ("active", "old", [CONTENT]),
        ("active", None, [CONTENT]),
        ("inactive", None, [STATE]),
    ],
)
def test_how_the_reconciler_that_runs_differs(
    monkeypatch, state: str, running: str | None, expected: list[str]
) -> None:
    monkeypatch.setattr(persistence, "running_version", lambda: running)
    monkeypatch.setattr(persistence, "unit_states", lambda _commands, *units: [(units[0], state, "enabled", False)])
    part = persistence.PartFiles(Commands(), ROUTES_PART, SCRIPTS[ROUTES_PART], ReconcilerFiles({}, "new"))
    desired = {path: file for path, file in part.desired({}).items() if file}
    monkeypatch.setattr(persistence, "read_text", lambda path: desired[path].text)
    assert [each.key for each in part.observe(desired).units] == expected


def test_a_file_with_another_mode_is_written_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(persistence, "unit_states", lambda *_: [])
    part = persistence.PartFiles(Commands(), ROUTES_PART, SCRIPTS[ROUTES_PART])
    path = tmp_path / "script"
    path.write_text("text")
    desired = {str(path): host_files.File("text", 0o755)}
    path.chmod(0o600)
    (difference,) = host_files.plan_files(desired, part.observe(desired)).differences
    assert difference == (FILE, str(path), MODE, "0755", "0600")
    path.chmod(0o755)
    assert host_files.plan_files(desired, part.observe(desired)).differences == []


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[Service]\nExecStart=\nExecStart=/bin/true\n", True),
        ("[Unit]\n  ConditionPathExists = /none\n", True),
        ("[Service]\n# ExecStart=/bin/true\nMemoryMax=1G\n", False),
    ],
)
def test_a_file_that_overrides_what_a_unit_runs_is_reported(tmp_path, text: str, refused: bool) -> None:
    override = tmp_path / f"{ROUTES_PART.service}.d" / "override.conf"
    override.parent.mkdir()
    override.write_text(text)
    units = [f"/etc/systemd/system/{ROUTES_PART.service}"]
    if not refused:
        refuse_overridden(units, [str(tmp_path)])
        return
    with pytest.raises(FleetnetError) as error:
        refuse_overridden(units, [str(tmp_path)])
    assert str(error.value) == (
        f"{override}: the file changes what unit fleetnet-routes.service runs. Delete it, and run "
        "'systemctl daemon-reload' on the host."
    )


def test_a_masked_unit_is_reported_before_anything_is_written(tmp_path, monkeypatch) -> None:
    masked = tmp_path / ROUTES_PART.service
    masked.symlink_to("/dev/null")
    commands = Commands()
    part = persistence.PartFiles(commands, ROUTES_PART, SCRIPTS[ROUTES_PART])
    monkeypatch.setattr(persistence, "is_unit", lambda path: path == str(masked))
    for desired in (part.desired({str(masked): host_files.File("text")}), part.absent([str(masked)])):
        with pytest.raises(FleetnetError) as error:
            part.observe(desired)
        assert str(error.value) == (
            "unit fleetnet-routes.service is masked. Run 'systemctl unmask fleetnet-routes.service' on the host."
        )
    assert commands.ran == []
    if shutil.which("systemctl") is None:
        pytest.skip("the advice needs systemctl")
    units = tmp_path / "root/etc/systemd/system"
    units.mkdir(parents=True)
    (units / masked.name).symlink_to("/dev/null")
    systemctl = ["systemctl", f"--root={tmp_path}/root", "unmask", masked.name]
    subprocess.run(systemctl, check=True)
    assert list(units.iterdir()) == []


def test_the_script_reports_differences() -> None:
    assert persistence.kernel_differences(Commands(), ROUTES_PART) == []
    printed = "route\t10.64.16.0/20 via 192.0.2.2\tstate\tpresent\t\n"
    assert persistence.kernel_differences(Commands(printed), ROUTES_PART) == [ROUTE]
    with pytest.raises(CommandFailed, match="apply-routes --check' failed with exit code 1: no such file"):
        persistence.kernel_differences(Commands("no such file"), ROUTES_PART)
