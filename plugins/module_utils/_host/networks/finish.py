# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finish the interrupted runs of the host's engine, without Ansible and the SDK."""

from __future__ import annotations

import sys

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.unix_socket import SocketEngine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import JournalFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Recoverer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import AdoptionFile


def finish(engine: str, paths: JournalPaths) -> int:
    """Finish or undo all interrupted runs; print what was done, and return the exit status.

    ``engine`` is the path of the engine's socket. A run that has begun meanwhile finishes them itself.
    """
    journals = JournalFolder(paths)
    if not journals.interrupted():
        return 0
    try:
        with journals.locked():
            # A bridge that a failed creation left is removed by the next run: only it can remove bridges.
            recoverer = Recoverer(SocketEngine(engine), UnknownBridges(), journals, AdoptionFile(paths.adopted))
            lines = [line for left in recoverer.recover() for line in left.operations]
    except FleetnetError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    for line in [*lines, *recoverer.warnings]:
        sys.stdout.write(f"{line}\n")
    return 0
