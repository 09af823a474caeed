# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distinguishes this run of a playbook from all others."""

from __future__ import annotations

import getpass
import os
import socket
import time
from pathlib import Path


def run_identity() -> dict[str, str]:
    """The options ``run``, ``controller`` and ``user`` of the module ``run_lock``.

    Ansible starts a process for each task of each host. Their parent is the process of ansible-playbook.
    """
    controller, user = socket.gethostname(), _user()
    return {"run": f"{controller}/{user}/{_process(os.getppid())}", "controller": controller, "user": user}


def run_start() -> float:
    """When the process of ansible-playbook started, in whole seconds since 1970: the same for all tasks of the run."""
    try:
        ticks = int(_stat(os.getppid())[19])
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
            if line.startswith("btime ")
        )
    except (OSError, StopIteration, ValueError):  # not Linux
        return float(int(time.time()))
    return float(boot + ticks // os.sysconf("SC_CLK_TCK"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return str(os.getuid())


def _process(number: int) -> str:
    """A process of this boot: its number can be used again, but not with the same start time."""
    try:
        start = _stat(number)[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return str(number)
    return f"{number}/{start}/{boot}"


def _stat(number: int) -> list[str]:
    """The fields of /proc/PID/stat from the third one on, the state."""
    text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()
