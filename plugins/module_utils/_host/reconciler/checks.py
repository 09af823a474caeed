# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that are run without waiting for them: the scripts of the parts, and what finishes interrupted runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import typing as t

# Seconds that a program may take: an application of a large policy takes some seconds.
_LIMIT = 300.0
_NEVER = float("inf")


class Check:
    """A run of a program, with its arguments. A part's script prints the differences that it ends."""

    def __init__(self, program: t.Sequence[str], now: float) -> None:
        """Raises OSError if it cannot be started. ``deadline`` is when it is to be ended, which is a failure."""
        self.deadline = now + _LIMIT
        self._program = program[0]
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            self._process = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if self._process == 0:
            try:
                os.setsid()
                os.dup2(writer, 1)
                os.execv(program[0], list(program))
            finally:
                os._exit(1)
        os.close(writer)
        self._reader = reader
        self._output = b""

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> bool:
        """Read what the program printed; whether it ended."""
        try:
            piece = os.read(self._reader, 65536)
        except BlockingIOError:
            return False
        self._output += piece
        return not piece

    def end(self) -> None:
        """End it with the programs that it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)
        sys.stderr.write(f"{self._program}: it did not end in time, and was killed\n")
        self.deadline = _NEVER

    def result(self) -> tuple[bool, list[str]]:
        """Whether it succeeded, and the lines that it printed. Waits for its end."""
        os.close(self._reader)
        _process, status = os.waitpid(self._process, 0)
        lines = self._output.decode(errors="replace").splitlines()
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return status == 0, lines


def scripts(parts: t.Mapping[str, str]) -> dict[str, str]:
    """Of scripts by part, those that exist on this host."""
    return {part: script for part, script in parts.items() if os.access(script, os.X_OK)}
