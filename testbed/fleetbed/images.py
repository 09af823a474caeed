"""Host images: built from Debian packages, cached, and loaded into the outer engine if missing."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from . import console, locks, packages, process, state
from .aptsources import derive
from .docker import IMAGE_LABEL, LABEL, Docker
from .errors import ImageUnavailable
from .paths import RECIPES, Paths
from .recipe import Recipe, bootstrap

#: Images that are not used for this many days are removed.
KEEP_DAYS = 14


def reference(recipe: Recipe) -> str:
    """Return the name of the image in the outer engine."""
    return f"fleetnet-testbed/host:{recipe.name}"


class ImageStore:
    """The cache of images, and how they get into an engine."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def ensure_built(self, recipe: Recipe) -> Path:
        """Return the path of the image in the cache. Build it if it is missing."""
        tarball = self._tarball(recipe)
        if not tarball.exists():
            packages.require(self._paths.locks, ("mmdebstrap", "mmdebstrap"))
            with locks.held(self._lock(recipe.name), f"building the host image {recipe.generation}"):
                if not tarball.exists():
                    self._build(recipe)
        os.utime(tarball)
        return tarball

    def ensure_loaded(self, recipe: Recipe, docker: Docker) -> None:
        """Load the image into the outer engine if it is missing there."""
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
            # An engine refuses to prune twice at the same time.
            docker.run("image", "prune", "--all", "--force", *old, check=False)

    def purge(self) -> None:
        """Empty the cache, except for images that are being built."""
        if self._paths.cache.is_dir():
            self._clean_up()
            for path in self._paths.cache.iterdir():
                if path.is_file():
                    path.unlink()

    def _lock(self, name: str) -> Path:
        return self._paths.cache / f"{name}.lock"

    def _tarball(self, recipe: Recipe) -> Path:
        return self._paths.cache / f"{recipe.name}.tar"

    def _build(self, recipe: Recipe) -> None:
        """Build in a temporary folder and move the result into place, so that the cache has no incomplete image."""
        self._clean_up()
        work = self._paths.cache / f"{recipe.name}.building"
        process.remove_tree(work)
        work.mkdir(parents=True)
        # apt reads the files that it verifies as an unprivileged user.
        work.chmod(0o755)
        log = self._paths.cache / f"{recipe.name}.log"
        target = work / "image.tar"
        command = bootstrap(
            recipe, customize=str(RECIPES / "customize"), target=str(target), sources=_sources(recipe.suite)
        )
        try:
            with console.step(f"building the host image {recipe.generation}", hint=lambda: _doing(log)):
                process.run_logged(command, log, env={**os.environ, "TMPDIR": str(work)})
            state.flush(target)
            target.rename(self._tarball(recipe))
        except process.ProgramFailed as error:
            raise ImageUnavailable(
                recipe.generation, f"the host image cannot be built: {_reason(log)} (see {log})", error.output
            ) from error
        finally:
            process.remove_tree(work)

    def _clean_up(self) -> None:
        """Remove files of killed builds, and unused images."""
        for work in self._paths.cache.glob("*.building"):
            with locks.held_if_free(self._lock(work.stem)) as free:
                if free:
                    process.remove_tree(work)
        oldest = time.time() - KEEP_DAYS * 24 * 3600
        for path in self._paths.cache.glob("*.tar"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def unload(docker: Docker) -> None:
    """Remove the host images from an engine."""
    if found := docker.ids("image"):
        docker.run("image", "rm", *found)


def _sources(suite: str) -> tuple[str, ...]:
    """Return the package sources of a suite, derived from those of this machine if it runs Debian."""
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        return ()
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *(folder / "sources.list.d").glob("*.list")]
    files += (folder / "sources.list.d").glob("*.sources")
    texts = {file.name: file.read_text() for file in files if file.exists()}
    return derive(texts, own=release["VERSION_CODENAME"], wanted=suite)


def _doing(log: Path) -> str:
    """Return what mmdebstrap currently does, for progress messages."""
    infos = [line[2:].strip() for line in process.tail(log, 40).splitlines() if line.startswith("I: ")]
    return infos[-1].rstrip(".") if infos else "starting"


def _reason(log: Path) -> str:
    """Return the first error of a build. It causes the others."""
    errors = [line[2:].strip() for line in process.tail(log, 100).splitlines() if line.startswith("E: ")]
    return errors[0] if errors else "no error in its log"
