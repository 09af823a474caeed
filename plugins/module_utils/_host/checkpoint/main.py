# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the undo, which runs on hosts without Ansible. It has no arguments."""

from __future__ import annotations

import sys
import time

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import LONG_PAUSE, PAUSE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import ATTEMPTS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
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
        try:
            report = undo.run(attempt)
        except FleetnetError as error:  # a damaged checkpoint, until it is deleted
            lines, ended = [str(error)], False
        else:
            lines = [*report.operations, *report.problems] if report else []
            ended = report is None or not report.problems
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        if ended:
            return 0
        time.sleep(PAUSE if attempt < ATTEMPTS else LONG_PAUSE)
        attempt += 1
