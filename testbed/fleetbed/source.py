"""Where the engine of a host comes from: a host image, or a folder of the user. Pure except for reading the folder.

An engine is written as GENERATION or FOLDER, each with an optional firewall backend: 28.5, /opt/docker:nftables.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FleetError

#: The environment variable with the engines of new fleets.
VARIABLE = "FLEETNET_ENGINES"

#: The programs of a folder that are installed, as Docker's static archive names them.
REQUIRED = ("dockerd", "docker-proxy")
PROGRAMS = (*REQUIRED, "docker", "docker-init", "containerd", "containerd-shim-runc-v2", "ctr", "runc")

IPTABLES = "iptables"
NFTABLES = "nftables"

#: What the collection supports and no host image contains: the first number of a version, and the firewall backend.
UNAVAILABLE = (("29", IPTABLES), ("29", NFTABLES))


@dataclass(frozen=True)
class Source:
    """The engine of a host: the host image that it starts from, and what replaces the image's own engine."""

    name: str
    generation: str
    folder: Path | None = None
    backend: str = ""  # empty: the engine's default

    @property
    def packaged(self) -> bool:
        """Whether the host image is used unchanged."""
        return self.folder is None and not self.backend

    def programs(self) -> dict[str, Path]:
        """Return the paths of the programs to install, by name. Raises FleetError if a required one is missing."""
        if self.folder is None:
            return {}
        if not self.folder.is_dir():
            raise FleetError(
                f"engine {self.name}: {self.folder}: no such folder. Name a folder with {' and '.join(REQUIRED)}"
            )
        found = {name: self.folder / name for name in PROGRAMS if (self.folder / name).is_file()}
        if absent := [name for name in REQUIRED if name not in found]:
            raise FleetError(
                f"engine {self.name}: {self.folder}: {' and '.join(absent)} missing. "
                f"Copy {'it' if len(absent) == 1 else 'them'} into this folder"
            )
        return found


def split(text: str) -> tuple[str, str]:
    """Return the name of an engine without its firewall backend, and the backend, empty for the engine's default."""
    name, _separator, backend = text.rpartition(":")
    return (name, backend) if backend in (IPTABLES, NFTABLES) else (text, "")


def parse(text: str, known: Sequence[str]) -> Source:
    """Return the source of an engine. `known` are the generations of the host images, the newest last.

    Raises FleetError if the generation is unknown. A relative folder becomes absolute.
    """
    name, backend = split(text)
    if "/" in name:
        folder = Path(os.path.abspath(os.path.expanduser(name)))
        return Source(f"{folder}{':' if backend else ''}{backend}", known[-1], folder, backend)
    if name not in known:
        raise FleetError(
            f"engine {text}: unknown. Choose from {', '.join(known)}, or name a folder with {' and '.join(REQUIRED)}, "
            "which contains a / (./docker)"
        )
    return Source(text, name, None, backend)


def listed(text: str) -> list[str]:
    """Return the engines in a list that is separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def digest(base: str, source: Source, programs: dict[str, Path], installer: str) -> str:
    """Return a hash that is equal for equal images: of the base image, the programs and how they are installed."""
    whole = hashlib.sha256(f"{base}\0{source.backend}\0{installer}\0".encode())
    for name, path in programs.items():
        with path.open("rb") as file:
            whole.update(f"{name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]


def version(output: str) -> str:
    """Return the version in the output of `dockerd --version`, or an empty string."""
    found = re.search(r"^Docker version ([^\s,]+)", output, re.MULTILINE)
    return found.group(1) if found else ""


def untested(present: Iterable[tuple[str, str]]) -> list[str]:
    """Return, as text, the supported engines without a host image that are not present (version, backend)."""
    legs = {(number.partition(".")[0], backend or IPTABLES) for number, backend in present}
    return [f"engine {major} with {backend}" for major, backend in UNAVAILABLE if (major, backend) not in legs]
