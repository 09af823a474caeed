# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the undo, which runs on hosts without Ansible. It has no arguments."""

from __future__ import annotations

import sys
import time

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    ATTEMPTS,
    LONG_PAUSE,
    PAUSE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import HostEngine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.undo import Undo
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.process_commands import ProcessCommands


def main() -> int:
    """Undo the change of the pending checkpoint, and return the exit status. systemd repeats one that was killed."""
    commands, folder = ProcessCommands(), CheckpointFolder()
    undo = Undo(commands, folder, HostState(commands), HostEngine(commands))
    attempt = 1
    while True:
        report = undo.run(attempt)
        for line in (*report.operations, *report.problems) if report else ():
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if report is None or not report.problems:
            return 0
        time.sleep(PAUSE if attempt < ATTEMPTS else LONG_PAUSE)
        attempt += 1
