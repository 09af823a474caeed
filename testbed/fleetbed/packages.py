"""Installs what the test bed needs and the machine lacks; `python -m fleetbed.packages PROGRAM=PACKAGE ...` what a test
needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import console, locks, process
from .errors import FleetError
from .paths import Paths


def require(locks_folder: Path, *wanted: tuple[str, str]) -> None:
    """Makes sure that programs are there; `wanted` pairs each with the Debian package that has it."""
    if not _missing(*wanted):
        return
    with locks.held(locks_folder / "packages", "installing packages"):
        missing = _missing(*wanted)
        if not missing:
            return
        programs, packages = ", ".join(sorted(missing)), " ".join(sorted(set(missing.values())))
        if not process.find("apt-get"):
            raise FleetError(f"install {programs} first (on Debian: the packages {packages})")
        if os.geteuid() != 0:
            raise FleetError(f"{programs} missing: run `sudo apt-get install --no-install-recommends {packages}`")
        with console.step(f"installing {packages}"):
            _install(packages.split())
    if missing := _missing(*wanted):
        raise FleetError(f"{', '.join(sorted(missing))} still missing after installing {packages}")


def _missing(*wanted: tuple[str, str]) -> dict[str, str]:
    return {program: package for program, package in wanted if not process.find(program)}


def _install(packages: list[str]) -> None:
    """Installs with the package lists as they are, and with fresh ones only if that fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if process.run(install, env=environment, timeout=600, check=False).returncode:
        process.run(["apt-get", "update", "-q"], env=environment, timeout=300)
        process.run(install, env=environment, timeout=600)


def main(arguments: list[str]) -> int:
    """Makes sure that programs are there; each argument is a program and, after `=`, the Debian package that has it."""
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
