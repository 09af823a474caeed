"""Run programs, and keep a lock while any program runs under it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import console
from .errors import FleetError

#: The locks that are held. Programs inherit them: if this process is killed, its programs keep running, and the next
#: command must wait for them.
inherited: set[int] = set()


#: The exit status of a program that exceeds its timeout, as of timeout(1).
TIMED_OUT = 124


class ProgramFailed(FleetError):
    """A program failed."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        lines = [line for line in output.strip().splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        reason = (errors or lines[-1:] or [f"exit status {status}"])[0]
        super().__init__(f"{shlex.join(argv[:3])} failed: {reason}")
        self.output = output


def find(program: str) -> str | None:
    """Return the path of a program, or None. Includes system folders that a user's PATH may not contain."""
    return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")


def run(
    argv: Sequence[str],
    *,
    data: bytes | None = None,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output. Raises FleetError if it fails, unless `check` is false."""
    console.debug(shlex.join(argv))
    try:
        done = subprocess.run(
            argv,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=timeout,
            env=env,
            check=False,
            pass_fds=tuple(inherited),
        )
    except FileNotFoundError as error:
        raise FleetError(f"{argv[0]}: not installed") from error
    except subprocess.TimeoutExpired as error:
        if not check:
            return subprocess.CompletedProcess(argv, TIMED_OUT, "", f"timeout after {timeout:.0f} s")
        raise FleetError(f"{shlex.join(argv[:3])}: timeout after {timeout:.0f} s") from error
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode:
        raise ProgramFailed(argv, done.returncode, err or out)
    return subprocess.CompletedProcess(argv, done.returncode, out, err)


def run_logged(argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
    """Run a long program with its output in a log file. It does not outlive this process."""
    console.debug(shlex.join(argv))
    with log.open("wb") as output:
        done = subprocess.run(
            [*_confined(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            check=False,
            pass_fds=tuple(inherited),
        )
    if done.returncode:
        raise ProgramFailed(argv, done.returncode, tail(log))


def _confined() -> list[str]:
    """Return a command prefix that makes a program end with this process, together with its children and mounts.

    This requires namespaces for processes and mounts, which unprivileged users cannot create.
    """
    if not shutil.which("setpriv"):
        return []
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "TERM"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]


def remove_tree(path: Path) -> None:
    """Remove a folder without entering mounts. For thousands of files, rm is much faster than shutil."""
    if path.exists():
        run(["rm", "-rf", "--one-file-system", str(path)], timeout=600)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
