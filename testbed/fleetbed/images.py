"""Host images: built from Debian's packages, kept in a cache, loaded into the outer engine when missing there."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from . import console, locks, packages, process
from .aptsources import derive
from .docker import IMAGE_LABEL, LABEL, Docker
from .errors import ImageUnavailable
from .paths import RECIPES, Paths
from .recipe import Recipe, bootstrap

#: Images that nobody asked for in this time are removed.
KEEP_DAYS = 14


def reference(recipe: Recipe) -> str:
    """The image's name in the outer engine."""
    return f"fleetnet-testbed/host:{recipe.name}"


class ImageStore:
    """The cache and the way from there into an engine."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def ensure_built(self, recipe: Recipe) -> Path:
        """The image as a file in the cache, built if it is not there."""
        tarball = self._tarball(recipe)
        if not tarball.exists():
            packages.require(self._paths.locks, ("mmdebstrap", "mmdebstrap"))
            with locks.held(self._lock(recipe.name), f"building the host image {recipe.generation}"):
                if not tarball.exists():
                    self._build(recipe)
        os.utime(tarball)
        return tarball

    def ensure_loaded(self, recipe: Recipe, docker: Docker) -> None:
        """The image in the outer engine."""
        if docker.has_image(reference(recipe)):
            return
        tarball = self.ensure_built(recipe)
        with locks.held(self._paths.locks / f"image-{recipe.name}", f"loading the host image {recipe.generation}"):
            if docker.has_image(reference(recipe)):
                return
            with console.step(f"loading the host image {recipe.generation} into the engine"):
                labels = {LABEL: "image", IMAGE_LABEL: recipe.generation}
                changes = [text for key, value in labels.items() for text in ("--change", f"LABEL {key}={value}")]
                docker.run("import", *changes, str(tarball), reference(recipe), timeout=300)
            old = ("--filter", f"label={LABEL}=image", "--filter", f"until={KEEP_DAYS * 24}h")
            docker.run("image", "prune", "--all", "--force", *old)

    def purge(self) -> None:
        """Removes the cache, but for what is being built right now."""
        if self._paths.cache.is_dir():
            for path in self._paths.cache.iterdir():
                if path.is_file():
                    path.unlink()

    def _lock(self, name: str) -> Path:
        return self._paths.cache / f"{name}.lock"

    def _tarball(self, recipe: Recipe) -> Path:
        return self._paths.cache / f"{recipe.name}.tar"

    def _build(self, recipe: Recipe) -> None:
        """Builds in a folder of its own and moves the result into place, so that no half image is ever seen."""
        self._clear_up()
        work = self._paths.cache / f"{recipe.name}.building"
        process.remove_tree(work)
        work.mkdir(parents=True)
        # apt reads what it verifies as a user without privileges.
        work.chmod(0o755)
        log = self._paths.cache / f"{recipe.name}.log"
        target = work / "image.tar"
        command = bootstrap(
            recipe, customize=str(RECIPES / "customize"), target=str(target), sources=_sources(recipe.suite)
        )
        try:
            with console.step(f"building the host image {recipe.generation}", hint=lambda: _doing(log)):
                process.run_logged(command, log, env={**os.environ, "TMPDIR": str(work)})
            target.rename(self._tarball(recipe))
        except process.ProgramFailed as error:
            raise ImageUnavailable(
                recipe.generation, f"the host image cannot be built: {_reason(log)} (see {log})", error.output
            ) from error
        finally:
            process.remove_tree(work)

    def _clear_up(self) -> None:
        """Removes what killed builds left, and images that nobody asked for in a long time."""
        for work in self._paths.cache.glob("*.building"):
            with locks.held_if_free(self._lock(work.stem)) as free:
                if free:
                    process.remove_tree(work)
        oldest = time.time() - KEEP_DAYS * 24 * 3600
        for path in self._paths.cache.glob("*.tar"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def unload(docker: Docker) -> None:
    """Removes host images from an engine."""
    if found := docker.ids("image"):
        docker.run("image", "rm", *found)


def _sources(suite: str) -> tuple[str, ...]:
    """The sources for a suite as this machine's own show them, on Debian."""
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        return ()
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *(folder / "sources.list.d").glob("*.list")]
    files += (folder / "sources.list.d").glob("*.sources")
    texts = {file.name: file.read_text() for file in files if file.exists()}
    return derive(texts, own=release["VERSION_CODENAME"], wanted=suite)


def _doing(log: Path) -> str:
    """What mmdebstrap is about, for a sign of life."""
    infos = [line[2:].strip() for line in process.tail(log, 40).splitlines() if line.startswith("I: ")]
    return infos[-1].rstrip(".") if infos else "starting"


def _reason(log: Path) -> str:
    """The first error of a build, the others follow from it."""
    errors = [line[2:].strip() for line in process.tail(log, 100).splitlines() if line.startswith("E: ")]
    return errors[0] if errors else "it failed without a reason"
