# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that a program of this collection runs on a host."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.process_commands import ProcessCommands


def failure(*argv: str, limit: float = 60.0) -> CommandFailed:
    with pytest.raises(CommandFailed) as failed:
        ProcessCommands(limit).run(*argv)
    return failed.value


def test_output_and_input() -> None:
    commands = ProcessCommands()
    assert commands.run("sh", "-c", "cat; echo $LC_ALL; echo no >&2", stdin="given\n") == "given\nC\n"
    assert commands.run("cat") == ""
    assert commands.run("printf", r"\377") == "\ufffd"


def test_failures() -> None:
    found = failure("sh", "-c", "echo out; echo why >&2; exit 3")
    assert (found.code, found.output) == (3, "why")
    assert failure("sh", "-c", "echo out; exit 1").output == "out"
    assert failure("sh", "-c", "kill -TERM $$").code == 143
    assert (failure("no-such-program").code, failure("no-such-program").output) == (127, "not found on the host")


def test_a_program_that_cannot_be_executed(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter")
    program.chmod(0o755)
    assert failure(str(program)).code == 126


def test_a_program_that_does_not_end_is_killed_with_its_children() -> None:
    assert failure("sh", "-c", "sleep 1000 & wait", limit=0.05).code == 137
