# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook in forks of a process that has imported Ansible, which takes half of the time of a run."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

# Reads a line per run: the folder in which it runs, the file of its output, its arguments. Answers with its exit code.
PROGRAM = """
import json, os, signal, sys
from ansible.cli.playbook import main

def run(folder, output, arguments):
    status = 250
    try:
        signal.alarm(300)  # only a run that hangs takes as long
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
        main(["ansible-playbook", *arguments])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(*json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ENVIRONMENT = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}


class PlaybookRuns:
    """The process with Ansible, which starts with the first run. Ansible reads its settings when it is imported."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str | pathlib.Path, folder: pathlib.Path) -> tuple[int, str]:
        """The exit code of ansible-playbook with these arguments, and all that it prints."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **ENVIRONMENT},
            )
        stdin, stdout = t.cast("t.IO[str]", self._process.stdin), t.cast("t.IO[str]", self._process.stdout)
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
            stdin.write(json.dumps([str(folder), output.name, list(map(str, arguments))]) + "\n")
            stdin.flush()
            code = int(stdout.readline())
            return code, output.read()

    def end(self) -> None:
        if self._process is not None:
            self._process.communicate()
