"""The recorded state of a fleet: its specification, keys and inventory."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from .errors import FleetError
from .paths import Paths
from .spec import Spec


class FleetState:
    """The folder of one fleet."""

    def __init__(self, paths: Paths, name: str) -> None:
        self.name = name
        self.folder = paths.fleet(name)
        self.key = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        self.inventory = self.folder / "inventory.yml"
        self.sockets = paths.control_sockets(name)
        self._spec = self.folder / "spec.json"
        self._checkout = self.folder / "checkout"

    def host_key(self, host: str) -> Path:
        """Return the path of a host's key. A recreated host keeps its key, because it keeps its address."""
        return self.folder / "host-keys" / host

    def spec(self) -> Spec | None:
        """Return the recorded specification, or None. Raises FleetError if the file is invalid."""
        try:
            return Spec.from_data(json.loads(self._spec.read_text()))
        except OSError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise FleetError(
                f"{self._spec}: invalid. Remove it and run `script/fleet up --name {self.name}` with all options"
            ) from error

    def checkout(self) -> Path | None:
        """Return the checkout that created the fleet, or None if it is not recorded."""
        try:
            return Path(self._checkout.read_text().rstrip("\n"))
        except OSError:
            return None

    def remember(self, spec: Spec, checkout: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        # A full name works in other checkouts as well. The fleet stays with the checkout that created it.
        if not self._checkout.exists():
            write(self._checkout, f"{checkout}\n")
        write(self._spec, json.dumps(spec.as_data(), indent=4) + "\n")

    def forget(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)


def names(paths: Paths) -> list[str]:
    """Return the names of the recorded fleets."""
    return sorted(path.name for path in paths.fleets.iterdir()) if paths.fleets.is_dir() else []


def write(path: Path, text: str) -> None:
    """Write a file atomically, unless it already has this content."""
    try:
        if path.read_text() == text:
            return
    except OSError:
        pass
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    flush(draft)
    draft.replace(path)


def flush(path: Path) -> None:
    """Write a file to the disk, so that it is complete after a crash of the machine."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
