"""Host images with another engine or firewall backend: made in the outer engine from a host image, if missing there.

The programs are tried before the image exists, in a container of the host image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import console, locks
from .docker import IMAGE_LABEL, LABEL, Docker, of_fleet
from .errors import FleetError
from .paths import RECIPES
from .source import NFTABLES, Source, digest, version

REPOSITORY = "fleetnet-testbed/engine"
VERSION_LABEL = f"{LABEL}.version"

#: The label's value of host images and of the containers that they are made in. No fleet has this name.
IMAGE = "image"

INSTALLER = RECIPES / "install-engine"

#: The exit status of the installer if dockerd rejects its configuration.
REJECTED = 4


@dataclass(frozen=True)
class Variant:
    """A host image with another engine or firewall backend."""

    reference: str
    version: str  # of the engine, as it reports it


def ensure(docker: Docker, folder: Path, source: Source, base: str) -> Variant:
    """Return the image of a source, made from the host image `base`; `folder` is for locks.

    Raises FleetError if the folder is incomplete, if a program does not run, or if the engine rejects the backend.
    """
    programs = source.programs()
    reference = f"{REPOSITORY}:{digest(base, source, programs, INSTALLER.read_text())}"
    if not docker.has_image(reference):
        with locks.held(folder / "variant", f"installing the engine {source.name}"):
            if not docker.has_image(reference):
                _clear(docker)
                with console.step(f"trying the engine {source.name} in a host image"):
                    _make(docker, source, programs, base, reference)
    label = docker.output("image", "inspect", "--format", f'{{{{index .Config.Labels "{VERSION_LABEL}"}}}}', reference)
    return Variant(reference, label)


def clear(docker: Docker, folder: Path) -> None:
    """Remove the containers of killed commands, unless a command is using one."""
    with locks.held_if_free(folder / "variant") as free:
        if free:
            _clear(docker)


def _clear(docker: Docker) -> None:
    if containers := docker.ids("container", of_fleet(IMAGE)):
        docker.run("container", "rm", "--force", *containers)


def _make(docker: Docker, source: Source, programs: dict[str, Path], base: str, reference: str) -> None:
    labels = ("--label", f"{LABEL}={IMAGE}", "--label", f"{IMAGE_LABEL}={source.generation}")
    command = ("sh", "-c", INSTALLER.read_text(), INSTALLER.name, source.backend)
    container = docker.output("container", "create", *labels, "--network=none", base, *command)
    try:
        for name, path in programs.items():
            docker.run("cp", "--follow-link", str(path), f"{container}:/opt/{name}")
        done = docker.run("container", "start", "--attach", container, check=False)
        output = f"{done.stdout}{done.stderr}".strip()
        found = version(output)
        if done.returncode or not found:
            raise _failure(source, done.returncode, output)
        changes = ("--change", f"LABEL {VERSION_LABEL}={found}", "--change", 'CMD ["/bin/sh"]')
        docker.run("container", "commit", *changes, container, reference)
    finally:
        docker.run("container", "rm", "--force", container, check=False)


def _failure(source: Source, status: int, output: str) -> FleetError:
    reason = (output.splitlines() or [f"exit status {status}"])[-1]
    if status == REJECTED:
        advice = "Engines before 29 have no such option" if source.backend == NFTABLES else "Check the folder"
        return FleetError(f"engine {source.name}: dockerd rejects its configuration: {reason}. {advice}", output)
    advice = "Use programs that are built for this machine, preferably static ones"
    return FleetError(f"engine {source.name}: does not run in the image of {source.generation}: {reason}. {advice}")
