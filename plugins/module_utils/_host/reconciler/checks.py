# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts of the parts, run without waiting for them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import typing as t

# Seconds that a script may take: an application of a large policy takes some seconds.
_LIMIT = 300.0
_NEVER = float("inf")


class Check:
    """A run of a part's script, which checks the part and applies it if it differs. It prints the differences."""

    def __init__(self, script: str, now: float) -> None:
        """Raises OSError if it cannot be started. ``deadline`` is when it is to be ended, which is a failure."""
        self.deadline = now + _LIMIT
        self._script = script
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
                os.execv(script, [script, "--reassert"])
            finally:
                os._exit(1)
        os.close(writer)
        self._reader = reader
        self._output = b""

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> bool:
        """Read what the script printed; whether it ended."""
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
        sys.stderr.write(f"{self._script}: it did not end in time, and was killed\n")
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
