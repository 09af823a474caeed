"""Lets frames with any address pass over the underlay's bridges.

With br_netfilter in the kernel, bridged frames go through this machine's iptables rules, and an engine that
manages those drops what does not have the underlay's own addresses. The switch is one for the whole machine, so it
is turned off with the first fleet and put back with the last, whichever test bed these belong to.
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
    """The switches, and the record of who needs them off. Like them, the record is gone after a reboot."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.machine
        self._record = paths.machine / "bridge-filter.json"
        self._lock = paths.machine_lock

    def acquire(self, user: str) -> None:
        """Turns the switches off for the sake of `user`, and remembers how they were."""
        values = _values()
        if not any(values.values()) and (not self._record.exists() or user in self._read()["users"]):
            return
        if os.geteuid() != 0:
            if any(values.values()):
                names = " ".join(f"net.bridge.{name}=0" for name in values)
                raise FleetError(f"the bridge would drop routed packets: run `sudo sysctl {names}` first")
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
        """Puts the switches back when `user` was the last one."""
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
