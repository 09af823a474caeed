"""Let bridges of the underlay forward frames with any address.

With br_netfilter in the kernel, bridged frames traverse the iptables rules of this machine. An engine that manages
these rules drops frames with addresses from outside the underlay. The sysctls apply to the whole machine. The first
fleet of any test bed disables them, and the last one restores them.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from . import locks, state
from .errors import FleetError
from .paths import Paths

SWITCHES = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
FOLDER = Path("/proc/sys/net/bridge")


class BridgeFilter:
    """The sysctls, and the record of the fleets that need them off. Both do not survive a reboot."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.machine
        self._record = paths.machine / "bridge-filter.json"
        self._lock = paths.machine_lock

    def acquire(self, user: str) -> None:
        """Disable the sysctls for `user`, and record their values. `user` is `ROOT:FLEET`: a test bed and its fleet."""
        if os.geteuid() != 0:
            if any(_values().values()):
                names = " ".join(f"net.bridge.{name}=0" for name in _values())
                raise FleetError(f"the bridge filter drops routed packets. Run `sudo sysctl {names}` first")
            return
        with locks.held(self._lock, "changing a kernel setting"):
            record = self._read()
            values = _values()
            before = {**{name: value for name, value in values.items() if value}, **record["before"]}
            if before:
                self._write(before, {*record["users"], user})
            for name, value in values.items():
                if value:
                    (FOLDER / name).write_text("0\n")

    def release(self, user: str) -> None:
        """Restore the sysctls if `user` was the last one whose fleet exists."""
        if not self._folder.exists():
            return
        with locks.held(self._lock, "changing a kernel setting"):
            record = self._read()
            users = {other for other in record["users"] if other != user and _exists(other)}
            if users:
                self._write(record["before"], users)
                return
            for name, value in record["before"].items():
                if (FOLDER / name).exists():
                    (FOLDER / name).write_text(f"{value}\n")
            # Includes the draft of a killed command. Commands that wait for the lock create its file again.
            for path in self._folder.iterdir():
                path.unlink()
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _read(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(self._record.read_text())
        except FileNotFoundError:
            return {"before": {}, "users": []}
        return record

    def _write(self, before: dict[str, int], users: set[str]) -> None:
        state.write(self._record, json.dumps({"before": before, "users": sorted(users)}))


def _exists(user: str) -> bool:
    """Return whether the folder of a recorded fleet still exists: a whole test bed can be deleted by hand."""
    root, _, name = user.rpartition(":")
    return (Path(root) / "fleets" / name).exists()


def _values() -> dict[str, int]:
    return {name: int((FOLDER / name).read_text()) for name in SWITCHES if (FOLDER / name).exists()}
