# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the undo, which runs on hosts without Ansible. It has no arguments."""

from __future__ import annotations

import contextlib
import os
import sys

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_FILE,
    BOOT_LINK,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import HostEngine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.undo import Undo
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.process_commands import ProcessCommands


def main() -> int:
    """Undo the change of the pending checkpoint; return the exit status. systemd repeats a failed undo."""
    commands, folder = ProcessCommands(), CheckpointFolder()
    report = Undo(commands, folder, HostState(commands), HostEngine(commands)).run()
    if report is None:
        return 0
    for line in (*report.operations, *report.problems):
        sys.stdout.write(f"{line}\n")
    if report.problems:
        return 1
    for path in (BOOT_LINK, BOOT_FILE):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with contextlib.suppress(CommandFailed):  # so that systemd forgets the unit, which it has read after a reboot
        commands.run("systemctl", "daemon-reload")
    return 0
