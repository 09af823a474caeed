# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of the journals: one file per step that is being executed, which outlives the process and the host.

A lock, which the kernel releases when its process ends, distinguishes an interrupted step from one that is being
executed.
"""

from __future__ import annotations

import fcntl
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER

FOLDER = f"{STATE_FOLDER}/networks"
LOCK = f"{RUN_FOLDER}/networks.lock"
SUFFIX = ".json"


def is_interrupted(folder: str = FOLDER, lock: str = LOCK) -> bool:
    """Whether there are journals, of any engine, and no run that executes their steps. Changes nothing."""
    try:
        if not any(name.endswith(SUFFIX) for name in os.listdir(folder)):
            return False
    except OSError:
        return False
    try:
        with open(lock, encoding="utf-8") as file:
            return try_lock(file, fcntl.LOCK_SH)
    except OSError:
        return True


def try_lock(file: t.TextIO, kind: int) -> bool:
    """Lock an open file, unless another process has it locked; whether it is locked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
