"""Kernel settings of the whole machine that fleets need.

With br_netfilter in the kernel, bridged frames traverse the iptables rules of this machine. An engine that manages
these rules drops frames with addresses from outside the underlay. The hosts also share the limit on inotify instances,
about four per host. At the limit, systemd does not boot.

The first fleet of any test bed changes the settings, and the last one restores them.
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

FOLDER = Path("/proc/sys")

#: The bridge filter, which must be 0.
SWITCHES = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")

#: A limit that must be at least this high.
INSTANCES = "max_user_instances"
ENOUGH_INSTANCES = 4096


class KernelSettings:
    """The sysctls, and the record of the fleets that need them. Both do not survive a reboot."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.machine
        self._record = paths.machine / "bridge-filter.json"
        self._lock = paths.machine_lock

    def acquire(self, user: str) -> None:
        """Change the sysctls for `user`, and record their values. `user` is `ROOT:FLEET`: a test bed and its fleet."""
        if os.geteuid() != 0:
            if switches := [name for name in _unfit() if name in SWITCHES]:
                names = " ".join(f"net.bridge.{name}=0" for name in switches)
                raise FleetError(f"the bridge filter drops routed packets. Run `sudo sysctl {names}` first")
            return
        with locks.held(self._lock, "changing a kernel setting"):
            record = self._read()
            unfit = _unfit()
            before = {**unfit, **record["before"]}
            if before:
                self._write(before, {*record["users"], user})
            for name in unfit:
                _set(name, 0 if name in SWITCHES else ENOUGH_INSTANCES)

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
                if _path(name).exists():
                    _set(name, value)
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


def _path(name: str) -> Path:
    return FOLDER / ("net/bridge" if name in SWITCHES else "fs/inotify") / name


def _unfit() -> dict[str, int]:
    """Return the values of the sysctls that fleets cannot work with."""
    values = {name: int(_path(name).read_text()) for name in (*SWITCHES, INSTANCES) if _path(name).exists()}
    return {name: value for name, value in values.items() if (value if name in SWITCHES else value < ENOUGH_INSTANCES)}


def _set(name: str, value: int) -> None:
    # In a container, the machine's limits can be read-only. Then as many hosts boot as they allow.
    with contextlib.nullcontext() if name in SWITCHES else contextlib.suppress(OSError):
        _path(name).write_text(f"{value}\n")
