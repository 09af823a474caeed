# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of script/test --coverage: data of the controller and of hosts, combined by file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from coverage import CoverageData

from ..uncovered import ROOT, File, main, measured, ranges, table

FILES = {
    "plugins/module_utils/_domain/plan/plan.py": """\
import sys


def run():
    return 1


def never():
    return 2
""",
    "plugins/modules/networks.py": "A = 1\nB = 2\n",
    "plugins/modules/unused.py": "A = 1\n",
}
# Paths as the processes report them: the checkout, a module's archive on a host, and an installed collection.
INSTALLED = "/tmp/x/ansible_collections/fleetnet/docker"
HOST = "/tmp/ansible_fleetnet.docker.networks_payload_1/ansible_fleetnet.docker.networks_payload.zip"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(project: Path, suffix: str, lines: dict[str, list[int]]) -> None:
    folder = project / "coverage" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    data = CoverageData(str(folder / f"lines.{suffix}"))
    data.add_lines(lines)
    data.write()
    data.close()


def test_a_line_ran_if_it_ran_anywhere(project: Path) -> None:
    plan, networks = "plugins/module_utils/_domain/plan/plan.py", "plugins/modules/networks.py"
    record(project, "controller", {str(project / plan): [1, 4]})
    record(project, "host", {f"{HOST}/ansible_collections/fleetnet/docker/{plan}": [4, 5, 8]})
    record(project, "installed", {f"{INSTALLED}/{networks}": [1]})
    assert list(measured(project / "coverage", project)) == [
        File(plan, 5, (9,)),
        File(networks, 2, (2,)),
        File("plugins/modules/unused.py", 1, (1,)),
    ]


def test_data_of_a_process_that_was_killed_is_ignored(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(project, "host", {str(project / "plugins/modules/networks.py"): [1, 2]})
    for name in ("empty", "partial"):
        (project / "coverage" / "data" / f"lines.{name}").write_bytes(
            b"SQLite format 3\0" if name == "partial" else b""
        )
    main(project / "coverage", project)
    printed = capsys.readouterr().out
    assert "2 files of processes that were killed are ignored" in printed
    assert (project / "coverage" / "missing.txt").read_text() == (
        "plugins/module_utils/_domain/plan/plan.py: 1, 4-5, 8-9\nplugins/modules/unused.py: 1\n"
    )


def test_ranges() -> None:
    assert ranges([7, 1, 2, 3, 9, 10]) == "1-3, 7, 9-10"
    assert ranges([]) == ""


def test_only_a_complete_room_has_100_percent() -> None:
    host = "plugins/module_utils/_host"
    files = [
        File(f"{host}/files.py", 3000, (1,)),
        File(f"{host}/engine/sdk.py", 10, ()),
        File("plugins/__init__.py", 0, ()),
    ]
    assert [" ".join(line.split()) for line in table(files)] == [
        "plugins 99.9 % of 3010 lines run, 1 do not",
        "_host 99.9 % of 3000 lines run, 1 do not",
        "_host/engine 100.0 % of 10 lines run, 0 do not",
    ]
