"""Install missing packages for the test bed, or with `python -m fleetbed.packages PROGRAM=PACKAGE ...` for a test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import console, locks, process
from .errors import FleetError
from .paths import Paths

#: Seconds to wait for other programs that install packages.
LOCK = 300


def require(locks_folder: Path, *wanted: tuple[str, str]) -> None:
    """Install missing programs. `wanted` pairs each program with its Debian package. Raises FleetError if it cannot."""
    if not _missing(*wanted):
        return
    with locks.held(locks_folder / "packages", "installing packages"):
        missing = _missing(*wanted)
        if not missing:
            return
        programs, packages = ", ".join(sorted(missing)), " ".join(sorted(set(missing.values())))
        if not process.find("apt-get"):
            raise FleetError(f"missing programs: {programs}. Install them first (Debian packages: {packages})")
        if os.geteuid() != 0:
            raise FleetError(
                f"missing programs: {programs}. Run `sudo apt-get install --no-install-recommends {packages}`"
            )
        with console.step(f"installing {packages}"):
            _install(packages.split())
    if missing := _missing(*wanted):
        raise FleetError(f"missing programs after installing {packages}: {', '.join(sorted(missing))}")


def _missing(*wanted: tuple[str, str]) -> dict[str, str]:
    return {program: package for program, package in wanted if not process.find(program)}


def _install(packages: list[str]) -> None:
    """Install packages. If it fails, complete what a killed dpkg left, update the package lists and try again."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", f"-oDPkg::Lock::Timeout={LOCK}", *packages]
    if process.run(install, env=environment, timeout=600, check=False).returncode:
        process.run(["dpkg", "--configure", "-a"], env=environment, timeout=600, check=False)
        process.run(["apt-get", "update", "-q"], env=environment, timeout=300)
        process.run(install, env=environment, timeout=600)


def main(arguments: list[str]) -> int:
    """Install missing programs. Each argument is a program, optionally followed by `=` and its Debian package."""
    wanted = []
    for argument in arguments:
        program, _, package = argument.partition("=")
        wanted.append((program, package or program))
    try:
        require(Paths.of(os.environ, os.geteuid()).locks, *wanted)
    except FleetError as error:
        console.failure(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
