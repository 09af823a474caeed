"""The folders of the test bed. None is in the checkout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "FLEETNET_TESTBED_ROOT"

#: The recipes of the images, data next to this package.
RECIPES = Path(__file__).resolve().parent.parent / "images"


@dataclass(frozen=True)
class Paths:
    """The folders of one test bed.

    A test bed with a root of its own (FLEETNET_TESTBED_ROOT) also runs an outer engine of its own. It shares only the
    image cache with others.
    """

    root: Path
    run: Path
    cache: Path
    machine: Path  # shared by all test beds of a user, because addresses and kernel settings apply to the whole machine
    separate: bool

    @classmethod
    def of(cls, environment: Mapping[str, str], user: int) -> Paths:
        """Return the folders for this environment and user id: system folders for root, the user's own for others."""
        home = Path(environment.get("HOME") or os.path.expanduser("~"))
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "fleetnet" / "images"
        if user == 0:
            root, runtime = Path("/var/lib/fleetnet-testbed"), Path("/run")
        else:
            root = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "fleetnet" / "testbed"
            runtime = Path(environment.get("XDG_RUNTIME_DIR") or root)
        machine = runtime / "fleetnet-testbed.machine"
        if override := environment.get(ROOT_VARIABLE):
            root = Path(override).absolute()
            return cls(root, root / "run", cache, machine, separate=True)
        return cls(root, runtime / "fleetnet-testbed", cache, machine, separate=False)

    @property
    def fleets(self) -> Path:
        return self.root / "fleets"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def machine_lock(self) -> Path:
        return self.machine / "lock"

    def fleet(self, name: str) -> Path:
        """Return the folder of one fleet, with its specification, keys and inventory."""
        return self.fleets / name

    def control_sockets(self, name: str) -> Path:
        """Return the folder of Ansible's SSH connections to one fleet, so that `down` can close them."""
        return self.run / "ssh" / name
