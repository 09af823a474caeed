# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs on a host without Ansible: the implementation of ``Commands`` for programs of this collection."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LIMIT = 300.0  # seconds
_POLL = 0.01


class ProcessCommands:
    """No shell, C locale. A program that does not end in time is killed, and has failed."""

    def __init__(self, limit: float = _LIMIT) -> None:
        self._limit = limit

    def run(self, *argv: str, stdin: str | None = None) -> str:
        program = self.find(argv[0])
        if program is None:
            raise CommandFailed(argv, 127, "not found on the host")
        environment = {**os.environ, "PATH": _PATH, "LC_ALL": "C"}
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            given.write((stdin or "").encode())
            given.seek(0)
            process = os.fork()
            if process == 0:
                _execute(program, argv, environment, (given.fileno(), out.fileno(), errors.fileno()))
            code = self._code(process)
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        if code:
            raise CommandFailed(argv, code, texts[1] or texts[0])
        return texts[0]

    def _code(self, process: int) -> int:
        """The exit status of the process, as a shell shows it."""
        deadline = time.monotonic() + self._limit
        while True:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            if time.monotonic() > deadline:
                os.killpg(process, signal.SIGKILL)
                deadline += self._limit
            time.sleep(_POLL)

    def find(self, program: str) -> str | None:
        return shutil.which(program, path=_PATH)


def _execute(program: str, argv: t.Sequence[str], environment: t.Mapping[str, str], streams: t.Iterable[int]) -> None:
    """Become the program, with these files as standard input, output and error, in a process group of its own."""
    try:
        os.setpgid(0, 0)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        os.execve(program, list(argv), dict(environment))
    except OSError as error:
        os.write(2, str(error).encode())
    finally:
        os._exit(126)
