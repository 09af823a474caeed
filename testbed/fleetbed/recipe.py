"""The recipe of a host image, and the key that changes with it. Pure except for reading the recipe."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import FleetError

#: Documentation is half of the files, and hosts do not use it.
EXCLUDED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")


@dataclass(frozen=True)
class Pin:
    """Packages from a later suite, because the image's own suite contains another version."""

    suite: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """The recipe of the host image of one engine generation."""

    generation: str
    suite: str
    packages: tuple[str, ...]
    pin: Pin | None
    files: str  # digest of the files that are copied into the image

    @property
    def key(self) -> str:
        """A hash that is equal for equal images, independent of the build folder and the mirror."""
        text = json.dumps([bootstrap(self, customize="", target="", sources=()), self.files])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return f"{self.generation}-{self.key}"


def known(folder: Path) -> tuple[str, ...]:
    """Return the engine generations with a recipe, in the order in which they are assigned to hosts."""
    return tuple(_generations(folder))


def load(folder: Path, generation: str) -> Recipe:
    """Read the recipe of one generation. Raises FleetError if it does not exist."""
    generations = _generations(folder)
    if generation not in generations:
        raise FleetError(f"engine {generation}: unknown. Choose from {', '.join(generations)}")
    own = generations[generation]
    pin = own.get("pin")
    return Recipe(
        generation=generation,
        suite=own["suite"],
        packages=(*_lines((folder / "packages").read_text()), *own["packages"]),
        pin=Pin(pin["suite"], tuple(pin["packages"])) if pin else None,
        files=_digest(folder),
    )


def bootstrap(recipe: Recipe, *, customize: str, target: str, sources: Sequence[str]) -> list[str]:
    """Return the mmdebstrap command that builds the image. Without sources, mmdebstrap uses its default mirrors."""
    argv = ["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(recipe.packages)}"]
    argv += ["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED)]
    if recipe.pin:
        # The suite of the pinned packages is not released yet. Its Release file may have expired.
        argv += ['--aptopt=Acquire::Check-Valid-Until "false"', f"--setup-hook={_pin_hook(recipe.suite, recipe.pin)}"]
    return [*argv, f'--customize-hook={shlex.quote(customize)} "$1"', recipe.suite, target, *sources]


def _pin_hook(suite: str, pin: Pin) -> str:
    """Return a hook that adds the later suite to the image's sources, from the same mirror, for pinned packages."""
    preferences = (
        f"Package: *\nPin: release n={pin.suite}\nPin-Priority: 100\n\n"
        f"Package: {' '.join(pin.packages)}\nPin: release n={pin.suite}\nPin-Priority: 990\n"
    )
    source = f"s/ {suite} main.*/ {pin.suite} main/p"
    return (
        f'sed -n {shlex.quote(source)} "$1/etc/apt/sources.list" > "$1/etc/apt/sources.list.d/{pin.suite}.list"; '
        f'printf %s {shlex.quote(preferences)} > "$1/etc/apt/preferences.d/{pin.suite}"'
    )


def _generations(folder: Path) -> Mapping[str, Any]:
    generations: Mapping[str, Any] = json.loads((folder / "generations.json").read_text())
    return generations


def _lines(text: str) -> list[str]:
    """Return the lines of a list, without comments."""
    stripped = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


def _digest(folder: Path) -> str:
    """Return a digest of the files that are copied into an image and of the script that copies them."""
    digest = hashlib.sha256()
    for path in [folder / "customize", *sorted((folder / "rootfs").rglob("*"))]:
        if path.is_file():
            executable = os.access(path, os.X_OK)
            digest.update(f"{path.relative_to(folder)}\0{executable}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
