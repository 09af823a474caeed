# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the reconciler."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    NOT_RUNNING,
    RECONCILER_PROGRAM,
    RECONCILER_UNIT,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import (
    MODULES,
    manages_reconciler,
    reconciler_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.installation import planned_reconciler

from ..planning import assert_golden


class NoCommands:
    """The interpreter of the tests has its version in its name, or is the one that runs."""

    def find(self, _program: str) -> None:
        return None

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert (argv[0], stdin) == (sys.executable, None)
        return "{} {}".format(*sys.version_info)


NO_COMMANDS = NoCommands()
UNIT = f"/etc/systemd/system/{RECONCILER_UNIT}"


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    """The program, installed in a folder, which stands for the host's root."""
    for path, file in planned_reconciler(None, NO_COMMANDS).files.items():
        written = tmp_path / path.lstrip("/")
        written.parent.mkdir(parents=True, exist_ok=True)
        for folder in ("/etc/", "/run/", "/var/"):
            file = file._replace(text=file.text.replace(f'"{folder}', f'"{tmp_path}{folder}'))
        written.write_text(file.text)
    return tmp_path / RECONCILER_PROGRAM.lstrip("/")


def run(program: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-IS", program, *arguments], capture_output=True, text=True, check=False)


def test_it_runs_with_nothing_but_its_files_and_the_standard_library(program: pathlib.Path) -> None:
    ran = run(program, "load")
    assert (ran.stderr, ran.returncode) == ("", NOT_RUNNING)
    ran = run(program, "finish", "/run/docker.sock")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)


def test_it_reports_an_engine_that_does_not_answer(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    engine = f"{tmp_path}/docker.sock"
    paths = JournalPaths.of(f"unix://{engine}", str(tmp_path / "var/lib/fleetnet/networks"))
    pathlib.Path(paths.folder).mkdir(parents=True)
    pathlib.Path(paths.file("x")).write_text("{}")
    ran = run(program, "finish", engine)
    assert (ran.stderr, ran.returncode) == ("", 1)
    assert f"the Docker engine at unix://{tmp_path}/docker.sock does not answer" in ran.stdout


def test_its_process_that_runs_all_the_time_does_without_most_modules(program: pathlib.Path) -> None:
    """They cost memory on each host."""
    program.write_text(program.read_text().replace("sys.exit(main(sys.argv[1:]))", "print(*sys.modules)"))
    loaded = [name for name in run(program).stdout.split() if "_host.networks." in name]
    assert [name.rpartition(".")[2] for name in loaded] == ["journal_folder"]


def test_golden() -> None:
    files = reconciler_files(dict.fromkeys(MODULES, ""), "/usr/bin/python3", "/run/docker.sock").files
    assert_golden("parts/reconciler.yml", {path: file.text for path, file in files.items() if file.text})


def test_any_change_of_a_file_is_another_version_and_another_unit() -> None:
    sources = dict.fromkeys(MODULES, "")
    found = [
        reconciler_files(sources, "/usr/bin/python3", "/run/docker.sock"),
        reconciler_files({**sources, MODULES[-1]: "import this\n"}, "/usr/bin/python3", "/run/docker.sock"),
        reconciler_files(sources, "/opt/python/bin/python3", "/run/docker.sock"),
        reconciler_files(sources, "/usr/bin/python3", "/run/other.sock"),
    ]
    assert len({each.version for each in found}) == len(found)
    assert len({each.files[UNIT].text for each in found}) == len(found)


@pytest.mark.parametrize(
    ("docker_host", "engine"),
    [
        (None, "/run/docker.sock"),
        ("unix:///var/run/other.sock", "/var/run/other.sock"),
        ("tcp://192.0.2.1:2376", "/run/docker.sock"),
    ],
)
def test_it_follows_the_engine_of_the_host(docker_host: str | None, engine: str) -> None:
    assert f" {engine}\n" in planned_reconciler(docker_host, NO_COMMANDS).files[UNIT].text


@pytest.mark.parametrize(
    ("part", "present", "other_installed", "other_handled", "manages"),
    [
        (FIREWALL_PART, True, False, False, True),
        (FIREWALL_PART, True, True, False, True),
        # without a firewall
        (ROUTES_PART, True, False, False, True),
        (ROUTES_PART, True, True, False, False),
        # in check mode, the firewall is not installed yet
        (ROUTES_PART, True, False, True, False),
        # the routes are removed first
        (ROUTES_PART, False, True, False, False),
        (FIREWALL_PART, False, False, True, True),
        # in check mode, the routes are not removed yet
        (FIREWALL_PART, False, True, True, True),
        # the other part stays
        (FIREWALL_PART, False, True, False, False),
        (ROUTES_PART, False, False, False, True),
    ],
)
def test_one_part_manages_it(part, present: bool, other_installed: bool, other_handled: bool, manages: bool) -> None:
    found = manages_reconciler(part, present=present, other_installed=other_installed, other_handled=other_handled)
    assert found == manages
