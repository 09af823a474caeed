"""Measure which lines of the collection run on hosts: install coverage.py, and collect what it measured.

`script/test --coverage` sets FLEETNET_COVERAGE to a folder with the files of the hosts (`host`) and of the results
(`data`).
"""

from __future__ import annotations

import os
from pathlib import Path

from .docker import Docker

VARIABLE = "FLEETNET_COVERAGE"
#: Where processes on a host write what they measured: data_file in pyproject.toml.
DATA = "/var/lib/fleetnet-coverage/data"


def install(docker: Docker, container: str) -> None:
    """Install coverage.py on a host, if this run measures."""
    if folder := _folder():
        docker.run("cp", f"{folder / 'host'}/.", f"{container}:/")


def collect(docker: Docker, *containers: str) -> None:
    """Copy what hosts measured, if this run measures. Ignores containers that measured nothing."""
    if folder := _folder():
        for container in containers:
            docker.run("cp", f"{container}:{DATA}/.", str(folder / "data"), check=False)


def _folder() -> Path | None:
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None
