"""Runs programs, and keeps a lock for as long as any program works under it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import console
from .errors import FleetError

#: Locks held now. Programs inherit them: when this process is killed outright, what it had started still works on,
#: and the next command has to wait for it to end.
inherited: set[int] = set()


#: The exit status of a program that took too long, as timeout(1) has it.
TIMED_OUT = 124


class ProgramFailed(FleetError):
    """A program ended with an error."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        lines = [line for line in output.strip().splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        reason = (errors or lines[-1:] or [f"exit status {status}"])[0]
        super().__init__(f"{shlex.join(argv[:3])} failed: {reason}")
        self.output = output


def find(program: str) -> str | None:
    """Where a program is, with the folders of the administrator's programs that a user's PATH may lack."""
    return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")


def run(
    argv: Sequence[str],
    *,
    data: bytes | None = None,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and returns what it wrote."""
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
        raise FleetError(f"{argv[0]} is not installed here") from error
    except subprocess.TimeoutExpired as error:
        if not check:
            return subprocess.CompletedProcess(argv, TIMED_OUT, "", f"no answer within {timeout:.0f} s")
        raise FleetError(f"{shlex.join(argv[:3])} gave no answer within {timeout:.0f} s") from error
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode:
        raise ProgramFailed(argv, done.returncode, err or out)
    return subprocess.CompletedProcess(argv, done.returncode, out, err)


def run_logged(argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
    """Runs a long program with its output in a log file, and nothing of it outlives this process."""
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
    """What to put in front of a program so that it dies with us, and with it all of its children and mounts.

    That takes namespaces for processes and mounts, which without privileges are not to be had.
    """
    if not shutil.which("setpriv"):
        return []
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "TERM"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]


def remove_tree(path: Path) -> None:
    """Removes a folder, but enters no mounts. There may be many thousand files in it: rm is much faster at that."""
    if path.exists():
        run(["rm", "-rf", "--one-file-system", str(path)], timeout=600)


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
