"""Let bridges of the underlay forward frames with any address.

With br_netfilter in the kernel, bridged frames traverse the iptables rules of this machine. An engine that manages
these rules drops frames with addresses from outside the underlay. The sysctls apply to the whole machine. The first
fleet of any test bed disables them, and the last one restores them.
"""

from __future__ import annotations

import json
import os
import shutil
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
        """Disable the sysctls for `user`, and record their values."""
        values = _values()
        if not any(values.values()) and (not self._record.exists() or user in self._read()["users"]):
            return
        if os.geteuid() != 0:
            if any(values.values()):
                names = " ".join(f"net.bridge.{name}=0" for name in values)
                raise FleetError(f"the bridge filter drops routed packets. Run `sudo sysctl {names}` first")
            return
        with locks.held(self._lock, "changing a kernel setting"):
            record = self._read()
            values = _values()
            before = {**{name: value for name, value in values.items() if value}, **record["before"]}
            self._write(before, {*record["users"], user})
            for name, value in values.items():
                if value:
                    (FOLDER / name).write_text("0\n")

    def release(self, user: str) -> None:
        """Restore the sysctls if `user` was the last one."""
        if not self._record.exists():
            return
        with locks.held(self._lock, "changing a kernel setting"):
            record = self._read()
            users = {*record["users"]} - {user}
            if users:
                self._write(record["before"], users)
                return
            for name, value in record["before"].items():
                if (FOLDER / name).exists():
                    (FOLDER / name).write_text(f"{value}\n")
            shutil.rmtree(self._folder)

    def _read(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(self._record.read_text())
        except FileNotFoundError:
            return {"before": {}, "users": []}
        return record

    def _write(self, before: dict[str, int], users: set[str]) -> None:
        state.write(self._record, json.dumps({"before": before, "users": sorted(users)}))


def _values() -> dict[str, int]:
    return {name: int((FOLDER / name).read_text()) for name in SWITCHES if (FOLDER / name).exists()}
