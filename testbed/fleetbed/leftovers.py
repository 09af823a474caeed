"""Remove what our own engine leaves behind when it is killed: processes, mounts and control groups below our paths."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import process

CGROUPS = Path("/sys/fs/cgroup")
DEADLINE = 10.0


def clear(exec_root: Path, folders: tuple[Path, ...], cgroup: str) -> None:
    """Kill the processes, then remove their mounts and control groups. The engine must not be running."""

    def ours() -> set[int]:
        return {*_runtimes(exec_root), *_members(cgroup)}

    def end() -> bool:
        for pid in ours():
            _kill(pid)
        return not ours()

    wait(end, DEADLINE)
    _unmount(folders)
    wait(lambda: all(_removed(top) for top in _hierarchies(cgroup)), DEADLINE)


def wait(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until a condition is true. Returns False if it is not true within `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _runtimes(exec_root: Path) -> Iterator[int]:
    """Yield the engine's containerd and its shims: their command lines contain the engine's folder."""
    part = os.fsencode(f"{exec_root}/")
    return (pid for pid, command in processes("containerd") if any(part in argument for argument in command))


def processes(name: str) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the processes of programs whose name starts with `name`, with their command lines."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "comm").read_text().startswith(name):
                yield int(folder.name), (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue


def _members(cgroup: str) -> Iterator[int]:
    """Yield the processes of containers, which keep running without their shims."""
    for top in _hierarchies(cgroup):
        for folder, _, _ in os.walk(top):
            try:
                yield from map(int, (Path(folder) / "cgroup.procs").read_text().split())
            except OSError:
                continue


def _hierarchies(cgroup: str) -> list[Path]:
    """Return the control group in each hierarchy: several with version 1, one with version 2."""
    return [top for top in (CGROUPS / cgroup, *CGROUPS.glob(f"*/{cgroup}")) if top.is_dir()]


def _removed(top: Path) -> bool:
    """Remove a control group with all groups below it. Its files cannot be removed; they disappear with the folder."""
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False  # a process in it has not ended yet
    return True


def _unmount(folders: tuple[Path, ...]) -> None:
    mounts = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if any(folder == mount or folder in mount.parents for folder in folders):
            process.run(["umount", "--lazy", str(mount)], check=False)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
